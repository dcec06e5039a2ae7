"""An explanation for people in a terminal, and for programs as JSON.

    excerpt: 25 of its 27 word pairs stand in the original, which is about twice as long; the
    last two words, “Read more”, do not

    original  page.html:27, block 6     52 words
    block     page.html:73, block 24    28 words

      … tore the ramp from its [-hinges. The first crossing leaves …-] {+Read more+}

Both texts are one: what they share stands once, as the block has it. Knows nothing of files, and of
terminals no more than a width and whether there is colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from math import ceil
from typing import Any
from unicodedata import category

from dedup.evidence import Change, Check, Explanation
from dedup.reason import percent
from dedup.reports.columns import cut, cut_start, printable, width
from dedup.reports.json import dump
from dedup.reports.text import NARROWEST, Look

VERSION = 1

MARKS = {"deleted": ("[-", "-]"), "inserted": ("{+", "+}"), "elsewhere": ("{~", "~}")}
"""How changes are marked where there is no colour."""

COLOURS = {"deleted": "9;31", "inserted": "4;32", "elsewhere": "33", "fold": "2", "same": ""}
"""SGR parameters: struck out red, underlined green, so that nobody needs the colours alone."""

MEANINGS = {
    "deleted": "in the original alone",
    "inserted": "in the block alone",
    "elsewhere": "in both, at other places",
}

NUMBERS = (
    "similarity",
    "containment",
    "shared_pairs",
    "all_pairs",
    "inside_pairs",
    "beginning",
    "shared_keys",
    "size_ratio",
)
"""Fields of an explanation that JSON has under the same names."""

CLOSING = {"Pe", "Pf", "Po"}
"""Categories of characters that begin no line where there are no spaces."""

LONGEST, ENDS = 480, 160
"""Columns of a stretch that is shown whole, and of its start and its end where it is not."""

DECIDING = {
    "too short": {0},
    "original too short": {1},
    "equal": {2},
    "no shared key": {3},
    "similar": {4},
    "contained": {5, 6, 7},
    "begins": {8},
}
"""The conditions that decide, by rule; without one, those that fail."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one of the texts stands: its page, and which block of it where it has several."""

    page: str
    position: int | None = None
    line: int | None = None

    def __str__(self) -> str:
        """The place as the reports name it."""
        line = f":{self.line}" if self.line is not None else ""
        block = f", block {self.position}" if self.position is not None else ""
        return printable(self.page) + line + block


def explanation_text(explanation: Explanation, block: Place, original: Place, look: Look) -> str:
    """The explanation for people."""
    look = Look(max(look.width, NARROWEST), look.colour)
    plain = Look(look.width)
    reason = _lines([("same", printable(explanation.reason))], plain, indent="")
    lines = [*(look.styled("title", line) for line in reason), ""]
    texts = explanation.original, explanation.block
    counts = [
        f"{text.words:,} {'character' if text.unspaced else 'word'}{'' if text.words == 1 else 's'}"
        for text in texts
    ]
    room = look.width - len("original  ") - 2 - max(map(len, counts))
    names = [cut_start(str(place), room) for place in (original, block)]
    widest = max(map(width, names))
    for label, name, count in zip(("original", "block"), names, counts, strict=True):
        lines.append(f"{label:<8}  {name}{' ' * (widest - width(name))}  {count}")
    lines += ["", *_aligned(explanation.changes, look), "", *_numbers(explanation, look)]
    return "\n".join(lines) + "\n"


def explanation_json(explanation: Explanation, block: Place, original: Place) -> bytes:
    """The explanation for programs: one object."""
    return dump(explanation_object(explanation, block, original)) + b"\n"


def explanation_object(explanation: Explanation, block: Place, original: Place) -> dict[str, Any]:
    """The explanation as JSON has it."""
    plain = asdict(explanation)
    span = explanation.matched_span
    return {
        "version": VERSION,
        "verdict": explanation.verdict,
        "rule": explanation.rule,
        "reason": explanation.reason,
        "block": asdict(block) | plain["block"],
        "original": asdict(original) | plain["original"],
        **{name: plain[name] for name in NUMBERS},
        "checks": plain["checks"],
        "matched": explanation.matched
        and {
            "first_word": explanation.matched[0],
            "end_word": explanation.matched[1],
            "start": span and span[0],
            "end": span and span[1],
        },
        "changes": plain["changes"],
        "settings": explanation.settings.to_mapping(),
    }


def deciding(explanation: Explanation) -> set[int]:
    """Which conditions decided: places in `checks`."""
    failed = {at for at, check in enumerate(explanation.checks) if at > 3 and not check.holds}
    return DECIDING.get(explanation.rule, failed)


def check_rows(explanation: Explanation) -> list[tuple[str, str, str]]:
    """The conditions in words: what is measured, what it is, what it must be."""
    block, original = explanation.block, explanation.original
    shorter, longer = sorted((block.pairs, original.pairs))
    names = {
        "equal normalised texts": "equal but for case and punctuation",
        "shared keys": f"shared keys, of {block.keys} and {original.keys}",
        "similarity": f"similarity: {explanation.shared_pairs:,} of {explanation.all_pairs:,} pairs"
        " in both",
        "containment": f"containment: {explanation.inside_pairs:,} of {shorter:,} pairs inside",
        "size ratio": f"size: {shorter:,} pairs against {longer:,}",
        "words of a beginning": "words at an end with which the other begins",
    }
    return [(names.get(check.name, check.name), *_amounts(check)) for check in explanation.checks]


def _amounts(check: Check) -> tuple[str, str]:
    if check.name == "equal normalised texts":
        return "yes" if check.value else "no", ""
    share = check.name in ("similarity", "containment", "size ratio")
    value, limit = (
        f"{percent(number)}%" if share else f"{ceil(number):,}"
        for number in (check.value, check.limit)
    )
    return value, f"{'under' if check.relation == '<' else 'from'} {limit}"


def _numbers(explanation: Explanation, look: Look) -> Iterator[str]:
    rows = check_rows(explanation)
    names, values, limits = (max(map(len, column)) for column in zip(*rows, strict=True))
    names = min(names, look.width - values - limits - len(">       yes"))
    decided = deciding(explanation)
    for at, (check, (name, value, limit)) in enumerate(zip(explanation.checks, rows, strict=True)):
        holds = "" if not limit else "yes" if check.holds else "no"
        mark = ">" if at in decided else " "
        row = f"{mark} {cut(name, names):<{names}}  {value:>{values}}  {limit:<{limits}}  {holds}"
        yield look.styled("title" if at in decided else "original", row.rstrip())


def _aligned(changes: Iterable[Change], look: Look) -> Iterator[str]:
    """Both texts as one, wrapped, and what the marks mean."""
    shown = [part for kind, text in parts(changes) for part in _folded(kind, text)]
    yield from _lines(shown, look)
    kinds = dict.fromkeys(kind for kind, _ in shown if kind in MARKS)
    if kinds:
        yield ""
        legend = [_marked(kind, MEANINGS[kind], look) for kind in kinds]
        fits = sum(len(text) + 2 for _, text in legend) <= look.width
        styled = ["  " + _styled(kind, text, look) for kind, text in legend]
        yield from ["".join(styled)] if fits else styled


def parts(changes: Iterable[Change]) -> Iterator[tuple[str, str]]:
    """Both texts as one: what is shown of each change, what is gone before what took its place.

    Yields:
        `"same"`, `"deleted"`, `"inserted"` or `"elsewhere"`, and the text.
    """
    open_end = False
    for change in changes:
        if change.kind == "same":
            yield "same", change.block
            open_end = False
            continue
        for kind, text in (("deleted", change.original), ("inserted", change.block)):
            if text:
                if open_end and not text[0].isspace():
                    yield "same", " "
                yield "elsewhere" if change.kind == "elsewhere" else kind, text
                open_end = not text[-1].isspace()


def _folded(kind: str, text: str) -> Iterator[tuple[str, str]]:
    """The text, without the middle where it is long."""
    shown = printable(text)
    spaces = text[:1].isspace(), text[-1:].isspace()
    if width(shown) > LONGEST:
        start, end = cut(shown, ENDS), cut_start(shown, ENDS)
        end = end[max(0, end.find(" ", 0, ENDS // 4)) :].lstrip("… ")
        start = start.rstrip("…")
        left_out = len(shown) - len(start) - len(end)
        yield kind, " " * spaces[0] + start + " "
        yield "fold", f"(… {left_out:,} more characters …)"
        yield kind, " " + end + " " * spaces[1]
    elif not shown:
        yield kind, " " * bool(text)
    else:
        yield kind, " " * spaces[0] + shown + " " * spaces[1]


def _marked(kind: str, text: str, look: Look) -> tuple[str, str]:
    """The text between the marks of its kind, unless colours say it."""
    opening, closing = ("", "") if look.colour or kind not in MARKS else MARKS[kind]
    inner = text.strip(" ")
    before = text[: len(text) - len(text.lstrip(" "))]
    after = text[len(text.rstrip(" ")) :] if inner else ""
    return kind, before + opening + inner + closing + after


def _styled(kind: str, text: str, look: Look) -> str:
    colour = COLOURS[kind] if look.colour else ""
    return f"\x1b[{colour}m{text}\x1b[0m" if colour else text


def _lines(shown: Iterable[tuple[str, str]], look: Look, indent: str = "  ") -> Iterator[str]:
    """The parts, wrapped; a style never runs over the end of a line."""
    room = look.width - 2 * len(indent)
    line: list[tuple[str, str]] = []
    used = 0
    for kind, word in _words(shown, look):
        columns = width(word.rstrip(" "))
        if line and used + columns > room:
            yield indent + _line(line, look)
            line, used = [], 0
        rest = word
        while width(rest.rstrip(" ")) > room:
            fits = next(end for end in range(len(rest), 0, -1) if width(rest[:end]) <= room)
            yield indent + _line([(kind, rest[:fits])], look)
            rest = rest[fits:]
        line.append((kind, rest))
        used += width(rest)
    if line:
        yield indent + _line(line, look)


def _line(line: list[tuple[str, str]], look: Look) -> str:
    styled = ""
    for kind, words in groupby(line, key=lambda item: item[0]):
        text = "".join(word for _, word in words)
        inner = text.rstrip(" ")
        styled += _styled(kind, inner, look) + text[len(inner) :]
    return styled.rstrip(" ")


def _words(shown: Iterable[tuple[str, str]], look: Look) -> Iterator[tuple[str, str]]:
    """The words to wrap, each with the space after it; wide characters one by one."""
    for kind, part in shown:
        _, text = _marked(kind, part, look)
        word = ""
        for at, char in enumerate(text):
            word += char
            following = text[at + 1 : at + 2]
            may_end = char == " " or (
                width(char) == 2 and category(following or " ") not in CLOSING
            )
            if following.strip() and may_end:
                yield kind, word
                word = ""
        if word:
            yield kind, word
