"""How long it takes to read an index: one page, and the most repeated originals.

    python bench/reading.py [PAGES] [INDEX]

Pages are synthetic: ten blocks of 14 words, of which three in ten repeat an earlier one. Where the
index is on a server, `redis-cli INFO commandstats` afterwards says how long its commands took.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from dedup import Deduper

WORDS = [f"{a}{b}{c}{d}" for a in "bdfgk" for b in "aeiou" for c in "lmnrst" for d in "aeo"]


def pages(count: int) -> Iterator[tuple[str, str]]:
    """Pages with their ids."""
    rng = random.Random(3)
    pool: list[str] = []
    for number in range(count):
        blocks = []
        for _ in range(10):
            if pool and rng.random() < 0.3:
                blocks.append(rng.choice(pool))
                continue
            blocks.append(" ".join(rng.choices(WORDS, k=14)))
            if rng.random() < 0.5:
                pool.append(blocks[-1])
        yield "\n\n".join(blocks), f"page {number}"


def report(what: str, call: Callable[[], Any]) -> None:
    """Do something five times and print the shortest time."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    print(f"{what:<24} {1000 * min(times):8.1f} ms")


def main(count: int = 60_000, index: str = "memory://") -> None:
    """Fill an index and read it."""
    with Deduper(index, namespace="bench reading") as deduper:
        deduper.clear()
        for _ in deduper.check_many(pages(count)):
            pass
        stats = deduper.stats()
        print(f"{stats.pages:,} pages, {stats.originals:,} originals, {stats.repeats:,} repeats")
        report("page", lambda: deduper.page("page 5"))
        for limit in (1, 20, 1000):
            report(f"most_repeated({limit})", lambda limit=limit: deduper.most_repeated(limit))  # type: ignore[misc]
        deduper.clear()


if __name__ == "__main__":
    main(*(int(sys.argv[1]),) if len(sys.argv) > 1 else (), *sys.argv[2:])
