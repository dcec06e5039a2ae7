"""dedup in real Scrapy crawls, each in a process of its own, of a site whose repeats are known."""

from __future__ import annotations

import gc
import json
import re
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from crawl_site import Site, serve, write_site
from server_groups import Servers
from servers import find_servers, require, start_standalone, wait_until

from dedup import Deduper, SettingsError

pytest.importorskip("scrapy", reason="needs Scrapy: pip install 'dedup[scrapy]'")

from scrapy.exceptions import NotConfigured
from scrapy.settings import BaseSettings

from dedup.contrib.scrapy.heap import Heap
from dedup.contrib.scrapy.settings import DEFAULTS, CrawlSettings, require_enabled

TESTS = Path(__file__).parent
RUNNER = TESTS / "crawl_run.py"
ADDONS = {"dedup.contrib.scrapy.DedupAddon": 500}
ORDERLY = {"CONCURRENT_REQUESTS": 1, "CONCURRENT_ITEMS": 1}


@dataclass
class Crawl:
    """A crawl that runs, or has run."""

    process: subprocess.Popen[str]
    items_path: Path
    stats_path: Path
    log: str = ""

    def finish(self, *, well: bool = True) -> Crawl:
        """Wait for its end."""
        self.log = self.process.communicate(timeout=60)[1]
        if well:
            assert self.process.returncode == 0, self.log
            assert "Traceback" not in self.log, self.log
            assert "eprecat" not in self.log, self.log
        return self

    @property
    def items(self) -> list[dict[str, Any]]:
        """The items that came out, in order."""
        return [json.loads(line) for line in self.items_path.read_text("utf-8").splitlines()]

    @property
    def stats(self) -> dict[str, Any]:
        """Those of dedup, by their last name, and how many items came out."""
        stats = json.loads(self.stats_path.read_text("utf-8"))
        mine = {name[6:]: value for name, value in stats.items() if name.startswith("dedup/")}
        return mine | {"items": stats.get("item_scraped_count", 0), "all": stats}


Start = Callable[..., Crawl]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts crawls, with the add-on unless `ADDONS` says otherwise."""
    started: list[Crawl] = []

    def start_one(spider: str, url: str, name: str = "crawl", **settings: Any) -> Crawl:
        items, stats = tmp_path / f"{name}.jsonl", tmp_path / f"{name}.json"
        feeds = {str(items): {"format": "jsonlines", "overwrite": False}}
        job = {
            "spider": spider,
            "start": url,
            "stats": str(stats),
            "settings": {"FEEDS": feeds, "ADDONS": ADDONS} | settings,
        }
        process = subprocess.Popen(
            [sys.executable, str(RUNNER), json.dumps(job)],
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        started.append(Crawl(process, items, stats))
        return started[-1]

    yield start_one
    for crawl in started:
        if crawl.process.poll() is None:
            crawl.process.kill()
            crawl.process.communicate()


@pytest.fixture(scope="module")
def site() -> Site:
    """The site of 300 pages."""
    written = write_site()
    assert len(written.pages) == 300
    return written


@pytest.fixture(scope="module")
def home(site: Site) -> Iterator[str]:
    """Its first page."""
    with serve(site) as address:
        yield f"{address}/section/0"


def labels_of(site: Site, items: list[dict[str, Any]]) -> Counter[str]:
    """How often each thing that can be said comes out."""
    return Counter(site.labels[text] for item in items for text in item["text"])


def assert_all_said_once(site: Site, items: list[dict[str, Any]]) -> None:
    """Everything comes out, and once; of a teaser, nothing where the article came before it."""
    said = labels_of(site, items)
    told = set(site.labels.values())
    assert not [label for label, count in said.items() if count > 1]
    assert not [label for label in told - said.keys() if not label.startswith("teaser")]


def test_trim(site: Site, home: str, start: Start) -> None:
    """Items come out with unique text only, nothing is lost, and the stats add up."""
    crawl = start("site", home, DEDUP_ACTION="trim").finish()
    assert_all_said_once(site, crawl.items)
    assert all(item["title"].startswith("/") for item in crawl.items)
    stats = crawl.stats
    assert stats["items"] == stats["checked"] == len(crawl.items) == 300
    repeats = sum(stats.get(kind, 0) for kind in ("exact", "near", "excerpt"))
    assert stats["blocks"] == site.blocks
    assert stats["blocks_removed"] == repeats
    assert site.blocks - repeats == labels_of(site, crawl.items).total()
    assert "errors" not in stats
    assert "unchecked" not in stats
    assert stats["all"]["set_aside"] == {"open": True, "closed": False}


def test_two_spiders_share_an_index(
    site: Site, home: str, start: Start, redis_servers: Servers
) -> None:
    """Two sites with the same text, two processes, one Redis: each thing is said by one of them."""
    url = redis_servers.get("valkey", start_standalone).url
    shared = {"DEDUP_INDEX": url, "DEDUP_NAMESPACE": uuid.uuid4().hex, "DEDUP_ACTION": "trim"}
    with serve(site) as mirror:
        crawls = [
            start("site", home, "one", **shared),
            start("site", f"{mirror}/section/0", "other", **shared),
        ]
        items = [item for crawl in crawls for item in crawl.finish().items]
    assert len(items) == 600
    assert_all_said_once(site, items)
    assert all(crawl.stats["checked"] == 300 for crawl in crawls)
    with Deduper(url, namespace=shared["DEDUP_NAMESPACE"]) as deduper:
        assert deduper.stats().pages == 600
        deduper.clear()


@pytest.mark.parametrize("store", ["redis", "its own file"])
def test_a_resumed_crawl_gives_the_same_items(
    start: Start, redis_servers: Servers, tmp_path: Path, store: str
) -> None:
    """A crawl that is interrupted and resumed gives the items of one that was left in peace."""
    site = write_site(sections=12)
    settings: dict[str, Any] = ORDERLY | {"DEDUP_ACTION": "trim"}
    if store == "redis":
        settings["DEDUP_INDEX"] = redis_servers.get("valkey", start_standalone).url

    def crawl(name: str) -> Crawl:
        namespace = {"DEDUP_NAMESPACE": name + tmp_path.name}
        return start(
            "orderly",
            f"{address}/section/0",
            name,
            JOBDIR=str(tmp_path / f"job {name}"),
            **settings,
            **namespace,
        )

    with serve(site) as address:
        undisturbed = crawl("undisturbed").finish()
        before = site.requests
        first = crawl("disturbed")
        wait_until(lambda: site.requests > before + 30, what="the crawl to be under way")
        first.process.send_signal(signal.SIGINT)
        done = first.finish().stats["items"]
        resumed = crawl("disturbed").finish()
    assert 0 < done < len(site.pages) == done + resumed.stats["items"]
    assert resumed.items == undisturbed.items
    assert_all_said_once(site, undisturbed.items)


def test_a_resumed_crawl_with_many_requests_at_once(start: Start, tmp_path: Path) -> None:
    """Interrupted and resumed, it has an item of each page, and says everything once, as ever.

    Which of two pages says it depends on which came first, with any crawl of this kind; and so does
    whether a teaser is there beside its article.
    """
    site = write_site(sections=12)

    def crawl(name: str) -> Crawl:
        job = {"JOBDIR": str(tmp_path / f"job {name}"), "DEDUP_ACTION": "trim"}
        return start("site", f"{address}/section/0", name, **job)

    with serve(site) as address:
        undisturbed = crawl("undisturbed").finish()
        before = site.requests
        first = crawl("disturbed")
        wait_until(lambda: site.requests > before + 30, what="the crawl to be under way")
        first.process.send_signal(signal.SIGINT)
        done = first.finish().stats["items"]
        resumed = crawl("disturbed").finish()
    assert 0 < done < len(site.pages) == done + resumed.stats["items"]
    both = [sorted(item["title"] for item in each.items) for each in (undisturbed, resumed)]
    assert both[0] == both[1] == sorted(site.pages)
    for each in (undisturbed, resumed):
        assert_all_said_once(site, each.items)


def test_a_page_that_is_crawled_again_is_not_flagged(
    home: str, start: Start, redis_servers: Servers
) -> None:
    """The same crawl on the same index tomorrow gives the same items again."""
    settings = ORDERLY | {
        "DEDUP_INDEX": redis_servers.get("valkey", start_standalone).url,
        "DEDUP_NAMESPACE": uuid.uuid4().hex,
        "DEDUP_ACTION": "trim",
        "CLOSESPIDER_PAGECOUNT": 40,
    }
    today = start("orderly", home, "today", **settings).finish()
    tomorrow = start("orderly", home, "tomorrow", **settings).finish()
    both = min(len(today.items), len(tomorrow.items))
    assert both >= 40
    assert tomorrow.items[:both] == today.items[:both]


def test_flag(home: str, start: Start) -> None:
    """Items keep their text and carry a report, which names what repeats and where it stood."""
    crawl = start("orderly", home, CLOSESPIDER_PAGECOUNT=40, **ORDERLY).finish()
    assert all(item["dedup"]["page"] == item["url"] for item in crawl.items)
    repeats = [(repeat, item) for item in crawl.items for repeat in item["dedup"]["repeats"]]
    for repeat, item in repeats:
        assert repeat["text"] in item["text"]
        assert repeat["original"]["page"] in {item["url"] for item in crawl.items}
    assert any(repeat["scope"] == "page" for repeat, _ in repeats)
    assert len(repeats) == crawl.stats["exact"] + crawl.stats.get("near", 0)
    assert "blocks_removed" not in crawl.stats
    first = crawl.items[0]
    assert first["dedup"]["blocks"] == len(first["text"])


def test_drop(site: Site, start: Start) -> None:
    """An item of which everything is known is dropped, quietly; one new block keeps it whole."""
    pages = dict(site.pages)
    copy = Site({f"/copy{n}": site.pages[f"/article/{n}"] for n in range(3)})
    pages["/section/0"] = site.pages["/section/0"].replace(
        "<nav>", '<nav><a href="/copy0"></a><a href="/copy1"></a><a href="/copy2"></a>'
    )
    with serve(Site(pages | copy.pages)) as address:
        settings = ORDERLY | {"DEPTH_LIMIT": 1, "DEDUP_ACTION": "drop"}
        crawl = start("site", f"{address}/section/0", **settings).finish()
    came = [item["url"].removeprefix(address) for item in crawl.items]
    for number in range(3):
        assert (f"/copy{number}" in came) + (f"/article/{number}" in came) == 1
    assert crawl.stats["all"]["item_dropped_reasons_count/RepeatedItem"] == 3
    assert "Dropped" not in crawl.log
    assert all("The Harbour Courier" in item["text"][-1] for item in crawl.items)


def test_html(home: str, start: Start) -> None:
    """A field may be a whole page of HTML: what is left of it is text."""
    settings = ORDERLY | {"CLOSESPIDER_PAGECOUNT": 10, "DEDUP_ACTION": "trim"}
    crawl = start("html", home, **settings).finish()
    assert crawl.items[0]["text"].startswith("News from the harbour")
    assert all("<p>" not in item["text"] for item in crawl.items)
    assert all("Harbour Courier" not in item["text"] for item in crawl.items[1:])


def kinds(start: Start, name: str, **settings: Any) -> Crawl:
    """A crawl of items of all types."""
    with serve(Site(dict.fromkeys(("/", "/skip", "/named"), "<p>x</p>"))) as address:
        fields = {"DEDUP_FIELDS": "text,summary"}
        return start("kinds", f"{address}/", name, **fields, **ORDERLY, **settings).finish(
            well=settings.get("DEDUP_ON_ERROR") != "raise"
        )


def test_items_of_every_type_are_trimmed(start: Start) -> None:
    """Dicts, dataclasses, attrs and scrapy.Item; text, lists of texts, several fields."""
    crawl = kinds(start, "trim", DEDUP_ACTION="trim")
    a, b, c = (crawl.items[0]["text"], crawl.items[1]["text"], crawl.items[2]["summary"])
    assert a.startswith("The harbour")
    assert b.startswith("Nobody")
    assert c.startswith("A ferry")
    assert crawl.items[2]["text"] == ""
    assert crawl.items[2]["summary"].endswith("Read on")
    assert crawl.items[3] == {"text": ""}
    assert crawl.items[4] == {"text": ["A short one"], "title": a}
    assert crawl.items[5]["text"] == a, "a frozen item passes as it is"
    later = {item["from"]: item["text"] for item in crawl.items if "from" in item}
    assert later == {"skip": a, "named": ""}
    stats = crawl.stats
    assert (stats["checked"], stats["unchecked"], stats["errors"]) == (6, 2, 2)
    assert stats["items"] == 10
    assert "Frozen cannot be trimmed" in crawl.log
    assert "field 'text' holds a int: give text, or a list of texts" in crawl.log
    assert crawl.log.count("have no text in any of DEDUP_FIELDS=text,summary") == 1


def test_items_of_every_type_are_flagged(start: Start) -> None:
    """The report goes where there is a field for it; where there is none, the log says so once."""
    crawl = kinds(start, "flag")
    pages = [item["dedup"]["page"] for item in crawl.items if item.get("dedup")]
    home = pages[0]
    assert pages[:4] == [home, f"{home}#item-2", f"{home}#item-4", f"{home}#item-5"]
    assert pages[-1] == "named"
    assert crawl.log.count("Attrs: items of this type have no field 'dedup'") == 1
    originals = {
        repeat["original"]["page"]
        for item in crawl.items
        for repeat in (item.get("dedup") or {"repeats": []})["repeats"]
    }
    assert originals == {home, f"{home}#item-2", f"{home}#item-3"}


@pytest.mark.parametrize(("on_error", "left"), [("drop", 8), ("raise", 8)])
def test_items_that_cannot_be_judged(start: Start, on_error: str, left: int) -> None:
    """They are dropped, or their error is raised, as wished."""
    crawl = kinds(start, on_error, DEDUP_ACTION="trim", DEDUP_ON_ERROR=on_error)
    assert crawl.stats["items"] == left
    assert crawl.stats["errors"] == 2
    assert ("dropped_reasons_count/UncheckedItem" in str(crawl.stats)) == (on_error == "drop")
    assert ("dedup.errors.PageError" in crawl.log) == (on_error == "raise")


def test_items_from_nowhere(start: Start) -> None:
    """An item of start() is of the page that its url names; without one it is an error."""
    crawl = start("homeless", "").finish()
    assert [item["dedup"]["page"] for item in crawl.items if "dedup" in item] == [
        "https://example.org/a"
    ]
    assert crawl.stats["errors"] == 1
    assert "an item without a page: give it a url field" in crawl.log


def test_callbacks_may_ask(start: Start) -> None:
    """A callback reaches the deduper of its crawl, before its item is judged and after."""
    with serve(Site({"/": "<p>x</p>", "/again": "<p>x</p>"})) as address:
        crawl = start("asking", f"{address}/", **ORDERLY).finish()
    assert [item["known"] for item in crawl.items] == [0, 1]


def test_a_crawl_does_not_begin_without_its_index(home: str, site: Site, start: Start) -> None:
    """What an index that cannot be reached means is said, and no page is asked for."""
    before = site.requests
    crawl = start("site", home, DEDUP_INDEX="redis://127.0.0.1:1/0").finish(well=False)
    assert crawl.process.returncode
    assert "cannot be reached: see that it runs and that the address is right" in crawl.log
    assert site.requests == before


def test_an_index_that_is_lost_on_the_way(home: str, site: Site, start: Start) -> None:
    """When the server goes, the crawl goes on: items pass as they are, and are counted."""
    server = start_standalone(require(find_servers(), "server"))
    before = site.requests
    settings = {"DEDUP_INDEX": server.url, "DEDUP_ACTION": "trim", "CLOSESPIDER_PAGECOUNT": 60}
    crawl = start("orderly", home, **settings)
    wait_until(lambda: site.requests > before + 20, what="the crawl to be under way")
    server.stop()
    crawl.finish(well=False)
    stats = crawl.stats
    assert stats["errors"] > 0
    assert stats["checked"] + stats["errors"] == stats["items"] == len(crawl.items)
    assert "Item passes unchecked" in crawl.log


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"DEDUP_ACTION": "trimm"}, "DEDUP_ACTION='trimm': did you mean trim?"),
        ({"DEDUP_ACTION": "x"}, "DEDUP_ACTION='x': use one of flag, trim, drop"),
        ({"DEDUP_ON_ERROR": "?"}, r"DEDUP_ON_ERROR='\?': use one of pass, drop, raise"),
        ({"DEDUP_FIELDS": []}, r"DEDUP_FIELDS=\[\]: name fields"),
        ({"DEDUP_FIELDS": "text,"}, "DEDUP_FIELDS='text,': name fields"),
        ({"DEDUP_FIELDS": 3}, "DEDUP_FIELDS=3: give a list of field names"),
        ({"DEDUP_INDEX": 3}, "DEDUP_INDEX=3: give the URL of an index"),
        ({"DEDUP_THRESHOLD": "high"}, "DEDUP_THRESHOLD='high': give a number"),
        ({"DEDUP_OPTIONS": "min_words=3"}, "DEDUP_OPTIONS='min_words=3': give a dict"),
        ({"DEDUP_ACTOIN": "trim"}, "unknown setting DEDUP_ACTOIN: did you mean DEDUP_ACTION?"),
    ],
)
def test_settings_that_cannot_be_meant(settings: dict[str, Any], message: str) -> None:
    """Every value that cannot be meant is refused, with its name and a remedy."""
    with pytest.raises(SettingsError, match=message):
        CrawlSettings.of(BaseSettings(settings))


def test_settings_stop_a_crawl(home: str, start: Start) -> None:
    """A crawl with a bad setting does not begin, and the log ends with what is wrong."""
    crawl = start("site", home, DEDUP_THRESHOLD=3).finish(well=False)
    assert crawl.process.returncode
    assert "threshold=3.0: give a number over 0 and up to 1" in crawl.log


def test_settings_from_a_command_line() -> None:
    """Strings, as `scrapy crawl -s` gives them, are read as what they stand for."""
    given = {
        "DEDUP_FIELDS": "title, text",
        "DEDUP_THRESHOLD": "0.6",
        "DEDUP_OPTIONS": '{"min_words": 8}',
    }
    read = CrawlSettings.of(BaseSettings(given))
    assert read.fields == ("title", "text")
    assert read.options == {"threshold": 0.6, "min_words": 8}
    with pytest.raises(NotConfigured):
        require_enabled(BaseSettings({"DEDUP_ENABLED": "False"}))
    with pytest.raises(SettingsError, match="DEDUP_ENABLED='maybe'"):
        require_enabled(BaseSettings({"DEDUP_ENABLED": "maybe"}))
    require_enabled(BaseSettings())
    assert CrawlSettings.of(BaseSettings({"DEDUPER_CLASS": "theirs"})).action == "flag"


def test_disabled(home: str, start: Start) -> None:
    """With DEDUP_ENABLED off, items come out as they are."""
    crawl = start("site", home, DEDUP_ENABLED=False, CLOSESPIDER_PAGECOUNT=3).finish()
    assert "dedup" not in crawl.items[0]
    assert not [name for name in crawl.stats["all"] if name.startswith("dedup/")]


def test_the_documentation_has_every_setting() -> None:
    """The table of settings has those that there are, with their defaults."""
    text = (TESTS.parent / "docs" / "scrapy.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(DEDUP_\w+)` \| `(.*?)` \|", text, re.MULTILINE))
    assert rows == {name: json.dumps(value) for name, value in DEFAULTS.items()} | {
        "DEDUP_ENABLED": "True",
        "DEDUP_THRESHOLD": "None",
    }
    pipeline = (TESTS.parent / "dedup/contrib/scrapy/pipeline.py").read_text("utf-8")
    counted = set(re.findall(r'self\._count\(\s*"(\w+)"', pipeline))
    listed = set(re.findall(r"^\| `dedup/(\w+)` \|", text, re.MULTILINE))
    assert listed == counted | {"exact", "near", "excerpt", "extension"}


def test_what_a_crawl_begins_with_is_set_aside() -> None:
    """The collector does not go through it again, until the crawl ends; once, whoever asks."""
    assert gc.get_freeze_count() == 0
    mine, other = Heap(), Heap()
    mine.set_aside()
    assert gc.get_freeze_count() > 0
    other.set_aside()
    other.give_back()
    assert gc.get_freeze_count() > 0, "whoever came later has nothing to give back"
    mine.give_back()
    mine.give_back()
    assert gc.get_freeze_count() == 0


def test_a_crawl_of_text_loads_no_more_than_it_needs() -> None:
    """Neither the HTML parser nor the reports: a crawl would wait for them at its start."""
    code = (
        "import sys, dedup.contrib.scrapy, dedup\n"
        "with dedup.Deduper() as deduper:\n"
        "    deduper.check(('A title', 'A text of several words to be judged'), 'a').unique_parts\n"
        "print(*({'turbohtml', 'dedup.reports', 'dedup.findings'} & set(sys.modules)))\n"
        "from dedup.contrib.scrapy.items import flag\n"
        "with dedup.Deduper() as deduper:\n"
        "    assert flag({}, deduper.check('A text of several words to be judged', 'a'))\n"
        "print(*({'turbohtml', 'dedup.reports'} & set(sys.modules)))\n"
        "with dedup.Deduper() as deduper:\n"
        "    print(len(deduper.check('<p>A paragraph of HTML', 'a').blocks))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n\n1\n"
