"""What dedup costs a Scrapy crawl: the same crawl of a site on loopback, with and without.

Three sites. One of 300 pages that answers at once: the worst case, since the crawl never waits, and
whatever dedup does comes on top. One of 1,500 that does the same: what is paid once, and not for
every page, counts less. And 300 pages that take 20 to 50 ms each, as a site on a network may.

Each crawl is a process of its own, in pairs: one without dedup and one with, in turns first. Of
each, four measures: the crawl's wall time as Scrapy has it, from its opening to its closing, and
the processor time of the same stretch; and those of the whole process, Python's start and all
imports included, which is what somebody waits for. It needs a quiet machine: a crawl's time varies
more than dedup takes. The processor's time is disturbed less by what else runs.

A ratio is taken within a pair. The result is the median over the rounds, with the interval that
holds the true one with 95 %.
"""

from __future__ import annotations

import json
import os
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

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))  # scripts, not a package

from crawl_site import serve, write_site  # noqa: E402 - found in TESTS
from servers import find_servers, start_standalone  # noqa: E402

ADDONS = {"dedup.contrib.scrapy.DedupAddon": 500}
BASE: dict[str, Any] = {"LOG_LEVEL": "ERROR", "FEEDS": {"items.jsonl": {"format": "jsonlines"}}}
WITHOUT = "without"

MEASURES = ("crawl, wall", "crawl, cpu", "process, wall", "process, cpu")
"""Seconds, each."""


class Contest(NamedTuple):
    """A site, and what the crawl without dedup is compared with there."""

    site: str
    start: str
    contender: str
    settings: dict[str, Any]


def crawl(start: str, settings: Mapping[str, Any], compiled: str) -> list[float]:
    """The seconds that one crawl took, by `MEASURES`."""
    # Installed packages are compiled once and for all: so are these, also where Python is told not
    # to write down what it compiles.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = compiled
    with tempfile.TemporaryDirectory() as folder:
        job = {"spider": "site", "start": start, "stats": "stats.json", "settings": settings}
        command = [sys.executable, str(TESTS / "crawl_run.py"), json.dumps(job)]
        before, began = os.times(), time.perf_counter()
        subprocess.run(command, cwd=folder, env=environment, check=True)  # noqa: S603 - our script
        wall, after = time.perf_counter() - began, os.times()
        stats = json.loads(Path(folder, "stats.json").read_text("utf-8"))
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return [stats["elapsed_time_seconds"], stats["cpu_seconds"], wall, cpu]


def contests(stack: ExitStack, *, quick: bool) -> Iterator[Contest]:
    """Everything that is compared, with its servers, which end with the stack."""
    contenders: dict[str, dict[str, Any]] = {"memory, trim": {"DEDUP_ACTION": "trim"}}
    if found := find_servers():
        server = start_standalone(found[0])
        stack.callback(server.stop)
        contenders["redis, trim"] = {"DEDUP_ACTION": "trim", "DEDUP_INDEX": server.url}
    if not quick:
        contenders["memory, flag"] = {"DEDUP_ACTION": "flag"}
    small = write_site()
    sites = {"300 pages at once": (small, (0.0, 0.0))}
    if not quick:
        sites["1,500 pages at once"] = (write_site(sections=150), (0.0, 0.0))
    sites["300 pages in 20-50 ms"] = (small, (0.02, 0.05))
    for site, (pages, delays) in sites.items():
        address = stack.enter_context(serve(pages, delays))
        for contender, settings in contenders.items():
            yield Contest(site, f"{address}/section/0", contender, BASE | settings)


def main() -> None:
    """Crawl in rounds and write the ratios."""
    parser = common.arguments("scrapy_overhead", __doc__)
    options = parser.parse_args()
    rounds = options.rounds or (2 if options.quick else 15)
    seconds: dict[str, dict[str, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    shares: dict[str, dict[str, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    with ExitStack() as stack:
        compiled = stack.enter_context(tempfile.TemporaryDirectory())
        everything = list(contests(stack, quick=options.quick))
        for at in range(rounds + 1):  # the first is not counted: it fills caches, and compiles
            for number, contest in enumerate(everything):
                common.progress(f"round {at} of {rounds}, pair {number + 1} of {len(everything)}")
                site, start, contender, settings = contest
                namespace = {"DEDUP_NAMESPACE": f"{contender} {at} {time.time_ns()}"}
                pair = [(WITHOUT, BASE), (contender, {"ADDONS": ADDONS} | settings | namespace)]
                if (at + number) % 2:  # who comes second may find a warmer or a busier machine
                    pair.reverse()
                took = {who: crawl(start, given, compiled) for who, given in pair}
                if at:
                    for who, each in took.items():
                        seconds[site][who].append(each)
                    with_it, without = took[contender], took[WITHOUT]
                    shares[site][contender].append(
                        [more / less - 1 for more, less in zip(with_it, without, strict=True)]
                    )
    common.progress("")
    overhead = {
        site: {who: _by_measure(found) for who, found in by.items()} for site, by in shares.items()
    }
    for site, by in overhead.items():
        rows = [[who, *map(_shown, found.values())] for who, found in by.items()]
        title = f"{site}: more than without, median (95% interval)"
        common.print_table(title, ("", *MEASURES), rows)
    result = {
        "rounds": rounds,
        "overhead": overhead,
        "seconds": {
            site: {who: _by_measure(found) for who, found in by.items()}
            for site, by in seconds.items()
        },
    }
    common.save({**common.describe(options), **result}, options.json)


def _by_measure(found: list[list[float]]) -> dict[str, common.Spread]:
    return {
        measure: common.spread(values) | common.interval(values)
        for measure, values in zip(MEASURES, zip(*found, strict=True), strict=True)
    }


def _shown(share: common.Spread) -> str:
    return f"{share['median']:+.1%} ({share['low']:+.1%} to {share['high']:+.1%})"


if __name__ == "__main__":
    main()
