"""Which threshold suits, for people and as JSON.

    dedup: a threshold of 0.60 suits these 400 pairs
    F1 is highest at 0.60, 0.981; 0.55 would flag 7 more wrongly and 0.65 would miss 12 more

Knows nothing of files, and of terminals no more than a width and whether there is colour.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from dedup.reports.columns import cut, printable
from dedup.reports.json import dump
from dedup.reports.text import NARROWEST, Look
from dedup.reports.wording import counted
from dedup.tune import Example, KeyRecall, PairTuning, SampleTuning

VERSION = 1


def tuning_text(tuning: PairTuning | SampleTuning, look: Look) -> str:
    """The result for people."""
    look = Look(max(look.width, NARROWEST), look.colour)
    if isinstance(tuning, PairTuning):
        lines = _pair_lines(tuning, look)
    else:
        lines = _sample_lines(tuning, look)
    return "".join(f"{line}\n" for line in lines)


def tuning_json(tuning: PairTuning | SampleTuning) -> bytes:
    """The result for programs: one object."""
    made: dict[str, Any] = {"version": VERSION, **asdict(tuning)}
    if isinstance(tuning, PairTuning):
        rates = ("precision", "recall", "f1")
        for point, row in zip(tuning.points, made["points"], strict=True):
            row.update({rate: round(getattr(point, rate), 4) for rate in rates})
    else:
        made["errors"] = [{"page": page, "error": error} for page, error in tuning.errors]
    return dump(made) + b"\n"


def _pair_lines(tuning: PairTuning, look: Look) -> Iterator[str]:
    title = f"dedup: a threshold of {tuning.recommended:.2f} suits these {tuning.pairs:,} pairs"
    yield from _opening(title, tuning.reason, look)
    short = f"; {counted(tuning.short, 'pair')} too short to be judged" if tuning.short else ""
    labelled = f"{tuning.same:,} labelled repeats, {tuning.pairs - tuning.same:,} different{short}"
    if tuning.careful is not None and tuning.careful > tuning.recommended:
        labelled += f"; where nothing may be lost, {tuning.careful:.2f} is right in 99% and more"
    yield from textwrap.wrap(labelled, look.width)
    yield ""
    rows = [
        [
            f"{point.threshold:.2f}",
            f"{point.right + point.wrong:,}",
            f"{point.wrong:,}",
            f"{point.missed:,}",
            f"{point.precision:.3f}",
            f"{point.recall:.3f}",
            f"{point.f1:.3f}",
        ]
        for point in tuning.points
    ]
    head = ["threshold", "flagged", "wrongly", "missed", "precision", "recall", "F1"]
    chosen = [point.threshold for point in tuning.points].index(tuning.recommended)
    yield from _table(head, rows, look, chosen)
    yield ""
    yield from _key_lines(tuning.keys, look)


def _sample_lines(tuning: SampleTuning, look: Look) -> Iterator[str]:
    title = f"dedup: a threshold of {tuning.recommended:.2f} suits this sample"
    yield from _opening(title, tuning.reason, look)
    sample = (
        f"{counted(tuning.pages, 'page')}, {counted(tuning.blocks, 'block')},"
        f" {tuning.short:,} of them too short to be judged"
    )
    yield from textwrap.wrap(sample, look.width)
    yield ""
    rows = [
        [
            f"{point.threshold:.2f}",
            f"{point.exact + point.near + point.excerpt:,}",
            f"{point.exact:,}",
            f"{point.near:,}",
            f"{point.excerpt:,}",
        ]
        for point in tuning.points
    ]
    thresholds = [point.threshold for point in tuning.points]
    chosen = thresholds.index(tuning.recommended) if tuning.recommended in thresholds else len(rows)
    yield from _table(["threshold", "repeats", "exact", "near", "excerpt"], rows, look, chosen)
    yield ""
    yield from textwrap.wrap(
        "Blocks by how similar the most similar earlier block is (equal ones and excerpts apart):",
        look.width,
    )
    most = max((bar.blocks for bar in tuning.alike), default=0) or 1
    room = look.width - len("  0.30 to 0.35  100,000  ")
    for bar in tuning.alike:
        length = -(-bar.blocks * room // most)
        yield f"  {bar.low:.2f} to {bar.high:.2f}  {bar.blocks:>7,}  {'#' * length}".rstrip()
    yield ""
    if tuning.examples:
        yield from _example_lines(tuning.examples, look)
    yield from _key_lines(tuning.keys, look)
    if tuning.errors:
        yield ""
        yield look.styled("error", f"{counted(len(tuning.errors), 'page')} could not be judged:")
        yield from (f"    {printable(page)}: {printable(error)}" for page, error in tuning.errors)


def _opening(title: str, reason: str, look: Look) -> Iterator[str]:
    yield from (look.styled("title", line) for line in textwrap.wrap(title, look.width))
    yield from textwrap.wrap(reason, look.width)
    yield ""


def _table(
    head: Sequence[str], rows: Sequence[Sequence[str]], look: Look, chosen: int = -1
) -> Iterator[str]:
    """Columns to the right, the chosen row marked."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    gap = "  " if sum(widths) + 2 * len(widths) <= look.width else " "
    for at, row in enumerate([head, *rows], start=-1):
        cells = gap.join(f"{cell:>{size}}" for cell, size in zip(row, widths, strict=True))
        line = (">" if at == chosen and at >= 0 else " ") + gap[1:] + cells
        style = "title" if at == chosen and at >= 0 else "quiet" if at < 0 else ""
        yield look.styled(style, line) if style else line


def _key_lines(keys: Sequence[KeyRecall], look: Look) -> Iterator[str]:
    measured = any(row.pairs for row in keys)
    yield from textwrap.wrap(
        "How often two blocks share a key; without one they are never compared:", look.width
    )
    head = ["similarity", "pairs", "measured", "theory", "(scattered)"]
    rows = [
        [
            f"{row.low:.1f} to {row.high:.1f}",
            f"{row.pairs:,}",
            f"{row.sharing / row.pairs:.3f}" if row.pairs else "-",
            f"{row.together:.3f}",
            f"{row.scattered:.3f}",
        ]
        for row in keys
    ]
    keep = range(5) if measured else (0, 3, 4)
    yield from _table([head[at] for at in keep], [[row[at] for at in keep] for row in rows], look)
    yield from textwrap.wrap(
        "theory: 1 - (1 - s)^k, s the share of a text's windows of words that stand in the other, k"
        " the keys taken of them; it is that of word pairs where the edits lie together, less where"
        " single words all over the text were changed (scattered)",
        look.width,
        initial_indent="  ",
        subsequent_indent="  ",
    )


def _example_lines(examples: Sequence[Example], look: Look) -> Iterator[str]:
    threshold = -1.0
    for example in examples:
        if example.threshold != threshold:
            threshold = example.threshold
            yield f"Pairs near {threshold:.2f}:"
        room = look.width - len("  0.50  ")
        for at, text in enumerate(_from_difference(example.earlier, example.text)):
            start = f"  {example.similarity:.2f}  " if at == 0 else " " * 8
            line = start + cut(text, room)
            yield look.styled("original", line) if at == 0 else line
    yield ""


def _from_difference(text: str, other: str) -> tuple[str, str]:
    """Both texts from shortly before the first word in which they differ."""
    words, other_words = printable(text[:4000]).split(" "), printable(other[:4000]).split(" ")
    pairs = zip(words, other_words, strict=False)
    first = next((at for at, (one, two) in enumerate(pairs) if one != two), 0)
    start = max(0, first - 3)
    opening = "… " if start else ""
    return opening + " ".join(words[start:]), opening + " ".join(other_words[start:])
