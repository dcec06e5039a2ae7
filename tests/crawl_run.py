"""Runs one real Scrapy crawl, as a process of its own: `crawl_run.py JOB`, a JSON object.

A job has a `spider` (a name below), a `start` URL, a `stats` file to write, `settings`, and where
the items go is one of these (`FEEDS`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import attrs
import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.http import Response, TextResponse

from dedup.contrib.scrapy import DedupPipeline


class Site(scrapy.Spider):
    """Follows every link; an item a page, with its paragraphs as a list."""

    name = "site"
    start_url = ""

    async def start(self) -> AsyncIterator[scrapy.Request]:
        yield scrapy.Request(self.start_url)

    def parse(self, response: Response) -> Iterator[Any]:
        yield {
            "url": response.url,
            "title": response.css("title::text").get(),
            "text": response.css("p::text").getall(),
        }
        for link in response.css("a::attr(href)").getall():
            yield response.follow(link)


class WholePages(Site):
    """The same with the page itself as text: HTML."""

    name = "html"

    def parse(self, response: Response) -> Iterator[Any]:
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
        yield {"text": TEXTS["A"], "from": response.url.rsplit("/", 1)[1]}


class Homeless(Site):
    """Items of start(), one with a URL and one without."""

    name = "homeless"

    async def start(self) -> AsyncIterator[Any]:
        yield {"text": TEXTS["A"], "url": "https://example.org/a"}
        yield {"text": TEXTS["B"]}


class Asking(Site):
    """A callback that asks before it goes on."""

    name = "asking"

    async def parse(self, response: Response) -> AsyncIterator[Any]:  # type: ignore[override]
        pipeline = self.crawler.get_item_pipeline(DedupPipeline)
        assert pipeline
        report = await pipeline.deduper.lookup(TEXTS["A"], response.url)
        yield {"known": len(report.repeats), "text": TEXTS["A"]}
        if response.url.endswith("/"):
            yield response.follow("/again", dont_filter=True)


SPIDERS = {kind.name: kind for kind in (Site, WholePages, Kinds, Homeless, Asking)}


def main() -> None:
    job = json.loads(sys.argv[1])
    settings = {"LOG_LEVEL": "INFO", "TELNETCONSOLE_ENABLED": False} | job["settings"]
    process = CrawlerProcess(settings)
    crawler = process.create_crawler(SPIDERS[job["spider"]])
    process.crawl(crawler, start_url=job["start"])
    process.start()
    assert crawler.stats
    stats = {k: v for k, v in crawler.stats.get_stats().items() if isinstance(v, int | str)}
    Path(job["stats"]).write_text(json.dumps(stats), encoding="utf-8")
    sys.exit(process.bootstrap_failed)


if __name__ == "__main__":
    main()
