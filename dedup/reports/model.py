"""What every report says: the verdicts of a run brought together as groups, totals and bad pages.

One `Result` takes the verdicts as they come and serves any number of reports. It keeps what a
report needs and no more: a line for each repeat, one text for each group, and the pages that were
judged last, to quote originals from. Knows nothing of formats, files or terminals.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dedup.model import Block, Kind, Original, Repeat

QUOTED = 600
"""Characters kept of a repeat whose wording differs from its original's."""

PAGES_TO_QUOTE = 8_000_000
"""Characters of judged pages that are kept to quote originals from: some 70 MB with what an HTML
page needs to find its places. On 220 news pages (70 MB) that quoted 1,610 of 1,614 originals."""


class Judged(Protocol):
    """The verdicts on one page, or why there are none: what `Deduper.check` returns."""

    @property
    def page(self) -> str:
        """The page's id."""
        ...

    @property
    def error(self) -> Exception | None:
        """Why the page could not be judged; None: it was."""
        ...

    @property
    def blocks(self) -> Sequence[Block]:
        """Every block, in order."""
        ...

    @property
    def repeats(self) -> Sequence[Block]:
        """The blocks that are repeats."""
        ...

    @property
    def extensions(self) -> Sequence[Block]:
        """The blocks that contain an earlier, shorter original."""
        ...

    @property
    def skipped(self) -> int:
        """How many blocks are too short to be judged."""
        ...

    @property
    def characters(self) -> int:
        """Length of the page's content: what it costs to keep the page at hand."""
        ...

    @property
    def unique_text(self) -> str:
        """The page's text without its repeats."""
        ...


@dataclass(frozen=True, slots=True)
class Member:
    """One repeat in its group.

    Attributes:
        page: id of the page on which it stands.
        position: 0-based order of the block on that page.
        line: 1-based line of its start.
        kind: how it repeats the original.
        similarity: 0 to 1.
        containment: 0 to 1.
        characters: length of its text.
        text: the start of its text, where the original's does not say the same.
    """

    page: str
    position: int
    line: int
    kind: Kind
    similarity: float
    containment: float
    characters: int
    text: str | None


@dataclass(slots=True)
class Group:
    """An original with its repeats, in the order in which they were found.

    Attributes:
        page: id of the page that owns the original.
        position: 0-based order of the original on that page.
        line: 1-based line of its start; None where its page is not at hand.
        text: its text (of an equal repeat, where its page is not at hand); None: not at hand.
        members: the repeats.
        wasted: characters that stand in the repeats.
    """

    page: str
    position: int
    line: int | None
    text: str | None
    members: list[Member] = field(default_factory=list)
    wasted: int = 0


@dataclass(frozen=True, slots=True)
class Extension:
    """A block that contains an earlier, shorter original. It is new, and counts as no repeat."""

    page: str
    position: int
    line: int
    containment: float
    original: Original
    original_line: int | None


@dataclass(frozen=True, slots=True)
class BadPage:
    """A page that could not be judged, and why."""

    page: str
    error: str


@dataclass(frozen=True, slots=True)
class Summary:
    """The totals of a run.

    Attributes:
        pages: pages that were to be judged, those with an error included.
        blocks: blocks of the judged pages.
        skipped: those of them that are too short to be judged.
        exact: repeats that equal their original.
        near: repeats that are like their original.
        excerpt: repeats that are contained in their original.
        repeated_share: the share of the text that stands in repeats: characters of the blocks that
            are repeats, over these and the characters of every page's `unique_text` together. 0 to
            1, to four decimals; 0 where there is no text.
        errors: pages that could not be judged.
    """

    pages: int
    blocks: int
    skipped: int
    exact: int
    near: int
    excerpt: int
    repeated_share: float
    errors: int

    @property
    def repeats(self) -> int:
        """All blocks that are repeats."""
        return self.exact + self.near + self.excerpt


class Result:
    """The verdicts of a run, brought together.

    Attributes:
        errors: the pages that could not be judged.
        extensions: the blocks that contain an earlier, shorter original.
        only_page: the page, where there is but one.
        folder: what all page ids have in common, in whole parts between slashes.
        interrupted: the run was stopped; what is here was decided before.
    """

    def __init__(self) -> None:
        self.errors: list[BadPage] = []
        self.extensions: list[Extension] = []
        self.interrupted = False
        self.only_page: str | None = None
        self.folder = ""
        self._groups: dict[tuple[str, int], Group] = {}
        self._at_hand = _PagesAtHand()
        self._kinds: dict[Kind, int] = {"exact": 0, "near": 0, "excerpt": 0}
        self._pages = 0
        self._blocks = 0
        self._skipped = 0
        self._unique = 0
        self._wasted = 0

    def add(self, judged: Judged) -> None:
        """Take the verdicts on one more page."""
        self._pages += 1
        self.only_page = judged.page if self._pages == 1 else None
        own_folder = judged.page[: judged.page.rfind("/") + 1]
        self.folder = own_folder if self._pages == 1 else _shared(self.folder, own_folder)
        if judged.error is not None:
            self.errors.append(BadPage(judged.page, str(judged.error)))
            return
        self._blocks += len(judged.blocks)
        self._skipped += judged.skipped
        self._unique += len(judged.unique_text)
        self._at_hand.add(judged)
        for block in judged.repeats:
            if block.repeat is not None:
                self._add_repeat(judged.page, block, block.repeat)
        for block in judged.extensions:
            if block.extension is not None:
                self._add_extension(judged.page, block, block.extension)

    def groups(self) -> list[Group]:
        """The groups, those first whose repeats hold the most text (then as they were found)."""
        return sorted(self._groups.values(), key=lambda group: -group.wasted)

    def summary(self) -> Summary:
        """The totals so far."""
        share = self._wasted / (self._wasted + self._unique) if self._wasted else 0.0
        return Summary(
            pages=self._pages,
            blocks=self._blocks,
            skipped=self._skipped,
            exact=self._kinds["exact"],
            near=self._kinds["near"],
            excerpt=self._kinds["excerpt"],
            repeated_share=round(share, 4),
            errors=len(self.errors),
        )

    def _add_repeat(self, page: str, block: Block, repeat: Repeat) -> None:
        original = repeat.original
        group = self._groups.get((original.page, original.position))
        if group is None:
            line, text = self._at_hand.quote(original)
            group = Group(original.page, original.position, line, text)
            self._groups[original.page, original.position] = group
        if group.text is None and repeat.kind == "exact":
            group.text = block.text
        says_the_same = group.text is not None and repeat.kind != "near"
        member = Member(
            page=page,
            position=block.position,
            line=block.line,
            kind=repeat.kind,
            similarity=repeat.similarity,
            containment=repeat.containment,
            characters=len(block.text),
            text=None if says_the_same else block.text[:QUOTED],
        )
        group.members.append(member)
        group.wasted += member.characters
        self._wasted += member.characters
        self._kinds[repeat.kind] += 1

    def _add_extension(self, page: str, block: Block, extension: Repeat) -> None:
        self.extensions.append(
            Extension(
                page=page,
                position=block.position,
                line=block.line,
                containment=extension.containment,
                original=extension.original,
                original_line=self._at_hand.quote(extension.original)[0],
            )
        )


class _PagesAtHand:
    """The pages judged or quoted last, as many as `PAGES_TO_QUOTE` allows."""

    def __init__(self) -> None:
        self._pages: OrderedDict[str, Judged] = OrderedDict()
        self._characters = 0

    def add(self, judged: Judged) -> None:
        if (earlier := self._pages.pop(judged.page, None)) is not None:
            self._characters -= earlier.characters
        self._pages[judged.page] = judged
        self._characters += judged.characters
        while self._characters > PAGES_TO_QUOTE and len(self._pages) > 1:
            _, oldest = self._pages.popitem(last=False)
            self._characters -= oldest.characters

    def quote(self, original: Original) -> tuple[int | None, str | None]:
        """Line and text of an original, None where they are not at hand."""
        judged = self._pages.get(original.page)
        if judged is None or original.position >= len(judged.blocks):
            return None, original.text
        self._pages.move_to_end(original.page)
        block = judged.blocks[original.position]
        return block.line, block.text


def _shared(folder: str, other: str) -> str:
    """The longest folder in which both are."""
    while not other.startswith(folder):
        folder = folder[: folder.rfind("/", 0, -1) + 1]
    return folder
