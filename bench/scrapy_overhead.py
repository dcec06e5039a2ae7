"""What dedup costs a Scrapy crawl: the same crawl of a site on loopback, with and without.

Three sites. One of 300 pages that answers at once: the worst case, since the crawl never waits, and
whatever dedup does comes on top. One of 1,500 that does the same: what is paid once, and not for
every page, counts less. And 300 pages that take 20 to 50 ms each, as a site on a network may.

Each crawl is a process of its own. In a round, everybody crawls the site once, in another order
each time. Of each crawl, from its opening to its closing: wall time, processor time, and what of
that went into Python's collection of garbage; and wall and processor time of the whole process,
Python's start and all imports included, which is what somebody waits for. Where the site answers at
once, a crawl's wall time is processor time, which is disturbed less by what else runs.

Two crawls without dedup to compare with. The plain one; and one that does for the collection of
garbage what dedup does (`dedup.contrib.scrapy.heap`), since that makes any crawl faster: the
difference to this one is what dedup takes. And a pipeline that loads what dedup loads, gathers
items as it does, and awaits one PING a batch: less than that nobody who asks a server can take.

A ratio is taken within a round. The result is the median over the rounds, with the interval that
holds the true one with 95 %.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import common

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent / "tests"
sys.path.insert(0, str(TESTS))  # scripts, not a package

from crawl_site import serve, write_site  # noqa: E402 - found in TESTS
from servers import find_servers, start_standalone  # noqa: E402

ADDONS = {"dedup.contrib.scrapy.DedupAddon": 500}
BASE: dict[str, Any] = {"LOG_LEVEL": "ERROR", "FEEDS": {"items.jsonl": {"format": "jsonlines"}}}
WITHOUT = "without"
SET_ASIDE = "without, set aside"
PING = "a PING a batch"

MEASURES = ("crawl, wall", "crawl, cpu", "crawl, gc", "process, wall", "process, cpu")
"""Seconds, each."""
WALL, CPU = 0, 1


class Course(NamedTuple):
    """A site, and who crawls it with which settings."""

    site: str
    start: str
    pages: int
    contenders: dict[str, dict[str, Any]]
    every: int
    """It is crawled in each so manieth round."""


def crawl(start: str, settings: Mapping[str, Any], compiled: str) -> list[float]:
    """The seconds that one crawl took, by `MEASURES`."""
    # Installed packages are compiled once and for all: so are these, also where Python is told not
    # to write down what it compiles.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = compiled
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE), *sys.path[1:]])
    with tempfile.TemporaryDirectory() as folder:
        job = {"spider": "site", "start": start, "stats": "stats.json", "settings": settings}
        command = [sys.executable, str(TESTS / "crawl_run.py"), json.dumps(job)]
        before, began = os.times(), time.perf_counter()
        subprocess.run(command, cwd=folder, env=environment, check=True)  # noqa: S603 - our script
        wall, after = time.perf_counter() - began, os.times()
        stats = json.loads(Path(folder, "stats.json").read_text("utf-8"))
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    took = stats["took"]
    return [took["wall"], took["cpu"], took["gc"], wall, cpu]


def courses(stack: ExitStack, *, quick: bool) -> Iterator[Course]:
    """Every site with its contenders; servers end with the stack."""
    trim: dict[str, Any] = {"ADDONS": ADDONS, "DEDUP_ACTION": "trim"}
    contenders = {WITHOUT: {}, SET_ASIDE: _pipeline("SetAside"), "memory, trim": trim}
    more: dict[str, dict[str, Any]] = {}
    if found := find_servers():
        server = start_standalone(found[0])
        stack.callback(server.stop)
        contenders["redis, trim"] = trim | {"DEDUP_INDEX": server.url}
        more[PING] = _pipeline("Ping") | {"DEDUP_INDEX": server.url}
    if not quick:
        more["memory, flag"] = trim | {"DEDUP_ACTION": "flag"}
    small = write_site()
    sites = [("300 pages at once", small, (0.0, 0.0), contenders | more, 1)]
    if not quick:
        sites.append(("1,500 pages at once", write_site(sections=150), (0.0, 0.0), contenders, 2))
    sites.append(("300 pages in 20-50 ms", small, (0.02, 0.05), contenders, 2))
    for name, site, delays, who, every in sites:
        start = f"{stack.enter_context(serve(site, delays))}/section/0"
        yield Course(name, start, len(site.pages), who, every)


def _pipeline(name: str) -> dict[str, Any]:
    """The settings of a crawl with one of `crawl_pipelines.py`."""
    return {"ITEM_PIPELINES": {f"crawl_pipelines.{name}": 200}}


def main() -> None:
    """Crawl in rounds and write the ratios."""
    parser = common.arguments("scrapy_overhead", __doc__)
    options = parser.parse_args()
    rounds = options.rounds or (6 if options.quick else 16)
    seconds: dict[str, dict[str, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    with ExitStack() as stack:
        compiled = stack.enter_context(tempfile.TemporaryDirectory())
        everything = list(courses(stack, quick=options.quick))
        for at in range(-1, rounds):  # the first is not counted: it fills caches, and compiles
            for course in everything:
                if at >= 0 and at % course.every:
                    continue
                common.progress(f"round {at + 1} of {rounds}: {course.site}")
                who = list(course.contenders)
                first = at % len(who)  # who comes later may find a warmer or a busier machine
                order = [*who[first:], *who[:first]]
                for contender in reversed(order) if at % 2 else order:
                    namespace = {"DEDUP_NAMESPACE": f"{contender} {at} {time.time_ns()}"}
                    settings = BASE | course.contenders[contender] | namespace
                    took = crawl(course.start, settings, compiled)
                    if at >= 0:
                        seconds[course.site][contender].append(took)
    common.progress("")
    found = {course.site: _compared(course, seconds[course.site]) for course in everything}
    result = {
        "rounds": rounds,
        **{name: {site: each[name] for site, each in found.items()} for name in _NAMES},
        "seconds": {
            site: {who: _by_measure(took) for who, took in by.items()}
            for site, by in seconds.items()
        },
    }
    common.save({**common.describe(options), **result}, options.json)


_NAMES = ("overhead", "overhead_set_aside", "microseconds_a_page")


def _compared(course: Course, seconds: Mapping[str, list[list[float]]]) -> dict[str, Any]:
    """Each contender of a site with those without dedup, printed and as results, by `_NAMES`."""
    found: dict[str, dict[str, Any]] = {name: {} for name in _NAMES}
    rows = []
    for who, took in seconds.items():
        micro = [each[CPU] * 1e6 / course.pages for each in took]
        plain = [each[CPU] * 1e6 / course.pages for each in seconds[SET_ASIDE]]
        more = [mine - theirs for mine, theirs in zip(micro, plain, strict=True)]
        found["microseconds_a_page"][who] = common.spread(more) | common.interval(more)
        for name, base in (("overhead", WITHOUT), ("overhead_set_aside", SET_ASIDE)):
            shares = [
                [mine / theirs - 1 for mine, theirs in zip(one, other, strict=True)]
                for one, other in zip(took, seconds[base], strict=True)
            ]
            found[name][who] = _by_measure(shares)
        cells = [] if who == WITHOUT else [*map(_shown, found["overhead"][who].values())]
        rows.append([who, f"{statistics.median(micro):,.0f}", *(cells or ["-"] * len(MEASURES))])
    head = ("more than without, median (95%)", "cpu us/page", *MEASURES)
    common.print_table(course.site, head, rows)
    rows = [
        [who, _micro(found["microseconds_a_page"][who])]
        + [_shown(found["overhead_set_aside"][who][MEASURES[at]]) for at in (WALL, CPU)]
        for who in seconds
        if who not in (WITHOUT, SET_ASIDE)
    ]
    measures = ("cpu us/page", MEASURES[WALL], MEASURES[CPU])
    common.print_table("", (f"more than {SET_ASIDE}, median (95%)", *measures), rows)
    return found


def _micro(found: common.Spread) -> str:
    return f"{found['median']:+,.0f} ({found['low']:+,.0f} to {found['high']:+,.0f})"


def _by_measure(found: list[list[float]]) -> dict[str, common.Spread]:
    return {
        measure: common.spread(values) | common.interval(values)
        for measure, values in zip(MEASURES, zip(*found, strict=True), strict=True)
    }


def _shown(share: common.Spread) -> str:
    return f"{share['median']:+.1%} ({share['low']:+.1%} to {share['high']:+.1%})"


if __name__ == "__main__":
    main()
