"""What dedup costs a Scrapy crawl: the same crawl of a site on loopback, with and without.

Each crawl is a process of its own; the time is the crawl's, from its opening to its closing (the
start of Python is left out), and beside it the processor's time, which other work on the machine
disturbs less. In a round every contender crawls once, beside one without dedup. The site answers at
once, so this is the worst case: a crawl that waits for the network hides the work.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import common

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))  # scripts, not a package

from crawl_site import serve, write_site  # noqa: E402 - found in TESTS
from servers import find_servers, start_standalone  # noqa: E402

ADDONS = {"dedup.contrib.scrapy.DedupAddon": 500}
BASE: dict[str, Any] = {"LOG_LEVEL": "ERROR", "FEEDS": {"items.jsonl": {"format": "jsonlines"}}}


def crawl(spider: str, start: str, settings: dict[str, Any]) -> dict[str, float]:
    """One crawl; its wall time and its stats."""
    with tempfile.TemporaryDirectory() as folder:
        job = {"spider": spider, "start": start, "stats": "stats.json", "settings": settings}
        command = [sys.executable, str(TESTS / "crawl_run.py"), json.dumps(job)]
        subprocess.run(command, cwd=folder, check=True)  # noqa: S603 - this suite's own script
        stats: dict[str, float] = json.loads(Path(folder, "stats.json").read_text("utf-8"))
    return stats


def main() -> None:
    """Crawl in rounds and write the ratios."""
    parser = common.arguments("scrapy_overhead", __doc__)
    options = parser.parse_args()
    rounds = options.rounds or (3 if options.quick else 15)
    contenders: dict[str, dict[str, Any]] = {"memory, trim": {"DEDUP_ACTION": "trim"}}
    server = start_standalone(found[0]) if (found := find_servers()) else None
    if server:
        contenders["redis, trim"] = {"DEDUP_ACTION": "trim", "DEDUP_INDEX": server.url}
    site = write_site()
    measures = {"wall": "elapsed_time_seconds", "cpu": "cpu_seconds"}
    shares = {f"{name}, {what}": list[float]() for name in contenders for what in measures}
    seconds = {
        f"{name}, {what}": list[float]() for name in ("without", *contenders) for what in measures
    }
    with serve(site) as address:
        start = f"{address}/section/0"
        for at in range(rounds + 1):  # the first is not counted: it fills the system's caches
            common.progress(f"round {at} of {rounds}")
            for name, settings in contenders.items():
                namespace = {"DEDUP_NAMESPACE": f"{name} {at} {time.time_ns()}"}
                pair = [("without", BASE), (name, BASE | {"ADDONS": ADDONS} | settings | namespace)]
                if at % 2:  # whoever comes second may find a warmer or a busier machine
                    pair.reverse()
                stats = {who: crawl("site", start, given) for who, given in pair}
                for what, key in measures.items() if at else ():
                    took = {who: found[key] for who, found in stats.items()}
                    shares[f"{name}, {what}"].append(took[name] / took["without"] - 1)
                    for who, each in took.items():
                        seconds[f"{who}, {what}"].append(each)
    if server:
        server.stop()
    overhead = {name: common.spread(values) for name, values in shares.items()}
    for name, share in overhead.items():
        print(f"{name:20} {share['median']:+.1%}   ({share['min']:+.1%} to {share['max']:+.1%})")
    result = {
        "pages": len(site.pages),
        "blocks": site.blocks,
        "rounds": rounds,
        "seconds": {name: common.spread(values) for name, values in seconds.items()},
        "overhead": overhead,
    }
    common.save({**common.describe(options), **result}, options.json)


if __name__ == "__main__":
    main()
