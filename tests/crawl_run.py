"""Runs one real Scrapy crawl, as a process of its own: `crawl_run.py JOB`, a JSON object.

A job has a `spider` (a name below), a `start` URL, a `stats` file to write, `settings`, and where
the items go is one of these (`FEEDS`).
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import attrs
import scrapy
from scrapy import signals
from scrapy.crawler import Crawler, CrawlerProcess
from scrapy.http import Response, TextResponse


class Site(scrapy.Spider):
    """Follows every link; an item a page, with its paragraphs as a list."""

    name = "site"
    start_url = ""

    async def start(self) -> AsyncIterator[scrapy.Request]:
        """Begin with the first page."""
        yield scrapy.Request(self.start_url)

    def parse(self, response: Response) -> Iterator[Any]:
        """Give what the page says, and go on."""
        yield {
            "url": response.url,
            "title": response.css("title::text").get(),
            "text": response.css("p::text").getall(),
        }
        for link in response.css("a::attr(href)").getall():
            yield response.follow(link)


class Orderly(Site):
    """The same in one order: a section, its articles, the next section."""

    name = "orderly"

    def parse(self, response: Response) -> Iterator[Any]:
        """Give every request a priority of its own."""
        for result in super().parse(response):
            if isinstance(result, scrapy.Request):
                kind, number = result.url.rsplit("/", 2)[1:]
                place = int(number) * 10 if kind == "section" else int(number) * 10 // 9 + 1
                yield result.replace(priority=-place)
            else:
                yield result


class WholePages(Site):
    """The same with the page itself as text: HTML."""

    name = "html"

    def parse(self, response: Response) -> Iterator[Any]:
        """Give the page, and go on."""
        assert isinstance(response, TextResponse)
        yield {"url": response.url, "text": response.text}
        for link in response.css("a::attr(href)").getall():
            yield response.follow(link)


@dataclass
class Plain:
    """A dataclass with room for a report."""

    text: str
    dedup: dict[str, Any] | None = None


@dataclass(frozen=True)
class Frozen:
    """A dataclass that cannot be changed."""

    text: str


@attrs.define
class Attrs:
    """An attrs class without room for a report."""

    text: str
    summary: str = ""


class Classic(scrapy.Item):
    """A scrapy.Item with room for a report."""

    text = scrapy.Field()
    dedup = scrapy.Field()


TEXTS = {
    "A": "The harbour council said on Monday that three new cranes would not be ready this spring.",
    "B": "Nobody at the shipyard could explain why the paint on the old lighthouse turned green.",
    "C": "A ferry that was late for eleven years arrived early, and found nobody to meet it.",
}


class Kinds(Site):
    """One response, many items of many types."""

    name = "kinds"

    def parse(self, response: Response) -> Iterator[Any]:
        """Give one item of each type."""
        a, b, c = TEXTS.values()
        yield {"text": a}
        yield Plain(f"{a}\n\n{b}")
        yield Attrs(text=b, summary=f"{c}\n\nRead on")
        yield Classic(text=c)
        yield {"text": [a, b, "A short one", ""], "title": a}
        yield Frozen(a)
        yield {"text": 12}
        yield {"other": a}
        yield response.follow(
            "/skip", callback=self.parse_later, meta={"dedup_skip": True, "dedup_page": "s"}
        )
        yield response.follow("/named", callback=self.parse_later, meta={"dedup_page": "named"})

    def parse_later(self, response: Response) -> Iterator[Any]:
        """Give an item of a page with a meta key."""
        yield {"text": TEXTS["A"], "from": response.url.rsplit("/", 1)[1]}


class Homeless(Site):
    """Items of start(), one with a URL and one without."""

    name = "homeless"

    async def start(self) -> AsyncIterator[Any]:
        """Give items without a page."""
        yield {"text": TEXTS["A"], "url": "https://example.org/a"}
        yield {"text": TEXTS["B"]}


class Asking(Site):
    """A callback that asks before it goes on."""

    name = "asking"

    async def parse(self, response: Response) -> AsyncIterator[Any]:  # type: ignore[override]
        """Ask, and tell what came of it."""
        # Late: a crawl without dedup, with which others are compared, must not load it.
        from dedup.contrib.scrapy import DedupPipeline  # noqa: PLC0415

        pipeline = self.crawler.get_item_pipeline(DedupPipeline)
        assert pipeline
        report = await pipeline.deduper.lookup(TEXTS["A"], response.url)
        yield {"known": len(report.repeats), "text": TEXTS["A"]}
        if response.url.endswith("/"):
            yield response.follow("/again", dont_filter=True)


SPIDERS = {kind.name: kind for kind in (Site, Orderly, WholePages, Kinds, Homeless, Asking)}


class Meter:
    """Seconds from a spider's opening to its closing, those of this process alone.

    Attributes:
        took: `wall`; `cpu` of all threads; `gc`, what of it went into collecting garbage.
        is_set_aside: whether the collector is kept away from some objects.
    """

    def __init__(self, crawler: Crawler) -> None:
        self.took: dict[str, float] = {}
        self.is_set_aside = False
        self._collecting = self._since = 0.0
        gc.callbacks.append(self._watch)
        crawler.signals.connect(self._open, signals.spider_opened)
        crawler.signals.connect(self._close, signals.spider_closed)

    def _watch(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._since = time.perf_counter()
        else:
            self._collecting += time.perf_counter() - self._since

    def _now(self) -> dict[str, float]:
        return {
            "wall": time.perf_counter(),
            "cpu": time.process_time(),
            "gc": self._collecting,
        }

    def _open(self) -> None:
        self.is_set_aside = gc.get_freeze_count() > 0
        self._began = self._now()

    def _close(self) -> None:
        self.took = {name: end - self._began[name] for name, end in self._now().items()}


def main() -> None:
    """Run the crawl, write its stats, and fail where it did not begin."""
    job = json.loads(sys.argv[1])
    settings = {"LOG_LEVEL": "INFO", "TELNETCONSOLE_ENABLED": False}
    settings |= {"REMOTE_CONTROL_ENABLED": False} | job["settings"]
    process = CrawlerProcess(settings)
    crawler = process.create_crawler(SPIDERS[job["spider"]])
    meter = Meter(crawler)
    process.crawl(crawler, start_url=job["start"])
    process.start()
    assert crawler.stats
    stats: dict[str, Any] = {
        k: v for k, v in crawler.stats.get_stats().items() if isinstance(v, int | float | str)
    }
    stats["took"] = meter.took
    stats["set_aside"] = {"open": meter.is_set_aside, "closed": gc.get_freeze_count() > 0}
    Path(job["stats"]).write_text(json.dumps(stats), encoding="utf-8")
    sys.exit(process.bootstrap_failed)


if __name__ == "__main__":
    main()
