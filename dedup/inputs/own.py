"""dedup's own files by how they begin: its reports, baselines and indexes are never pages.

A new report format adds a line to `REPORTS`.
"""

from __future__ import annotations

import re

REPORTS: dict[str, re.Pattern[bytes]] = {
    "text": re.compile(
        rb"dedup: (?:(?:no repeats in|[\d,]+ of) [\d,]+ blocks?\b|no page could be judged$)",
        re.MULTILINE,
    ),
    "json": re.compile(rb'\{"version": \d+,\s+"(?:pages|groups)": \['),
    "jsonl": re.compile(
        rb'\{"page": "(?:[^"\\]|\\.)*", (?:"blocks": \d+, "skipped"|"error": ")'
        rb'|\{"version": \d+, "groups": \['
    ),
    "csv": re.compile(rb"page,site,position,start,end,line,path,kind,similarity,containment,"),
    "markdown": re.compile(
        rb"## dedup: (?:(?:no repeats in|[\d,]+ of) [\d,]+ blocks?\b|no page could be judged$)",
        re.MULTILINE,
    ),
    "sarif": re.compile(
        rb'\{"version": "2\.1\.0", "\$schema": "[^"]*", "runs": \[\{"tool": \{"driver":'
        rb' \{"name": "dedup"'
    ),
    "html": re.compile(
        rb'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<meta name="generator"'
        rb' content="dedup'
    ),
}
"""How each format of report begins."""

START = 5000
"""Bytes in which a report shows itself."""

_SQLITE = b"SQLite format 3\0"
_BASELINE = re.compile(rb'\{"version": \d+, "repeats": \{')


def is_own_report(content: bytes) -> bool:
    """Whether this is a report that dedup wrote, judged by its first 5,000 bytes."""
    return any(pattern.match(content, 0, START) for pattern in REPORTS.values())


def own_file(content: bytes) -> str | None:
    """What a file is that begins so, where it cannot be input, with the remedy; else None."""
    if content.startswith(_SQLITE):
        return "is an SQLite database, and no page: an index of dedup's is named with --index"
    if _BASELINE.match(content):
        return "is a baseline of dedup's, and no page: it is named with --baseline"
    if is_own_report(content):
        return "is a report that dedup wrote: name the pages that it is about"
    return None
