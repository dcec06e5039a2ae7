"""The report for people: the totals, then the groups that waste most.

    dedup: 5 of 24 blocks are repeats, 19% of the text

    page.html: 4 exact, 1 excerpt (part of a longer block)

    1  The old customs house on the north quay opens its doors on Sunday to all…
       original               line 34, block 5
       exact     100%         line 71, block 14
       excerpt    96% inside  line 90, block 18

Each group stands once: its original's text, cut to the width, the original, the repeats. Blocks
are counted from 0, as everywhere. Pages are named without the folder that they share. Knows
nothing of files, and of terminals no more than a width and whether there is colour.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal, TypeAlias

from dedup.findings import Findings
from dedup.model import Kind
from dedup.reports.columns import cut, cut_start, printable
from dedup.reports.model import Group, Member, Place, Totals
from dedup.reports.result import Result
from dedup.reports.wording import NO_SITE, counted, details, headline, percent

TOP = 20
MEMBERS = 5
"""Repeats shown of a group, and extensions, unless all groups are asked for."""

GroupBy: TypeAlias = Literal["group", "page", "site"]

SHARES = 3
"""What is told of a page (where its originals stand) and of a site (which blocks it repeats)."""

NARROWEST = 40
QUOTE = 4000
"""Characters looked at to fill a line: white space may be most of them."""

STYLES = {
    "title": "1",
    "original": "2",
    "exact": "31",
    "near": "33",
    "excerpt": "36",
    "quiet": "2",
    "error": "31",
}
"""What is coloured how (SGR parameters)."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a text report looks.

    Attributes:
        width: columns of a line.
        colour: write terminal colours.
        top: groups (or pages, or sites) to show; 0: all, and all their repeats.
        group_by: what is listed: groups, or the pages or sites whose repeats hold the most text.
    """

    width: int = 80
    colour: bool = False
    top: int = TOP
    group_by: GroupBy = "group"

    def styled(self, style: str, text: str) -> str:
        """The text in a style, where there is colour."""
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if self.colour else text


class TextReport:
    """The report for people, written when all is decided."""

    def __init__(self, write: Callable[[str], object], look: Look | None = None) -> None:
        self._write = write
        self._look = look or Look()

    def page(self, found: Findings) -> None:
        """Nothing yet: the totals come first."""

    def finish(self, result: Result) -> None:
        """Write the report."""
        for line in self.lines(result, self._look):
            self._write(line + "\n")

    def lines(self, result: Result, look: Look) -> Iterator[str]:
        """The report, line by line."""
        return lines(result, look)


def lines(result: Result, look: Look) -> Iterator[str]:
    """The report, line by line."""
    look = replace(look, width=max(look.width, NARROWEST))
    summary = result.summary()
    for line in _wrapped(headline(summary), look):
        yield look.styled("title", line)
    yield from _wrapped(details(result, summary), look)
    places = _Places(result)
    yield from {"group": _groups, "page": _pages, "site": _sites}[look.group_by](
        result, places, look
    )
    if count := result.extension_count():
        yield ""
        yield from _extension_lines(count, result, places, look)
    if summary.errors:
        yield ""
        yield look.styled("error", f"{counted(summary.errors, 'page')} could not be judged:")
        for bad in result.errors():
            # What went wrong is never cut; the message names the page where that helps.
            named = bad.page in bad.error
            yield "    " + printable(bad.error if named else f"{bad.page}: {bad.error}")


def _groups(result: Result, places: _Places, look: Look) -> Iterator[str]:
    count = result.group_count()
    shown = min(look.top, count) if look.top else count
    for number, group in enumerate(result.groups(shown), start=1):
        yield ""
        yield from _group_lines(f"{number:>{len(str(shown))}}  ", group, result, places, look)
    yield from _more(count - shown, "group", look)


def _pages(result: Result, places: _Places, look: Look) -> Iterator[str]:
    summary = result.summary()
    count = summary.pages - summary.errors
    shown = min(look.top, count) if look.top else count
    for page in result.pages(shown):
        yield ""
        yield from _totals_lines(places.page(page.name or ""), page, look)
        for share in result.repeated_on_page(page.number, SHARES):
            where = "on the page itself" if share.name == page.name else ""
            of = where or "of " + places.page(share.name or "")
            yield _share_line(counted(share.repeats, "repeat"), of, look)
    yield from _more(count - shown, "page", look)


def _sites(result: Result, _places: _Places, look: Look) -> Iterator[str]:
    count = result.site_count()
    shown = min(look.top, count) if look.top else count
    for site in result.sites(shown):
        yield ""
        yield from _totals_lines(printable(site.name or NO_SITE), site, look)
        for share in result.repeated_on_site(site.name, SHARES):
            text = printable((share.name or "(text not at hand)")[:QUOTE])
            yield _share_line(f"on {counted(share.pages, 'page')}", text, look)
    yield from _more(count - shown, "site", look)


def _totals_lines(name: str, totals: Totals, look: Look) -> Iterator[str]:
    """A page or a site in two lines."""
    share = f"{percent(totals.repeated_share):>3}%  "
    yield share + look.styled("title", cut_start(name, look.width - len(share)))
    said = [] if look.group_by == "page" else [counted(totals.pages, "page")]
    verb = "is a repeat" if totals.repeats == 1 else "are repeats"
    said.append(f"{totals.repeats:,} of {counted(totals.blocks, 'block')} {verb}")
    said.append(counted(totals.wasted, "character"))
    yield from _wrapped(", ".join(said), look, " " * len(share))


def _share_line(count: str, what: str, look: Look) -> str:
    indent = " " * len("100%  ")
    start = f"{indent}{count:<14}  "
    fit = cut_start if look.group_by == "page" else cut
    return look.styled("quiet", start + fit(what, look.width - len(start)))


def _more(count: int, noun: str, look: Look) -> Iterator[str]:
    if count > 0:
        yield ""
        more = counted(count, f"more {noun}")
        yield from _wrapped(f"... and {more}; show all with --top 0", look)


def _wrapped(text: str, look: Look, indent: str = "") -> list[str]:
    """Prose in lines; paths are never broken."""
    return textwrap.wrap(
        text,
        look.width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


class _Places:
    """Names for places: short, and enough to find them."""

    def __init__(self, result: Result) -> None:
        self._folder = result.folder
        self._only = result.only_page

    def page(self, name: str) -> str:
        """A page's name."""
        return printable(name if name == self._only else name.removeprefix(self._folder))

    def name(self, place: Place, columns: int) -> str:
        """The block's place; its page is named unless there is only this one."""
        block = f"block {place.position}"
        if place.page == self._only:
            return block if place.line is None else f"line {place.line}, {block}"
        where = printable(place.page.removeprefix(self._folder))
        if place.line is not None:
            where += f":{place.line}"
        return f"{cut_start(where, columns - len(block) - 2)}, {block}"


def _group_lines(
    number: str, group: Group, result: Result, places: _Places, look: Look
) -> Iterator[str]:
    indent = " " * len(number)
    members = result.members(group, MEMBERS if look.top else None)
    first = next(members)
    text = group.text or result.text_of(first)
    yield number + look.styled("title", cut(printable(text[:QUOTE]), look.width - len(number)))
    columns = look.width - len(indent) - _MEASURES
    place = places.name(group.original, columns)
    yield indent + look.styled("original", "original".ljust(_MEASURES)) + place
    hidden = Counter(group.kinds)
    for member in chain([first], members):
        hidden[member.kind] -= 1
        place = places.name(member.place, columns)
        yield indent + look.styled(member.kind, _measures(member)) + place
        if member.kind == "near" and group.text:
            quote = cut(_from_difference(group.text, result.text_of(member)), columns)
            yield indent + " " * _MEASURES + look.styled("quiet", quote)
    if hidden.total():
        for line in _wrapped(_hidden(hidden, group), look, indent):
            yield look.styled("quiet", line)


_MEASURES = len("excerpt   100% inside  ")


def _measures(member: Member) -> str:
    excerpt = member.kind == "excerpt"
    share = percent(member.containment if excerpt else member.similarity)
    word = "inside" if excerpt else ""
    return f"{member.kind:<8}  {share:>3}% {word}".ljust(_MEASURES)


def _hidden(kinds: Counter[Kind], group: Group) -> str:
    listed = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common() if count)
    pages = counted(group.pages, "page")
    return f"and {kinds.total():,} more, on {pages} in all: {listed}"


def _from_difference(text: str, other: str) -> str:
    """The other text from shortly before the first word in which it differs."""
    words = printable(other[:QUOTE]).split(" ")
    pairs = zip(printable(text[:QUOTE]).split(" "), words, strict=False)
    first = next((index for index, (one, two) in enumerate(pairs) if one != two), len(words))
    start = max(0, first - 3)
    return ("… " if start else "") + " ".join(words[start:])


def _extension_lines(count: int, result: Result, places: _Places, look: Look) -> Iterator[str]:
    verb = "contains" if count == 1 else "contain"
    blocks = counted(count, "block")
    yield from _wrapped(f"Not counted: {blocks} {verb} an earlier, shorter one:", look)
    shown = min(MEMBERS, count) if look.top else count
    columns = (look.width - 4 - len("  contains  ")) // 2
    for extension in result.extensions(shown):
        here, original = extension.member.place, extension.original
        longer = places.name(here, columns)
        is_near = original.page == here.page
        shorter = f"block {original.position}" if is_near else places.name(original, columns)
        yield "    " + look.styled("quiet", f"{longer} contains {shorter}")
    if shown < count:
        yield "    " + look.styled("quiet", f"and {count - shown:,} more")
