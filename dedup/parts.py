"""The blocks of a page that came in parts, such as the fields of a record.

Each part was split by itself, as text or as HTML; together they are one page, in order. Knows
nothing of verdicts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate

from dedup.model import PageBlocks, Place

GAP = "\n\n"
"""What stands between two parts in the page's content."""


class PartsBlocks:
    """The blocks of all parts (see `dedup.model.PageBlocks`).

    Places are those in `content`, where the parts are joined by blank lines.

    Attributes:
        parts: the blocks of each part.
    """

    def __init__(self, parts: Sequence[PageBlocks]) -> None:
        self.parts = parts
        self._firsts = [0, *accumulate(len(part) for part in parts)]

    def __len__(self) -> int:
        """How many blocks the page has."""
        return self._firsts[-1]

    @cached_property
    def content(self) -> str:
        """The parts, joined."""
        return GAP.join(part.content for part in self.parts)

    def text(self, position: int) -> str:
        """The block's text."""
        part, at = self._place(position)
        return self.parts[part].text(at)

    def span(self, position: int) -> tuple[int, int]:
        """Its `(start, end)` in `content`."""
        part, at = self._place(position)
        before = self._offsets[part]
        start, end = self.parts[part].span(at)
        return before + start, before + end

    def line(self, position: int) -> int:
        """The 1-based line of its start."""
        part, at = self._place(position)
        return self._lines[part] + self.parts[part].line(at)

    def path(self, position: int) -> str | None:
        """Its CSS path in its part, for HTML."""
        part, at = self._place(position)
        return self.parts[part].path(at)

    def hidden(self, position: int) -> bool:
        """Whether its part hides it."""
        part, at = self._place(position)
        return self.parts[part].hidden(at)

    def all_texts(self) -> list[str]:
        """The text of every block."""
        return [text for part in self.parts for text in part.all_texts()]

    def all_lines(self) -> list[int]:
        """The line of every block."""
        parts = zip(self._lines, self.parts, strict=False)
        return [before + line for before, part in parts for line in part.all_lines()]

    def places(self, positions: Sequence[int]) -> list[Place]:
        """What there is to say of these blocks."""
        found: list[Place] = []
        for number, there in self._by_part(positions).items():
            offset, before = self._offsets[number], self._lines[number]
            found += [
                (offset + start, offset + end, before + line, path, hidden, text)
                for start, end, line, path, hidden, text in self.parts[number].places(there)
            ]
        return found

    def text_without(self, positions: Sequence[int]) -> str:
        """The parts without these blocks, joined; parts of which nothing is left are left out."""
        return GAP.join(text for text in self.parts_without(positions) if text.strip())

    def parts_without(self, positions: Sequence[int]) -> list[str]:
        """The text of each part without these blocks (positions in ascending order)."""
        texts = [part.content for part in self.parts]
        for number, gone in self._by_part(positions).items():
            texts[number] = self.parts[number].text_without(gone)
        return texts

    @cached_property
    def _offsets(self) -> list[int]:
        """Where each part begins in the content."""
        return [0, *accumulate(len(part.content) + len(GAP) for part in self.parts)]

    @cached_property
    def _lines(self) -> list[int]:
        """How many lines stand before each part."""
        return [0, *accumulate(part.content.count("\n") + len(GAP) for part in self.parts)]

    def _by_part(self, positions: Sequence[int]) -> dict[int, list[int]]:
        """The parts that these blocks are in, and their positions there."""
        firsts = self._firsts
        found: dict[int, list[int]] = {}
        for position in positions:
            number = bisect_right(firsts, position) - 1
            found.setdefault(number, []).append(position - firsts[number])
        return found

    def _place(self, position: int) -> tuple[int, int]:
        """The part that a block is in, and its position there."""
        if not 0 <= position < len(self):
            raise IndexError(f"position {position}: the page has {len(self)} blocks")
        part = bisect_right(self._firsts, position) - 1
        return part, position - self._firsts[part]
