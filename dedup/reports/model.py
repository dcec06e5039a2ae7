"""What every report says, as values: totals, groups with their members, pages, sites.

`result.Result` makes them; the formats show them. Knows nothing of where they are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from dedup.model import Kind, Scope


class Place(NamedTuple):
    """A block of a page.

    Attributes:
        page: the page's id.
        position: 0-based order of the block on it.
        line: 1-based line of its start; None where its page is not at hand.
    """

    page: str
    position: int
    line: int | None


class Member(NamedTuple):
    """One repeat in its group, or a block that contains an earlier one (`"extension"`).

    Attributes:
        place: where it stands.
        number: the page's number in this run (`Result.texts`).
        start: offset of its first character in the page as given.
        end: offset after the last one.
        path: CSS path of the element that holds it, for HTML.
        hidden: the page does not show it.
        kind: how it repeats the original.
        similarity: 0 to 1.
        containment: 0 to 1.
        verified: these were computed from what the index keeps of the original.
        scope: where the original stands, seen from here.
        characters: length of its text.
    """

    place: Place
    number: int
    start: int
    end: int
    path: str | None
    hidden: bool
    kind: Kind
    similarity: float
    containment: float
    verified: bool
    scope: Scope
    characters: int


class Repeated(NamedTuple):
    """An original that repeats, in short.

    Attributes:
        page: where it stands: the page's id.
        position: 0-based order of the block on it.
        text: as in `Group`.
    """

    page: str
    position: int
    text: str | None


class Repetition(NamedTuple):
    """One repeat in its group, in short.

    Attributes:
        page: where it stands: the page's id.
        position: 0-based order of the block on it.
        kind: how it repeats the original.
        similarity: 0 to 1.
    """

    page: str
    position: int
    kind: Kind
    similarity: float


@dataclass(frozen=True, slots=True)
class Group:
    """An original with its repeats.

    Attributes:
        number: its number in this run, in the order in which groups were found.
        original: where the original stands.
        text: its text (of an equal repeat, where its page is not at hand); None: not at hand.
        kinds: how many repeats of each kind there are.
        pages: on how many pages of this run they stand.
        wasted: characters that stand in them.
        first_seen: when the original was added (seconds since 1970); None: in this run.
        seen: repeats of it that the index has counted, those of earlier runs included.
        original_number: the number in this run of the page that owns the original; None: of an
            earlier run.
    """

    number: int
    original: Place
    text: str | None
    kinds: Mapping[Kind, int]
    pages: int
    wasted: int
    first_seen: int | None
    seen: int
    original_number: int | None

    @property
    def repeats(self) -> int:
        """How many members it has."""
        return sum(self.kinds.values())


@dataclass(frozen=True, slots=True)
class Mark:
    """A repeat or an extension as its page shows it.

    Attributes:
        position: 0-based order of the block on its page.
        kind: how it repeats the original.
        similarity: 0 to 1.
        containment: 0 to 1.
        original: the original's page.
        original_position: 0-based order of the original on it.
        original_number: the number in this run of the original's page; None: of an earlier run.
        group: the number of its group; None: an extension, which has none.
    """

    position: int
    kind: Kind
    similarity: float
    containment: float
    original: str
    original_position: int
    original_number: int | None
    group: int | None


@dataclass(frozen=True, slots=True)
class Share:
    """What a page or a site has of one thing: of a group's repeats, of one page's originals.

    Attributes:
        name: the text of the group's original, or the other page's id; None: not at hand.
        repeats: repeats here.
        pages: pages here on which they stand.
        wasted: characters of them.
    """

    name: str | None
    repeats: int
    pages: int
    wasted: int


@dataclass(frozen=True, slots=True)
class Extension:
    """A block that contains an earlier, shorter original. It is new, and counts as no repeat."""

    member: Member
    original: Place


@dataclass(frozen=True, slots=True)
class BadPage:
    """A page that could not be judged, and why."""

    page: str
    error: str


@dataclass(frozen=True, slots=True)
class Totals:
    """A page, or a site, in numbers.

    Attributes:
        name: the page's id, or the site; None: the pages that have no site.
        number: the page's number in this run; of a site: of its first page.
        pages: 1, or the site's pages.
        blocks: blocks of these pages.
        skipped: those of them that are too short to be judged.
        repeats: those of them that are repeats.
        characters: length of the text.
        wasted: characters of it that stand in repeats.
        site: the page's site, or the site itself.
    """

    name: str | None
    number: int
    pages: int
    blocks: int
    skipped: int
    repeats: int
    characters: int
    wasted: int
    site: str | None = None

    @property
    def repeated_share(self) -> float:
        """The share of the text that stands in repeats, 0 to 1."""
        return self.wasted / self.characters if self.characters else 0.0


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
