"""The answer for one page: its blocks with their verdicts, made when they are asked for.

A report is a view of columns that never change afterwards, so a batch of reports costs little until
somebody looks at its blocks. Knows nothing of output formats (`dedup.reports`) or of stores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, overload

from dedup.errors import PageError
from dedup.kernel.kinds import VerdictKind
from dedup.model import Block, Kind, Original, PageBlocks, Repeat, Scope
from dedup.parts import PartsBlocks
from dedup.sites import scope_of, site_of
from dedup.verdict import Verdicts

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_KINDS: dict[int, Kind] = {
    int(VerdictKind.EXACT): "exact",
    int(VerdictKind.NEAR): "near",
    int(VerdictKind.EXCERPT): "excerpt",
    int(VerdictKind.EXTENSION): "extension",
    int(VerdictKind.ESTIMATED): "near",
}
_SKIPPED = int(VerdictKind.SKIPPED)
_EXTENSION, _ESTIMATED = int(VerdictKind.EXTENSION), int(VerdictKind.ESTIMATED)


class Report:
    """What was found on one page.

    Attributes:
        page: the page's id.
        error: why the page could not be judged, or None. Such a report has no blocks.
    """

    __slots__ = ("_content", "_first", "_repeats", "_verdicts", "error", "page")

    page: str
    error: PageError | None

    def __init__(
        self,
        page: str,
        content: PageBlocks | None = None,
        verdicts: Verdicts | None = None,
        first: int = 0,
        repeats: Sequence[int] = (),
        error: PageError | None = None,
    ) -> None:
        """Made by a `Deduper`.

        Args:
            page: the page's id.
            content: its blocks.
            verdicts: those of its batch.
            first: the row of the page's first block in the verdicts.
            repeats: the rows of its repeats.
            error: why there are no blocks.
        """
        self.page = page
        self.error = error
        self._content = content
        self._verdicts = verdicts
        self._first = first
        self._repeats = repeats

    def __repr__(self) -> str:
        outcome = f"error={self.error!s}" if self.error else f"{len(self.repeats)} repeats"
        return f"<Report {self.page!r}: {len(self.blocks)} blocks, {outcome}>"

    @property
    def site(self) -> str | None:
        """The page's site: the host of a URL, the top folder of a path, else None."""
        return site_of(self.page)

    @property
    def blocks(self) -> Sequence[Block]:
        """Every block in order."""
        return _Blocks(self, range(0 if self._content is None else len(self._content)))

    @property
    def repeats(self) -> Sequence[Block]:
        """The blocks that are repeats."""
        return _Blocks(self, self.repeat_positions)

    @property
    def extensions(self) -> Sequence[Block]:
        """The new blocks that contain an earlier, shorter original."""
        return _Blocks(self, self.extension_positions)

    @property
    def counts(self) -> dict[Kind, int]:
        """How many blocks are of each kind, extensions included; kinds without any are absent.

        Cheaper than asking the blocks.
        """
        counts: dict[Kind, int] = {}
        kinds = self._kinds().tobytes() if self._content else b""
        for value, kind in _KINDS.items():
            if count := kinds.count(value):
                counts[kind] = counts.get(kind, 0) + count
        return counts

    @property
    def skipped(self) -> int:
        """How many blocks were too short to be judged."""
        return self._kinds().tobytes().count(_SKIPPED) if self._content else 0

    @property
    def candidates(self) -> list[int]:
        """With how many originals each block was compared, to find what it repeats.

        None (0) where its very text was found, where no original has a key in common with it, and
        where it was not judged. An index in Redis leaves those out that the server rules out, of
        pages that it knows and where originals expire. Empty where nobody knows: a service does not
        tell.
        """
        if self._content is None or self._verdicts is None:
            return []
        found: list[int] = self._verdicts.candidates[
            self._first : self._first + len(self._content)
        ].tolist()
        return found

    @property
    def characters(self) -> int:
        """Length of the page's decoded content."""
        return len(self._content.content) if self._content else 0

    @property
    def unique_text(self) -> str:
        """The page's text without its repeats.

        Of text, everything else stays as it was given; of HTML, the other blocks are joined by
        blank lines.
        """
        if self._content is None:
            return ""
        return self._content.text_without(self.repeat_positions)

    @property
    def unique_parts(self) -> tuple[str, ...]:
        """Each part of the page without its repeats; of a page that came whole there is one.

        A part without repeats stays as it was given; else as in `unique_text`.
        """
        if isinstance(self._content, PartsBlocks):
            return tuple(self._content.parts_without(self.repeat_positions))
        return (self.unique_text,)

    def _kinds(self) -> npt.NDArray[np.uint8]:
        if self._content is None or self._verdicts is None:
            raise ValueError(f"page {self.page!r} has no verdicts: {self.error}")
        return self._verdicts.kinds[self._first : self._first + len(self._content)]

    @property
    def source(self) -> PageBlocks | None:
        """The page's blocks before any verdict; None where it could not be judged."""
        return self._content

    @property
    def repeat_positions(self) -> list[int]:
        """The positions of the blocks that are repeats."""
        return [row - self._first for row in self._repeats]

    @property
    def extension_positions(self) -> list[int]:
        """The positions of the blocks that contain an earlier, shorter original."""
        if self._content is None or len(self._content) == 0:
            return []
        kinds = self._kinds().tobytes()
        if _EXTENSION not in kinds:
            return []
        return [at for at, kind in enumerate(kinds) if kind == _EXTENSION]

    def matches(self, positions: Sequence[int]) -> list[Match]:
        """Why the blocks at these positions are repeats or extensions, as plain values.

        For many blocks at once: `repeats` and `extensions` say the same of each.
        """
        verdicts, first = self._verdicts, self._first
        if verdicts is None or not len(positions):
            return []
        rows = [first + position for position in positions]
        found = zip(
            *(positions, rows, verdicts.kinds[rows].tolist(), verdicts.similarity[rows].tolist()),
            *(verdicts.containment[rows].tolist(), verdicts.details[rows].tolist()),
            strict=True,
        )
        names, texts, verified = verdicts.page_names, verdicts.texts, verdicts.verified
        matches = []
        for position, row, kind, similarity, containment, details in found:
            name = names[details[0]]
            is_verified = verified and kind != _ESTIMATED
            why = (_KINDS[kind], similarity, containment, is_verified, scope_of(self.page, name))
            matches.append(Match._make((position, *why, name, *details[1:], texts.get(row))))
        return matches

    def _blocks(self, positions: Sequence[int]) -> Iterator[Block]:
        """The blocks at these positions."""
        content = self._content
        if content is None:
            return
        kinds = self._kinds()[positions].tolist() if len(positions) else []
        matched = [at for at, kind in zip(positions, kinds, strict=True) if kind in _KINDS]
        matches = iter(self.matches(matched))
        for position, kind in zip(positions, kinds, strict=True):
            why = next(matches).as_repeat() if kind in _KINDS else None
            is_extension = kind == VerdictKind.EXTENSION
            yield Block(
                source=content,
                position=position,
                skipped=kind == VerdictKind.SKIPPED,
                repeat=None if is_extension else why,
                extension=why if is_extension else None,
            )


class Match(NamedTuple):
    """Why a block is a repeat or an extension: `Repeat` and its `Original` in one row.

    Times are seconds since 1970.
    """

    position: int
    kind: Kind
    similarity: float
    containment: float
    verified: bool
    scope: Scope
    page: str
    original_position: int
    first_seen: int
    last_seen: int
    seen: int
    pages: int
    original_text: str | None

    def as_repeat(self) -> Repeat:
        """The same for people."""
        return Repeat(
            kind=self.kind,
            similarity=self.similarity,
            containment=self.containment,
            scope=self.scope,
            original=Original.at_seconds(
                page=self.page,
                position=self.original_position,
                first_seen=self.first_seen,
                last_seen=self.last_seen,
                seen=self.seen,
                pages=self.pages,
                text=self.original_text,
            ),
            verified=self.verified,
        )


class _Blocks(Sequence[Block]):
    """Some blocks of a report, made one by one."""

    __slots__ = ("_positions", "_report")

    def __init__(self, report: Report, positions: Sequence[int]) -> None:
        self._report = report
        self._positions = positions

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> Block: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Block]: ...
    def __getitem__(self, index: int | slice) -> Block | Sequence[Block]:
        if isinstance(index, slice):
            return _Blocks(self._report, self._positions[index])
        return next(self._report._blocks([self._positions[index]]))  # noqa: SLF001 - one view

    def __iter__(self) -> Iterator[Block]:
        return self._report._blocks(self._positions)  # noqa: SLF001 - same

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # compares by value, like a list

    def __repr__(self) -> str:
        return repr(list(self))
