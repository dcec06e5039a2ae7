"""Processes that share one index in Redis: whoever sees a block first has the original.

python many_workers.py redis://localhost:6379/0 crawl/*.html
"""

import sys
from multiprocessing import Pool
from pathlib import Path

import dedup

deduper: dedup.Deduper


def open_index(url: str) -> None:
    """Every worker has a connection of its own."""
    global deduper  # noqa: PLW0603 - one a process
    deduper = dedup.Deduper(url, namespace="many-workers")


def check(path: str) -> tuple[str, int, int]:
    """A page's blocks and repeats."""
    report = deduper.check(Path(path).read_bytes(), page=path)
    return path, len(report.blocks), len(report.repeats)


if __name__ == "__main__":
    url, *paths = sys.argv[1:]
    with Pool(4, open_index, [url]) as pool:
        for path, blocks, repeats in pool.imap_unordered(check, paths, chunksize=8):
            print(f"{path}: {repeats} of {blocks} blocks repeat")
    with dedup.Deduper(url, namespace="many-workers") as shared:
        print(f"{shared.stats().originals} originals")
