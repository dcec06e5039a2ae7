"""What an index has of a page, its pages, and its most repeated originals, as lines for people.

    harbour/1.html: 2 originals, 1 repeat; last checked 2026-11-24 05:30 UTC

    block 0     original, repeated 3 times, on 2 pages
    block 4     original
    ?           repeats harbour/0.html, block 7: repeated 12 times, on 9 pages

Ids of pages are never cut: they are what other commands take. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from dedup.model import Original, PageEntry, PageSummary
from dedup.reports.columns import cut, printable
from dedup.reports.text import QUOTE
from dedup.reports.wording import counted

PLACE = len("block 100,000  ")
COLUMNS = f"{'repeats':>9} {'pages':>9}  {'last seen':<10}  "
"""The heading of the columns before an original."""
PAGE_COLUMNS = f"{'originals':>9} {'repeats':>9}  {'checked':<10}  page"
"""The heading of `page_line`."""


def page_entry_lines(entry: PageEntry, width: int) -> Iterator[str]:
    """What an index has of a page.

    Args:
        entry: of the page.
        width: columns of a line with text; others are as long as they must be.
    """
    owned = sum(block.owned for block in entry.blocks)
    totals = f"{counted(owned, 'original')}, {counted(len(entry.blocks) - owned, 'repeat')}"
    checked = f"; last checked {_minute(entry.checked)}" if entry.checked else ""
    yield f"{printable(entry.page)}: {totals}{checked}"
    if entry.blocks:
        yield ""
    for block in entry.blocks:
        original = block.original
        place = "?" if block.position is None else f"block {block.position}"
        said = f"original, {_counts(original)}" if original.seen else "original"
        if not block.owned:
            said = f"repeats {_place(original)}: {_counts(original)}"
        yield place.ljust(PLACE) + said
        yield from _quote(original, PLACE, width)
    if owned < len(entry.blocks):
        yield ""
        yield "Blocks are in order; indexes do not keep the positions of repeats (?)."


def page_line(page: PageSummary) -> str:
    """A page among those that an index has."""
    checked = f"{page.checked:%Y-%m-%d}" if page.checked else ""
    return f"{page.originals:>9,} {page.repeats:>9,}  {checked:<10}  {printable(page.page)}"


def repeated_lines(originals: Sequence[Original], width: int) -> Iterator[str]:
    """The most repeated originals.

    Args:
        originals: in their order.
        width: columns of a line with text; others are as long as they must be.
    """
    if not originals:
        yield "No original is repeated."
        return
    yield f"{COLUMNS}original"
    for original in originals:
        counts = f"{original.seen:>9,} {original.pages:>9,}"
        yield f"{counts}  {original.last_seen:%Y-%m-%d}  {_place(original)}"
        yield from _quote(original, len(COLUMNS), width)


def _quote(original: Original, indent: int, width: int) -> Iterator[str]:
    """The text, where the index keeps texts."""
    if original.text is not None:
        yield " " * indent + cut(printable(original.text[:QUOTE]), max(20, width - indent))


def _place(original: Original) -> str:
    return f"{printable(original.page)}, block {original.position}"


def _counts(original: Original) -> str:
    return f"repeated {counted(original.seen, 'time')}, on {counted(original.pages, 'page')}"


def _minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
