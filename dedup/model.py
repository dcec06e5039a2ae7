"""The words of the product as types: what goes in, what comes out.

Plain, immutable values that know nothing of parsing, sketches, indexes or output formats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol, Self, TypeAlias

Format: TypeAlias = Literal["auto", "text", "html"]
Kind: TypeAlias = Literal["exact", "near", "excerpt", "extension"]
Scope: TypeAlias = Literal["page", "site", "other"]
Content: TypeAlias = str | bytes | tuple[str, ...]
Place: TypeAlias = tuple[int, int, int, str | None, bool, str]
"""Of a block: start, end, line, path, whether it is hidden, and its text."""


@dataclass(frozen=True, slots=True)
class Page:
    """One input.

    Attributes:
        content: text, or the bytes as they were fetched; or a tuple of texts, the parts of one page
            (the fields of a record), each of which is text or HTML by itself.
        page: the page's id: a URL, a path, any string that stays the same when it is fetched again.
        format: `"auto"` looks at the content.
        encoding: the charset that a transport declared for bytes (an HTTP header), if any.
    """

    content: Content
    page: str
    format: Format = "auto"
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Original:
    """The first block of its kind that the index holds, as it stood when it was matched or read.

    Attributes:
        page: id of the page that owns it.
        position: 0-based order of the block on that page.
        first_seen: when it was added (UTC).
        last_seen: when it, or a repeat of it, was last checked (UTC).
        seen: repeats counted so far, the one that points here included.
        pages: distinct pages on which it or a repeat of it stands.
        text: its text where the index keeps texts, else None.
    """

    page: str
    position: int
    first_seen: datetime
    last_seen: datetime
    seen: int
    pages: int
    text: str | None = None

    @classmethod
    def at_seconds(
        cls,
        page: str,
        position: int,
        first_seen: int,
        last_seen: int,
        seen: int,
        pages: int,
        text: str | None = None,
    ) -> Self:
        """An original with its times in seconds since 1970, as indexes have them."""
        first, last = (datetime.fromtimestamp(time, UTC) for time in (first_seen, last_seen))
        return cls(page, position, first, last, seen, pages, text)


@dataclass(frozen=True, slots=True)
class Repeat:
    """Why a block is not new.

    Attributes:
        kind: `"exact"`: equal normalised texts; `"near"`: similarity at or above the threshold;
            `"excerpt"`: contained in a longer original, or its beginning but for a short label
            before it; `"extension"`: so it contains an earlier, shorter original (reported, and not
            counted as a repeat).
        similarity: Jaccard similarity of the padded 2-shingles, 0 to 1; computed, where `verified`.
        containment: share of the shorter block's 2-shingles found in the longer, 0 to 1; where not
            `verified`, at least so much.
        scope: where the original stands: the same page, the same site, or elsewhere.
        original: the original.
        verified: False where the index has no trace of the original, but MinHash values alone
            (`Deduper.add_minhashes`): such a repeat is near, by the share of values that are equal.
    """

    kind: Kind
    similarity: float
    containment: float
    scope: Scope
    original: Original
    verified: bool = True


class PageBlocks(Protocol):
    """The blocks of one page, before any verdict. Each method takes a position."""

    @property
    def content(self) -> str:
        """The page as decoded text."""
        ...

    def __len__(self) -> int:
        """How many blocks the page has."""
        ...

    def text(self, position: int) -> str:
        """The block's text."""
        ...

    def span(self, position: int) -> tuple[int, int]:
        """Its `(start, end)` in the input."""
        ...

    def line(self, position: int) -> int:
        """The 1-based line of its start."""
        ...

    def path(self, position: int) -> str | None:
        """Its CSS path, for HTML."""
        ...

    def hidden(self, position: int) -> bool:
        """Whether the page hides it."""
        ...

    def all_texts(self) -> list[str]:
        """The text of every block."""
        ...

    def all_lines(self) -> list[int]:
        """The line of every block."""
        ...

    def places(self, positions: Sequence[int]) -> list[Place]:
        """What the methods above say of these blocks (positions in ascending order)."""
        ...

    def text_without(self, positions: Sequence[int]) -> str:
        """The page's text without these blocks (positions in ascending order)."""
        ...


def places_of(blocks: PageBlocks, positions: Sequence[int]) -> list[Place]:
    """`PageBlocks.places` where nothing is gained by asking for many at once."""
    return [
        (*blocks.span(at), blocks.line(at), blocks.path(at), blocks.hidden(at), blocks.text(at))
        for at in positions
    ]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Block:
    """A paragraph-level unit of a page, with its verdict.

    Its text and place are taken from the page when they are asked for: finding places in HTML costs
    as much as splitting it, and most blocks are never asked. Blocks are equal when everything that
    they say is.

    Attributes:
        source: the blocks of its page.
        position: 0-based order on the page.
        skipped: too short to be judged.
        repeat: why it is a repeat, or None.
        extension: the earlier, shorter original that it contains, or None. Such a block is new.
    """

    source: PageBlocks
    position: int
    skipped: bool = False
    repeat: Repeat | None = None
    extension: Repeat | None = None

    @property
    def text(self) -> str:
        """The block as it stands on the page."""
        return self.source.text(self.position)

    @property
    def start(self) -> int:
        """Offset of the first character in the input as given (bytes: as decoded).

        For text, `content[start:end] == text`; for HTML the span covers the block's source.
        """
        return self.source.span(self.position)[0]

    @property
    def end(self) -> int:
        """Offset after the last character."""
        return self.source.span(self.position)[1]

    @property
    def line(self) -> int:
        """1-based line of `start`."""
        return self.source.line(self.position)

    @property
    def path(self) -> str | None:
        """CSS path of the element that holds the block, for HTML."""
        return self.source.path(self.position)

    @property
    def hidden(self) -> bool:
        """The page does not show it (`hidden`, `display:none`, `aria-hidden`)."""
        return self.source.hidden(self.position)

    def _values(self) -> tuple[object, ...]:
        place = (self.position, self.start, self.end, self.line, self.path, self.hidden)
        return (self.text, *place, self.skipped, self.repeat, self.extension)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Block) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((self.text, self.position))

    def __repr__(self) -> str:
        why = self.repeat or self.extension
        verdict = "skipped" if self.skipped else f"{why.kind} of {why.original}" if why else "new"
        return f"<Block {self.position}: {self.text!r}, {verdict}>"


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """A block of a page as an index has it: not the block, but what it is or repeats.

    Attributes:
        position: 0-based order of the block on the page; None for a repeat, since indexes keep the
            order of repeats and not their positions.
        owned: the block is the original itself; else it is a repeat of it.
        original: the original.
    """

    position: int | None
    owned: bool
    original: Original


@dataclass(frozen=True, slots=True)
class PageEntry:
    """What an index has of a page.

    Attributes:
        page: the page's id.
        checked: when it was last checked (UTC); None where the index does not keep that (Redis).
        blocks: those that count, in their order on the page: blocks that are too short are not
            there, and neither are those whose original has been released or has expired. Where
            originals expire, repeats may be missing of a page that was not checked for so long.
    """

    page: str
    checked: datetime | None
    blocks: tuple[BlockEntry, ...]


@dataclass(frozen=True, slots=True)
class PageSummary:
    """A page among those that an index has.

    Attributes:
        page: the page's id.
        checked: when it was last checked (UTC); None where the index does not keep that (Redis).
        originals: blocks that were its own when it was last checked.
        repeats: blocks that were repeats then.
    """

    page: str
    checked: datetime | None
    originals: int
    repeats: int


@dataclass(frozen=True, slots=True)
class PageList:
    """Some of the pages that an index has.

    Attributes:
        pages: in the index's own order.
        after: what to give to go on after them; None: there are no more.
    """

    pages: tuple[PageSummary, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Stats:
    """What an index holds.

    Attributes:
        url: where the index lives.
        namespace: which of the store's indexes it is.
        pages: pages checked and not forgotten.
        originals: blocks held as originals.
        repeats: repeats of these originals on those pages.
        bytes: memory that the index occupies (bytes).
        disk_bytes: of the file that it is in, other namespaces included; 0: it is in none.
    """

    url: str
    namespace: str
    pages: int
    originals: int
    repeats: int
    bytes: int
    disk_bytes: int = 0
