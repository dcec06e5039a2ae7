"""The reports for programs: JSON, and JSON Lines.

`json` is one object, `jsonl` the same parts a line each: every page as it is decided, last the
groups and the totals. Pages are written as they come and never kept.

    {"page": "...", "blocks": 12, "skipped": 4, "repeats": [...]}
    {"page": "...", "error": "..."}
    {"version": 1, "groups": [...], "summary": {...}}

A line with `"page"` is a page, the one with `"summary"` is the last. Where a page has extensions,
they follow its repeats as `"extensions"`, in the same shape; the key is absent otherwise. A group's
`"text"` is null where the original's text is not at hand. The summary of a run that was stopped
ends with `"interrupted": true`.

Times are UTC. Texts and ids are written as they are; a lone surrogate is written as its escape, so
that the bytes are UTF-8 always, and so are the line ends of Unicode, so that a line is a line for
every reader. Knows nothing of files.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from dedup.model import Block, Repeat
from dedup.reports.model import Group, Judged, Result

VERSION = 1


class JsonReport:
    """One JSON object, a page a line."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._separator = b'{"version": %d,\n "pages": [\n  ' % VERSION

    def page(self, judged: Judged) -> None:
        """Write what was decided on a page."""
        self._write(self._separator + dump(page_object(judged)))
        self._separator = b",\n  "

    def finish(self, result: Result) -> None:
        """Write the groups and the totals."""
        opening = b"" if self._separator == b",\n  " else self._separator.rstrip()
        groups = [dump(group_object(group)) for group in result.groups()]
        listed = b"[\n  " + b",\n  ".join(groups) + b"]" if groups else b"[]"
        self._write(opening + b'],\n "groups": ' + listed)
        self._write(b',\n "summary": ' + dump(summary_object(result)) + b"}\n")


class JsonLinesReport:
    """A JSON object a line."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def page(self, judged: Judged) -> None:
        """Write what was decided on a page."""
        self._write(dump(page_object(judged)) + b"\n")

    def finish(self, result: Result) -> None:
        """Write the groups and the totals."""
        last = {
            "version": VERSION,
            "groups": [group_object(group) for group in result.groups()],
            "summary": summary_object(result),
        }
        self._write(dump(last) + b"\n")


def dump(value: object) -> bytes:
    """The value as JSON on one line, in UTF-8 whatever its strings hold."""
    text = json.dumps(value, ensure_ascii=False)
    for line_end in ("\x85", "\u2028", "\u2029"):
        text = text.replace(line_end, f"\\u{ord(line_end):04x}")
    # Lone surrogates are the one thing that UTF-8 refuses, and Python's escape for them is JSON's.
    return text.encode("utf-8", "backslashreplace")


def page_object(judged: Judged) -> dict[str, Any]:
    """A page as JSON has it."""
    if judged.error is not None:
        return {"page": judged.page, "error": str(judged.error)}
    page: dict[str, Any] = {
        "page": judged.page,
        "blocks": len(judged.blocks),
        "skipped": judged.skipped,
        "repeats": [repeat_object(block, block.repeat) for block in judged.repeats if block.repeat],
    }
    if judged.extensions:
        page["extensions"] = [
            repeat_object(block, block.extension) for block in judged.extensions if block.extension
        ]
    return page


def repeat_object(block: Block, repeat: Repeat) -> dict[str, Any]:
    """A repeat (or an extension) as JSON has it."""
    original = repeat.original
    return {
        "position": block.position,
        "start": block.start,
        "end": block.end,
        "line": block.line,
        "path": block.path,
        "kind": repeat.kind,
        "similarity": repeat.similarity,
        "containment": repeat.containment,
        "verified": repeat.verified,
        "scope": repeat.scope,
        "text": block.text,
        "original": {
            "page": original.page,
            "position": original.position,
            "seen": original.seen,
            "pages": original.pages,
            "first_seen": timestamp(original.first_seen),
            "last_seen": timestamp(original.last_seen),
        },
    }


def group_object(group: Group) -> dict[str, Any]:
    """A group as JSON has it."""
    return {
        "original": {"page": group.page, "position": group.position},
        "text": group.text,
        "members": [
            {
                "page": member.page,
                "position": member.position,
                "kind": member.kind,
                "similarity": member.similarity,
            }
            for member in group.members
        ],
    }


def summary_object(result: Result) -> dict[str, Any]:
    """The totals as JSON has them."""
    summary = asdict(result.summary())
    return {**summary, "interrupted": True} if result.interrupted else summary


def timestamp(time: datetime) -> str:
    """A UTC time to the second: `2026-11-24T05:30:00Z`."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
