"""Processes that do the heavy part, here the selection of paragraphs, and one that judges.

An index in the process is fast enough for many of them, and there is no server to run.

    python one_index.py crawl/*.html
"""

import re
import sys
from multiprocessing import Pool
from pathlib import Path

import dedup


def extract(path: str) -> tuple[str, str]:
    """A page's paragraphs, and its id. Put your own extraction here."""
    page = Path(path).read_text(encoding="utf-8")
    return "\n\n".join(re.findall(r"<p>(.*?)</p>", page, re.DOTALL)), path


if __name__ == "__main__":
    with Pool() as pool, dedup.Deduper() as deduper:
        pages = pool.imap(extract, sys.argv[1:], chunksize=16)  # in order, so always the same
        for report in deduper.check_many(pages):
            print(f"{report.page}: {len(report.repeats)} of {len(report.blocks)} blocks repeat")
