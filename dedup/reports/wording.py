"""What several reports say in the same words: the verdict, where it comes from, what was left out.

Knows nothing of how it is shown.
"""

from __future__ import annotations

from collections.abc import Callable

from dedup.findings import Wanted
from dedup.reports.columns import printable
from dedup.reports.model import Member, Place, Summary
from dedup.reports.result import Result

KINDS = {
    "exact": "exact",
    "near": "near (reworded)",
    "excerpt": "excerpt (part of a longer block)",
}
"""The kinds of repeat, explained where they are first named."""

SCOPES = {"page": "on the same page", "site": "on the same site", "other": "elsewhere"}
"""Where an original stands, seen from its repeat."""


NO_SITE = "(pages without a site)"


def headline(summary: Summary) -> str:
    """The verdict in one line. It begins as `inputs.own` expects."""
    if summary.errors and summary.errors == summary.pages:
        return "dedup: no page could be judged"
    blocks = counted(summary.blocks, "block")
    if not summary.repeats:
        return f"dedup: no repeats in {blocks}"
    verb = "is a repeat" if summary.repeats == 1 else "are repeats"
    share = f"{percent(summary.repeated_share)}% of the text"
    return f"dedup: {summary.repeats:,} of {blocks} {verb}, {share}"


def details(result: Result, summary: Summary, quote: Callable[[str], str] = printable) -> str:
    """Where the totals come from and what they are made of, as prose.

    Args:
        result: the run.
        summary: its totals.
        quote: makes a page's name fit to stand in the report.
    """
    if result.only_page is not None:
        text = quote(result.only_page)
    else:
        folder = f" in {quote(result.folder)}" if result.folder else ""
        text = counted(summary.pages, "page") + folder
    counts = {kind: getattr(summary, kind) for kind in KINDS}
    if kinds := [f"{counts[kind]:,} {words}" for kind, words in KINDS.items() if counts[kind]]:
        text += ": " + ", ".join(kinds)
    if summary.skipped:
        verb = "is" if summary.skipped == 1 else "are"
        text += f"; {counted(summary.skipped, 'block')} {verb} too short to be judged"
    if chosen := choice(result.wanted):
        text += f"; only {chosen}"
    if result.known:
        text += f"; {counted(result.known, 'known repeat')} left out"
    return f"{text}; stopped before the end" if result.interrupted else text


def choice(wanted: Wanted) -> str:
    """Which repeats a run tells of, in words; empty: of all."""
    if not (wanted.kinds or wanted.scopes or wanted.similarity):
        return ""
    kinds = " and ".join(kind for kind in KINDS if kind in wanted.kinds)
    text = f"{kinds} repeats".lstrip()
    if wanted.similarity:
        text += f", {wanted.similarity * 100:g}% alike or more"
    if wanted.scopes:
        text += ", of originals " + " or ".join(
            words for scope, words in SCOPES.items() if scope in wanted.scopes
        )
    return text


def counted(number: int, noun: str) -> str:
    """`1 page`, `1,200 pages`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def percent(share: float) -> int:
    """Whole percents, rounded down: what is not quite equal never reads as 100."""
    return int(share * 100 + 1e-9)


def measure(member: Member) -> str:
    """How much a repeat is like its original: `77%`, `96% inside`."""
    if member.kind == "excerpt":
        return f"{percent(member.containment)}% inside"
    return f"{percent(member.similarity)}%"


def spot(place: Place) -> str:
    """Where on its page a block stands: `line 31, block 9`."""
    block = f"block {place.position}"
    return block if place.line is None else f"line {place.line}, {block}"
