"""The article of each page, without menus and comments, then what of it stood elsewhere.

pip install trafilatura
python extract_then_check.py crawl/*.html
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import trafilatura

import dedup


def articles(paths: list[str]) -> Iterator[dedup.Page]:
    """The main text of each page; pages without one are left out."""
    for path in paths:
        text = trafilatura.extract(Path(path).read_bytes(), deduplicate=False)
        if text:
            yield dedup.Page(text, page=path, format="text")


with dedup.Deduper() as deduper:
    for report in deduper.check_many(articles(sys.argv[1:])):
        new = len(report.unique_text) / max(1, report.characters)
        print(f"{report.page}: {new:.0%} new, {len(report.repeats)} repeats")
