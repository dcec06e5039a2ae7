"""The reports for programs: JSON, and JSON Lines.

`json` is one object, `jsonl` the same parts a line each: every page as it is decided, last the
groups and the totals. Pages are written as they come and never kept.

    {"page": "...", "blocks": 12, "skipped": 4, "repeats": [...]}
    {"page": "...", "error": "..."}
    {"version": 1, "groups": [...], "summary": {...}}

A line with `"page"` is a page, the one with `"summary"` is the last. Where a page has extensions,
they follow its repeats as `"extensions"`, in the same shape; the key is absent otherwise. A group's
`"text"` is null where the original's text is not at hand. The summary of a run that was stopped
ends with `"interrupted": true`; with a baseline it says how many `"known"` repeats were left out.

Times are UTC; null where they are those of this run, so that the same input gives the same bytes.
Texts and ids are written as they are; a lone surrogate is written as its escape, so that the bytes
are UTF-8 always, and so are the line ends of Unicode, so that a line is a line for every reader.
Knows nothing of files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import lru_cache
from typing import Any

from dedup.findings import Finding, Findings
from dedup.model import Original, PageEntry, PageList, PageSummary
from dedup.page_object import page_object, time_told, timestamp
from dedup.reports.model import Repeated, Repetition
from dedup.reports.result import Result

VERSION = 1

_encode = json.JSONEncoder(ensure_ascii=False).encode


class JsonReport:
    """One JSON object, a page a line."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._separator = b'{"version": %d,\n "pages": [\n  ' % VERSION

    def page(self, found: Findings) -> None:
        """Write what was found on a page."""
        self._write(self._separator + page_line(found))
        self._separator = b",\n  "

    def finish(self, result: Result) -> None:
        """Write the groups and the totals."""
        opening = b"" if self._separator == b",\n  " else self._separator.rstrip()
        self._write(opening + b'],\n "groups": [')
        separator = b"\n  "
        for group, members in result.groups_with_repetitions():
            self._write(separator + group_line(group, members))
            separator = b",\n  "
        self._write(b'],\n "summary": ' + dump(summary_object(result)) + b"}\n")


class JsonLinesReport:
    """A JSON object a line."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def page(self, found: Findings) -> None:
        """Write what was found on a page."""
        self._write(page_line(found) + b"\n")

    def finish(self, result: Result) -> None:
        """Write the groups and the totals."""
        self._write(b'{"version": %d, "groups": [' % VERSION)
        separator = b""
        for group, members in result.groups_with_repetitions():
            self._write(separator + group_line(group, members))
            separator = b", "
        self._write(b'], "summary": ' + dump(summary_object(result)) + b"}\n")


def dump(value: object) -> bytes:
    """The value as JSON on one line, in UTF-8 whatever its strings hold."""
    return _on_one_line(_encode(value))


def _on_one_line(text: str) -> bytes:
    for line_end in ("\x85", "\u2028", "\u2029"):
        text = text.replace(line_end, f"\\u{ord(line_end):04x}")
    # Lone surrogates are the one thing that UTF-8 refuses, and Python's escape for them is JSON's.
    return text.encode("utf-8", "backslashreplace")


def page_line(found: Findings) -> bytes:
    """What `dump` makes of a `page_object`, in less time: there may be very many repeats."""
    if found.error is not None:
        return dump(page_object(found))
    repeats = ", ".join(map(_repeat_text, found.repeats))
    extensions = ", ".join(map(_repeat_text, found.extensions))
    more = f', "extensions": [{extensions}]' if extensions else ""
    return _on_one_line(
        f'{{"page": {_quoted(found.page)}, "blocks": {found.blocks}, "skipped": {found.skipped},'
        f' "repeats": [{repeats}]{more}}}'
    )


def _repeat_text(finding: Finding) -> str:
    """A `repeat_object` as text."""
    position, start, end, line, path, _, text, kind, similarity, containment, *rest = finding
    verified, scope, page, original_position, first_seen, last_seen, seen, pages, _ = rest
    # The encoder is quick with strings alone.
    where = "null" if path is None else _encode(path)
    said = "true" if verified else "false"
    return (
        f'{{"position": {position}, "start": {start}, "end": {end}, "line": {line},'
        f' "path": {where}, "kind": "{kind}", "similarity": {similarity!r},'
        f' "containment": {containment!r}, "verified": {said}, "scope": "{scope}",'
        f' "text": {_encode(text)}, "original": {{"page": {_quoted(page)},'
        f' "position": {original_position}, "seen": {seen}, "pages": {pages},'
        f' "first_seen": {_time_text(first_seen)}, "last_seen": {_time_text(last_seen)}}}}}'
    )


def original_object(original: Original) -> dict[str, Any]:
    """An original as JSON has it, by itself; its text is null where the index keeps none."""
    times = {name: _second(getattr(original, name)) for name in ("first_seen", "last_seen")}
    return asdict(original) | times


def page_entry_object(entry: PageEntry) -> dict[str, Any]:
    """What an index has of a page, as JSON has it."""
    return {
        "version": VERSION,
        "page": entry.page,
        "checked": None if entry.checked is None else _second(entry.checked),
        "blocks": [
            {
                "position": block.position,
                "owned": block.owned,
                "original": original_object(block.original),
            }
            for block in entry.blocks
        ],
    }


def page_list_object(found: PageList) -> dict[str, Any]:
    """Some of the pages that an index has, as JSON has them."""
    return {
        "version": VERSION,
        "pages": [page_summary_object(page) for page in found.pages],
        "after": found.after,
    }


def page_summary_object(page: PageSummary) -> dict[str, Any]:
    """One of the pages that an index has, as JSON has it."""
    return asdict(page) | {"checked": None if page.checked is None else _second(page.checked)}


def repeated_object(originals: Sequence[Original]) -> dict[str, Any]:
    """The most repeated originals as JSON has them."""
    return {"version": VERSION, "originals": [original_object(each) for each in originals]}


def group_object(group: Repeated, members: Iterable[Repetition]) -> dict[str, Any]:
    """A group as JSON has it."""
    return {
        "original": {"page": group.page, "position": group.position},
        "text": group.text,
        "members": [member._asdict() for member in members],
    }


def group_line(group: Repeated, members: Iterable[Repetition]) -> bytes:
    """What `dump` makes of a `group_object`, in half the time: there may be very many members."""
    shown = ", ".join(
        f'{{"page": {_quoted(page)}, "position": {position}, "kind": "{kind}",'
        f' "similarity": {similarity!r}}}'
        for page, position, kind, similarity in members
    )
    return _on_one_line(
        f'{{"original": {{"page": {_quoted(group.page)}, "position": {group.position}}},'
        f' "text": {_encode(group.text)}, "members": [{shown}]}}'
    )


def summary_object(result: Result) -> dict[str, Any]:
    """The totals as JSON has them."""
    summary = asdict(result.summary())
    if result.known is not None:
        summary["known"] = result.known
    return {**summary, "interrupted": True} if result.interrupted else summary


def _second(time: datetime) -> str:
    return timestamp(int(time.timestamp()))


@lru_cache(maxsize=4096)
def _quoted(page: str) -> str:
    return _encode(page)


@lru_cache(maxsize=1024)
def _time_text(seconds: int | None) -> str:
    return _encode(time_told(seconds))
