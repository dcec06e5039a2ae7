"""An HTML page to its blocks.

Texts come first and cost one parse. Where they stand in the source (spans, lines, CSS paths) is
found by a second parse when it is asked for, since most pages of a batch never are, and no tree is
kept until then; who knows that most will be asked has the first tree kept. Knows nothing of
verdicts, indexes or reports.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from dedup.html_blocks import FoundBlock, find_blocks
from dedup.html_parse import parse_page, source_of
from dedup.html_places import Places
from dedup.model import Place, places_of

__all__ = ["HtmlBlocks", "split_html"]


class HtmlBlocks:
    """The blocks of one HTML page, before any verdict (a `dedup.model.PageBlocks`).

    Attributes:
        content: the page as given.
        texts: the text of every block, in order: non-empty, stripped, white space collapsed except
            in preformatted elements.
    """

    def __init__(
        self, content: str, blocks: Sequence[FoundBlock], places: Places | None = None
    ) -> None:
        self.content = content
        self.texts = [block.text for block in blocks]
        self._hidden = [block.hidden for block in blocks]
        if places is not None:
            self._places = places

    def __len__(self) -> int:
        """How many blocks the page has."""
        return len(self.texts)

    def text(self, position: int) -> str:
        """The block's text."""
        return self.texts[position]

    def span(self, position: int) -> tuple[int, int]:
        """Its `(start, end)` in `content`, from its first character to after its last.

        Spans ascend and do not overlap, except that text hidden inside a shown block lies inside
        that block's span, and where the parser had to move text (out of a table, say).
        """
        return self._places.span(position)

    def line(self, position: int) -> int:
        """The 1-based line of its start."""
        return self._places.line(position)

    def path(self, position: int) -> str | None:
        """CSS path of the element that holds it: `html > body > div:nth-of-type(2) > p`.

        It selects that element alone in the tree that a browser builds.
        """
        return self._places.path(position)

    def hidden(self, position: int) -> bool:
        """Whether the page hides it."""
        return self._hidden[position]

    def all_texts(self) -> list[str]:
        """The text of every block."""
        return self.texts

    def all_lines(self) -> list[int]:
        """The line of every block."""
        return [self._places.line(position) for position in range(len(self))]

    def places(self, positions: Sequence[int]) -> list[Place]:
        """What there is to say of these blocks."""
        return places_of(self, positions)

    def text_without(self, positions: Sequence[int]) -> str:
        """The texts of the other blocks, a blank line between two."""
        left_out = set(positions)
        return "\n\n".join(text for at, text in enumerate(self.texts) if at not in left_out)

    @cached_property
    def _places(self) -> Places:
        return Places(self.content)


def split_html(content: str, *, places: bool = False) -> HtmlBlocks:
    """Split a page, or a fragment of one, into blocks.

    Any string is a page to an HTML parser, so this fails only where the parser itself does.

    Args:
        content: the page, decoded.
        places: keep the tree, for questions where blocks stand.

    Raises:
        PageError: the parser gave up.
    """
    if places:
        found = Places(content)
        return HtmlBlocks(content, found.blocks, found)
    return HtmlBlocks(content, find_blocks(parse_page(source_of(content))))
