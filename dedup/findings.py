"""What was found on one page, as plain values: what reports and other processes get of a `Report`.

A `Report` is a view of a page that can be asked anything; `findings_of` asks what is worth telling
and lets the page go. The result holds numbers and strings alone, so it is cheap to send to another
process and to store. Knows nothing of output formats or of stores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dedup.model import Kind, PageBlocks, Scope
from dedup.report import Match, Report
from dedup.sites import site_of


class Finding(NamedTuple):
    """A block that is a repeat, or that contains an earlier one (`kind` is `"extension"`).

    Its place and text, then the fields of `Match`; times are seconds since 1970, or None where they
    are not told (`Wanted.times_before`).
    """

    position: int
    start: int
    end: int
    line: int
    path: str | None
    hidden: bool
    text: str
    kind: Kind
    similarity: float
    containment: float
    verified: bool
    scope: Scope
    page: str
    original_position: int
    first_seen: int | None
    last_seen: int | None
    seen: int
    pages: int
    original_text: str | None


@dataclass(frozen=True, slots=True)
class PackedTexts:
    """The texts of a page's blocks, in order, packed.

    Attributes:
        content: the texts, one after another, in UTF-8 with lone surrogates.
        lengths: int32 of each text: its length in characters.
    """

    content: bytes = b""
    lengths: bytes = b""

    @classmethod
    def of(cls, texts: Sequence[str]) -> PackedTexts:
        """Pack them."""
        lengths = np.fromiter(map(len, texts), dtype=np.int32, count=len(texts))
        return cls("".join(texts).encode("utf-8", "surrogatepass"), lengths.tobytes())

    def unpack(self) -> list[str]:
        """The texts."""
        content = self.content.decode("utf-8", "surrogatepass")
        ends = np.frombuffer(self.lengths, dtype=np.int32).cumsum().tolist()
        return [content[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found on one page, or why nothing could be.

    Attributes:
        page: the page's id.
        error: why it could not be judged, or None. Such a page has no blocks.
        blocks: how many blocks it has.
        skipped: how many of them are too short to be judged.
        characters: length of its text: of its repeats, and of everything else (`unique_text`).
        repeats: the blocks that are repeats, in order.
        extensions: the new blocks that contain an earlier, shorter original, in order.
        texts: the texts of all its blocks.
        lines: int32[blocks], the 1-based lines on which its blocks start; empty where that was not
            looked up, since nothing was found on the page.
        unique_text: its text without these repeats, where that was asked for.
        size: length of the whole page, decoded: of HTML, of its source.
    """

    page: str
    error: str | None = None
    blocks: int = 0
    skipped: int = 0
    characters: int = 0
    repeats: tuple[Finding, ...] = ()
    extensions: tuple[Finding, ...] = ()
    texts: PackedTexts = field(default_factory=PackedTexts)
    lines: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty(0, dtype=np.int32))
    unique_text: str | None = None
    size: int = 0

    @property
    def site(self) -> str | None:
        """The page's site: the host of a URL, the top folder of a path, else None."""
        return site_of(self.page)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which repeats are told of, and what of them. The others count as if they were not there.

    Attributes:
        kinds: of these kinds; empty: of any.
        scopes: of these scopes; empty: of any.
        similarity: at least so similar, 0 to 1 (an excerpt: contained to such a share).
        unique_text: tell the pages' texts without these repeats, too.
        times_before: the second in which the run began. When an original was seen from then on says
            only when the run was, so it is not told, and equal runs tell the same. None: all times.
    """

    kinds: frozenset[Kind] = frozenset()
    scopes: frozenset[Scope] = frozenset()
    similarity: float = 0.0
    unique_text: bool = False
    times_before: int | None = None

    def __contains__(self, match: Match) -> bool:
        """Whether this repeat is told of."""
        share = match.containment if match.kind == "excerpt" else match.similarity
        return (
            (not self.kinds or match.kind in self.kinds)
            and (not self.scopes or match.scope in self.scopes)
            and share >= self.similarity
        )


EVERYTHING = Wanted()


def findings_of(report: Report, wanted: Wanted = EVERYTHING) -> Findings:
    """What was found on a page."""
    if report.error is not None:
        return Findings(report.page, error=str(report.error))
    rest = unique_text = report.unique_text
    source = report.source
    if source is None or not len(source):
        kept = unique_text if wanted.unique_text else None
        return Findings(report.page, size=report.characters, characters=len(rest), unique_text=kept)
    every = report.matches(report.repeat_positions)
    told = [match for match in every if match in wanted]
    extensions = report.matches(report.extension_positions)
    texts = source.all_texts()
    lines = source.all_lines() if told or extensions else []
    if wanted.unique_text and len(told) < len(every):
        unique_text = source.text_without([match.position for match in told])
    return Findings(
        page=report.page,
        blocks=len(source),
        skipped=report.skipped,
        characters=sum(len(texts[match.position]) for match in every) + len(rest),
        repeats=_findings(source, told, wanted.times_before),
        extensions=_findings(source, extensions, wanted.times_before),
        texts=PackedTexts.of(texts),
        lines=np.array(lines, dtype=np.int32),
        unique_text=unique_text if wanted.unique_text else None,
        size=report.characters,
    )


def repeats_of(report: Report) -> Findings:
    """Of what was found on a page the repeats and extensions alone, and how many blocks it has.

    For who tells no more than that, in a third of the time; nothing is said of the page's texts.
    """
    source = report.source
    if report.error is not None or source is None or not len(source):
        return findings_of(report)
    return Findings(
        page=report.page,
        blocks=len(source),
        skipped=report.skipped,
        repeats=_findings(source, report.matches(report.repeat_positions)),
        extensions=_findings(source, report.matches(report.extension_positions)),
    )


def _findings(
    source: PageBlocks, matches: Sequence[Match], times_before: int | None = None
) -> tuple[Finding, ...]:
    """What is told of these repeats or extensions, and of the blocks that they are."""
    if not matches:
        return ()
    places = source.places([match.position for match in matches])
    found = []
    for match, place in zip(matches, places, strict=True):
        # What a match has stands in a finding as it is, in the same order, but for the times.
        why: tuple[object, ...] = match[1:]
        if times_before is not None:
            times = (match.first_seen, match.last_seen)
            told = (time if time < times_before else None for time in times)
            why = (*match[1:8], *told, *match[10:])
        found.append(Finding._make((match.position, *place, *why)))
    return tuple(found)
