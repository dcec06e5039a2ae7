"""What was found on a page as an object of JSON: what `dedup check` writes and a service answers.

Plain values, in a module of its own, since a crawl puts them into its items, and needs nothing else
of the reports, which take long to load. Knows nothing of how they are written.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from dedup.findings import Finding, Findings


def page_object(found: Findings) -> dict[str, Any]:
    """A page as JSON has it."""
    if found.error is not None:
        return {"page": found.page, "error": found.error}
    page: dict[str, Any] = {
        "page": found.page,
        "blocks": found.blocks,
        "skipped": found.skipped,
        "repeats": [repeat_object(finding) for finding in found.repeats],
    }
    if found.extensions:
        page["extensions"] = [repeat_object(finding) for finding in found.extensions]
    return page


def repeat_object(finding: Finding) -> dict[str, Any]:
    """A repeat (or an extension) as JSON has it."""
    return {
        "position": finding.position,
        "start": finding.start,
        "end": finding.end,
        "line": finding.line,
        "path": finding.path,
        "kind": finding.kind,
        "similarity": finding.similarity,
        "containment": finding.containment,
        "verified": finding.verified,
        "scope": finding.scope,
        "text": finding.text,
        "original": {
            "page": finding.page,
            "position": finding.original_position,
            "seen": finding.seen,
            "pages": finding.pages,
            "first_seen": time_told(finding.first_seen),
            "last_seen": time_told(finding.last_seen),
        },
    }


def time_told(seconds: int | None) -> str | None:
    """A time of a finding as JSON has it; null where it is not told."""
    return None if seconds is None else timestamp(seconds)


@lru_cache(maxsize=1024)
def timestamp(seconds: int) -> str:
    """Seconds since 1970 as a UTC time to the second: `2026-11-24T05:30:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
