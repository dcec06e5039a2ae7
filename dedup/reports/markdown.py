"""The report for a pull request, an issue or a wiki: GitHub's Markdown, in GitHub's limits.

The totals as a table, then what holds most repeated text, then the pages that could not be judged.
Whatever comes from a page stands in a code span: there nothing is markup, a link or a mention.
Knows nothing of files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain

from dedup.reports.columns import cut, cut_start, printable
from dedup.reports.model import Group, Place, Summary, Totals
from dedup.reports.result import Result
from dedup.reports.text import MEMBERS, QUOTE, Look, TextReport
from dedup.reports.wording import NO_SITE, counted, details, headline, measure, percent, spot

WIDEST = 160
"""Columns of a quotation, and of a page's name."""

TITLES = {
    "group": "Blocks that repeat most",
    "page": "Pages that repeat most",
    "site": "Sites that repeat most",
}


class MarkdownReport(TextReport):
    """The report for comments and wikis, written when all is decided."""

    def lines(self, result: Result, look: Look) -> Iterator[str]:
        """The report, line by line."""
        return lines(result, look)


def lines(result: Result, look: Look) -> Iterator[str]:
    """The report, line by line."""
    summary = result.summary()
    yield f"## {headline(summary)}"
    yield ""
    yield details(result, summary, code)
    yield ""
    yield from _totals(summary)
    if summary.repeats:
        yield ""
        yield f"### {TITLES[look.group_by]}"
        yield ""
        if look.group_by == "group":
            yield from _groups(result, look)
        elif look.group_by == "page":
            count = summary.pages - summary.errors
            yield from _table("Page", "", result.pages(look.top or None), count, look)
        else:
            yield from _table(
                "Site", NO_SITE, result.sites(look.top or None), result.site_count(), look
            )
    if summary.errors:
        yield ""
        yield "### Pages that could not be judged"
        yield ""
        shown = look.top or summary.errors
        for _, bad in zip(range(shown), result.errors(), strict=False):
            yield f"- {code(bad.page)}: {code(bad.error)}"
        yield from _more(summary.errors - shown, "page")


def code(text: str) -> str:
    """The text as a code span, on one line."""
    text = printable(text) or " "
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text[0] == "`" or text[-1] == "`" else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _totals(summary: Summary) -> Iterator[str]:
    yield "| pages | blocks | exact | near | excerpt | repeated text | errors |"
    yield "|--:|--:|--:|--:|--:|--:|--:|"
    counts = (summary.pages, summary.blocks, summary.exact, summary.near, summary.excerpt)
    share = f"{percent(summary.repeated_share)}%"
    cells = [*(f"{count:,}" for count in counts), share, f"{summary.errors:,}"]
    yield f"| {' | '.join(cells)} |"


def _groups(result: Result, look: Look) -> Iterator[str]:
    count = result.group_count()
    shown = min(look.top, count) if look.top else count
    for number, group in enumerate(result.groups(shown), start=1):
        yield from _group(number, group, result, look)
    yield from _more(count - shown, "group")


def _group(number: int, group: Group, result: Result, look: Look) -> Iterator[str]:
    members = result.members(group, MEMBERS if look.top else None)
    first = next(members)
    text = group.text or result.text_of(first)
    indent = " " * (len(str(number)) + 2)
    yield f"{number}. {code(cut(printable(text[:QUOTE]), WIDEST))}"
    yield f"{indent}- original: {_place(group.original, result)}"
    hidden = Counter(group.kinds)
    for member in chain([first], members):
        hidden[member.kind] -= 1
        yield f"{indent}- {member.kind} {measure(member)}: {_place(member.place, result)}"
    if more := hidden.total():
        pages = counted(group.pages, "page")
        yield f"{indent}- and {more:,} more, on {pages} in all"


def _place(place: Place, result: Result) -> str:
    where = spot(place)
    return where if place.page == result.only_page else f"{_name(place.page, result)}, {where}"


def _name(page: str, result: Result) -> str:
    name = page if page == result.only_page else page.removeprefix(result.folder)
    return code(cut_start(printable(name), WIDEST))


def _table(
    title: str, unnamed: str, rows: Iterator[Totals], count: int, look: Look
) -> Iterator[str]:
    yield f"| {title} | repeated text | repeats | blocks | pages |"
    yield "|:--|--:|--:|--:|--:|"
    for row in rows:
        # In a table a pipe ends the cell, even in a code span.
        name = unnamed if row.name is None else code(cut_start(printable(row.name), WIDEST))
        cells = (row.repeats, row.blocks, row.pages)
        numbers = " | ".join(f"{cell:,}" for cell in cells)
        yield f"| {name.replace('|', chr(92) + '|')} | {percent(row.repeated_share)}% | {numbers} |"
    yield from _more(count - look.top if look.top else 0, title.lower())


def _more(count: int, noun: str) -> Iterator[str]:
    if count > 0:
        yield ""
        yield f"... and {counted(count, f'more {noun}')}; `--top 0` shows all."
