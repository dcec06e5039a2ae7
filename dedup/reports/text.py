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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dedup.reports.columns import cut, cut_start, printable
from dedup.reports.model import Extension, Group, Judged, Member, Result, Summary

TOP = 20
MEMBERS = 5
"""Repeats shown of a group, and extensions, unless all groups are asked for."""

NARROWEST = 40
QUOTE = 4000
"""Characters looked at to fill a line: white space may be most of them."""

KINDS = {
    "exact": "exact",
    "near": "near (reworded)",
    "excerpt": "excerpt (part of a longer block)",
}
"""The kinds of repeat, explained where they are first named."""

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
        top: groups to show; 0: all, and all their repeats.
    """

    width: int = 80
    colour: bool = False
    top: int = TOP

    def styled(self, style: str, text: str) -> str:
        """The text in a style, where there is colour."""
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if self.colour else text


class TextReport:
    """The report for people, written when all is decided."""

    def __init__(self, write: Callable[[str], object], look: Look | None = None) -> None:
        self._write = write
        self._look = look or Look()

    def page(self, judged: Judged) -> None:
        """Nothing yet: the totals come first."""

    def finish(self, result: Result) -> None:
        """Write the report."""
        for line in lines(result, self._look):
            self._write(line + "\n")


def lines(result: Result, look: Look) -> Iterator[str]:
    """The report, line by line."""
    look = Look(max(look.width, NARROWEST), look.colour, look.top)
    summary = result.summary()
    for line in _wrapped(headline(summary), look):
        yield look.styled("title", line)
    yield from _wrapped(details(result, summary), look)
    groups = result.groups()
    shown = groups[: look.top] if look.top else groups
    places = _Places(result)
    for number, group in enumerate(shown, start=1):
        yield ""
        yield from _group_lines(f"{number:>{len(str(len(shown)))}}  ", group, places, look)
    if len(shown) < len(groups):
        yield ""
        more = counted(len(groups) - len(shown), "more group")
        yield from _wrapped(f"... and {more}; show all with --top 0", look)
    if result.extensions:
        yield ""
        yield from _extension_lines(result.extensions, places, look)
    if result.errors:
        yield ""
        yield look.styled("error", f"{counted(len(result.errors), 'page')} could not be judged:")
        for bad in result.errors:
            # What went wrong is never cut; the message names the page where that helps.
            named = bad.page in bad.error
            yield "    " + printable(bad.error if named else f"{bad.page}: {bad.error}")


def headline(summary: Summary) -> str:
    """The verdict in one line. It begins as `inputs.OWN_REPORT` expects."""
    if summary.errors and summary.errors == summary.pages:
        return "dedup: no page could be judged"
    blocks = counted(summary.blocks, "block")
    if not summary.repeats:
        return f"dedup: no repeats in {blocks}"
    verb = "is a repeat" if summary.repeats == 1 else "are repeats"
    share = f"{percent(summary.repeated_share)}% of the text"
    return f"dedup: {summary.repeats:,} of {blocks} {verb}, {share}"


def details(result: Result, summary: Summary) -> str:
    """Where the totals come from and what they are made of, as prose to be wrapped."""
    if result.only_page is not None:
        text = printable(result.only_page)
    else:
        folder = f" in {printable(result.folder)}" if result.folder else ""
        text = counted(summary.pages, "page") + folder
    counts = {"exact": summary.exact, "near": summary.near, "excerpt": summary.excerpt}
    if kinds := [f"{counts[kind]:,} {words}" for kind, words in KINDS.items() if counts[kind]]:
        text += ": " + ", ".join(kinds)
    if summary.skipped:
        verb = "is" if summary.skipped == 1 else "are"
        text += f"; {counted(summary.skipped, 'block')} {verb} too short to be judged"
    return f"{text}; stopped before the end" if result.interrupted else text


def counted(number: int, noun: str) -> str:
    """`1 page`, `1,200 pages`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def percent(share: float) -> int:
    """Whole percents, rounded down: what is not quite equal never reads as 100."""
    return int(share * 100 + 1e-9)


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

    def name(self, page: str, line: int | None, position: int, columns: int) -> str:
        """The block's place; its page is named unless there is only this one."""
        block = f"block {position}"
        if page == self._only:
            return block if line is None else f"line {line}, {block}"
        where = printable(page.removeprefix(self._folder))
        if line is not None:
            where += f":{line}"
        return f"{cut_start(where, columns - len(block) - 2)}, {block}"


def _group_lines(number: str, group: Group, places: _Places, look: Look) -> Iterator[str]:
    indent = " " * len(number)
    text = group.text or next((member.text for member in group.members if member.text), "")
    title = cut(printable(text[:QUOTE]), look.width - len(number))
    yield number + look.styled("title", title)
    columns = look.width - len(indent) - _MEASURES
    place = places.name(group.page, group.line, group.position, columns)
    yield indent + look.styled("original", "original".ljust(_MEASURES)) + place
    members = group.members if not look.top else group.members[:MEMBERS]
    for member in members:
        place = places.name(member.page, member.line, member.position, columns)
        yield indent + look.styled(member.kind, _measures(member)) + place
        if member.kind == "near" and member.text and group.text:
            quote = cut(_from_difference(group.text, member.text), columns)
            yield indent + " " * _MEASURES + look.styled("quiet", quote)
    if hidden := group.members[len(members) :]:
        for line in _wrapped(_hidden(hidden), look, indent):
            yield look.styled("quiet", line)


_MEASURES = len("excerpt   100% inside  ")


def _measures(member: Member) -> str:
    excerpt = member.kind == "excerpt"
    share = percent(member.containment if excerpt else member.similarity)
    word = "inside" if excerpt else ""
    return f"{member.kind:<8}  {share:>3}% {word}".ljust(_MEASURES)


def _hidden(members: Sequence[Member]) -> str:
    kinds = Counter(member.kind for member in members)
    pages = len({member.page for member in members})
    listed = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
    return f"and {len(members):,} more on {counted(pages, 'page')}: {listed}"


def _from_difference(text: str, other: str) -> str:
    """The other text from shortly before the first word in which it differs."""
    words = printable(other[:QUOTE]).split(" ")
    pairs = zip(printable(text[:QUOTE]).split(" "), words, strict=False)
    first = next((index for index, (one, two) in enumerate(pairs) if one != two), len(words))
    start = max(0, first - 3)
    return ("… " if start else "") + " ".join(words[start:])


def _extension_lines(extensions: Sequence[Extension], places: _Places, look: Look) -> Iterator[str]:
    verb = "contains" if len(extensions) == 1 else "contain"
    blocks = counted(len(extensions), "block")
    yield from _wrapped(f"Not counted: {blocks} {verb} an earlier, shorter one:", look)
    shown = extensions[:MEMBERS] if look.top else extensions
    columns = (look.width - 4 - len("  contains  ")) // 2
    for extension in shown:
        original = extension.original
        longer = places.name(extension.page, extension.line, extension.position, columns)
        shorter = f"block {original.position}"
        if original.page != extension.page:
            line = extension.original_line
            shorter = places.name(original.page, line, original.position, columns)
        yield "    " + look.styled("quiet", f"{longer} contains {shorter}")
    if len(shown) < len(extensions):
        yield "    " + look.styled("quiet", f"and {len(extensions) - len(shown):,} more")
