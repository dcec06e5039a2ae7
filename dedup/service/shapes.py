"""What stands in requests and answers: the types that bodies are read into, and that OpenAPI shows.

Requests are decoded into these, strictly. Answers are written by `answers.py`; their types here are
what they promise, and the tests hold them to it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from dedup.model import Format, Page
from dedup.service.problems import Problem

Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]
Threshold = Annotated[float, Meta(gt=0, le=1, description="Another threshold, for a lookup.")]
Limit = Annotated[int, Meta(ge=1, le=1000, description="How many, at most.")]
PageId = Annotated[
    str,
    Meta(
        max_length=4096,
        description="The page's id: a URL, a path, any string that stays the same.",
        examples=["https://example.org/a"],
    ),
]


class PageIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """A page: its id, and its content as text or as base64 of the bytes that were fetched."""

    page: PageId = ""
    content: Annotated[str, Meta(description="Text or HTML.")] | None = None
    content_base64: Annotated[bytes, Meta(description="The bytes as fetched.")] | None = None
    format: Annotated[Format, Meta(description="auto looks at the content.")] = "auto"
    encoding: (
        Annotated[str, Meta(max_length=100, description="The charset that HTTP declared.")] | None
    ) = None

    def to_page(self) -> Page:
        """The page as the library takes it.

        Raises:
            Problem: it has no content, or two.
        """
        if (self.content is None) == (self.content_base64 is None):
            raise Problem(
                "invalid", f"page {self.page!r}: give content, or content_base64 for bytes"
            )
        content = self.content if self.content is not None else self.content_base64
        return Page(content or "", self.page, self.format, self.encoding)


class Wishes(Struct, forbid_unknown_fields=True, kw_only=True):
    """What is to be done with pages, and what the answer is to hold besides the repeats."""

    lookup: Annotated[bool, Meta(description="Leave the index unchanged.")] = False
    threshold: Threshold | None = None
    blocks: Annotated[bool, Meta(description="All blocks, as all_blocks.")] = False
    originals: Annotated[bool, Meta(description="Texts of originals, where at hand.")] = False
    unique_text: Annotated[bool, Meta(description="Each page's text without repeats.")] = False
    groups: Annotated[bool, Meta(description="Repeats gathered by their original.")] = False


class OnePage(PageIn, forbid_unknown_fields=True, kw_only=True):
    """One page to check or look up."""

    lookup: bool = False
    threshold: Threshold | None = None
    blocks: bool = False
    originals: bool = False
    unique_text: bool = False
    groups: bool = False


class ManyPages(Wishes, forbid_unknown_fields=True, kw_only=True):
    """Pages to check, in this order, or to look up."""

    pages: list[PageIn]


class QueryWishes(Wishes, forbid_unknown_fields=True, kw_only=True):
    """Wishes in the query, and the id of a page that is the body."""

    page: PageId = ""


class RepeatedIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """How many originals are wanted."""

    limit: Limit = 20
    site: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=255,
                description="Of the pages that own them: a host in lower case, or a top folder.",
                examples=["example.org"],
            ),
        ]
        | None
    ) = None


class PagesIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which pages are wanted."""

    prefix: Annotated[str, Meta(max_length=4096, description="How their ids begin.")] = ""
    after: Annotated[
        str,
        Meta(
            max_length=100,
            pattern="^[0-9a-f-]*$",
            description="What the list before gave, to go on after it.",
        ),
    ] = ""
    limit: Limit = 100


class ExplainIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """Two blocks: the one that is judged, and the one that was there before."""

    block: Annotated[str, Meta(description="The text that is judged.")]
    original: Annotated[str, Meta(description="The text that was seen before.")]
    threshold: Annotated[float, Meta(gt=0, le=1)] | None = None
    min_words: Annotated[int, Meta(ge=1, lt=2**31)] | None = None


WISHES = Wishes.__struct_fields__


def wishes_of(asked: OnePage | ManyPages | QueryWishes) -> Wishes:
    """The part of a request that is not pages."""
    return Wishes(**{name: getattr(asked, name) for name in WISHES})


def both(first: Wishes, second: Wishes) -> Wishes:
    """What is wished in either; the first threshold counts."""
    return Wishes(
        **{name: getattr(first, name) or getattr(second, name) for name in WISHES},
    )


# ---- answers: dedup/page_object.py, and its like in dedup/reports/json.py -----------------------


class OriginalOut(Struct):
    """An original."""

    page: str
    position: Count
    seen: Count
    pages: Count
    first_seen: str
    last_seen: str
    text: str | msgspec.UnsetType | None = msgspec.UNSET


class RepeatOut(Struct):
    """A repeat, or an extension: where it stands, what it repeats, how like it is."""

    position: Count
    start: Count
    end: Count
    line: Annotated[int, Meta(ge=1)]
    path: str | None
    kind: Literal["exact", "near", "excerpt", "extension"]
    similarity: Share
    containment: Share
    verified: bool
    scope: Literal["page", "site", "other"]
    text: str
    original: OriginalOut


class BlockOut(Struct):
    """A block, whatever its verdict."""

    position: Count
    text: str
    start: Count
    end: Count
    line: Annotated[int, Meta(ge=1)]
    path: str | None
    hidden: bool
    verdict: Literal["new", "skipped", "exact", "near", "excerpt"]
    extension: bool | msgspec.UnsetType = msgspec.UNSET


class PageOut(Struct, forbid_unknown_fields=False):
    """What was found on a page, or why it could not be judged."""

    page: str
    error: str | msgspec.UnsetType = msgspec.UNSET
    blocks: Count | msgspec.UnsetType = msgspec.UNSET
    skipped: Count | msgspec.UnsetType = msgspec.UNSET
    repeats: list[RepeatOut] | msgspec.UnsetType = msgspec.UNSET
    extensions: list[RepeatOut] | msgspec.UnsetType = msgspec.UNSET
    all_blocks: list[BlockOut] | msgspec.UnsetType = msgspec.UNSET
    unique_text: str | msgspec.UnsetType = msgspec.UNSET


class SummaryOut(Struct):
    """The totals of a request."""

    pages: Count
    blocks: Count
    skipped: Count
    exact: Count
    near: Count
    excerpt: Count
    repeated_share: Share
    errors: Count


class PlaceOut(Struct):
    """Where an original stands."""

    page: str
    position: Count


class MemberOut(Struct):
    """A repeat in its group."""

    page: str
    position: Count
    kind: Literal["exact", "near", "excerpt"]
    similarity: Share


class GroupOut(Struct):
    """An original with its repeats."""

    original: PlaceOut
    text: str | None
    members: list[MemberOut]


class CheckOut(Struct):
    """The answer to pages."""

    version: Literal[1]
    pages: list[PageOut]
    summary: SummaryOut
    groups: list[GroupOut] | msgspec.UnsetType = msgspec.UNSET


class ExplainOut(Struct):
    """The explanation of a verdict; `dedup explain --format json` has the same."""

    version: Literal[1]
    verdict: Literal["skipped", "new", "exact", "near", "excerpt", "extension"]
    rule: str
    reason: str
    block: dict[str, Any]
    original: dict[str, Any]
    similarity: Share
    containment: Share
    shared_pairs: Count
    all_pairs: Count
    inside_pairs: Count
    beginning: Count
    shared_keys: Count
    size_ratio: Share
    checks: list[dict[str, Any]]
    matched: dict[str, Any] | None
    changes: list[dict[str, Any]]
    settings: dict[str, Any]


class StatsOut(Struct):
    """What a namespace holds, and what it was made with."""

    url: str
    namespace: str
    pages: Count
    originals: Count
    repeats: Count
    bytes: Count
    disk_bytes: Count
    settings: dict[str, Any]


class KeptOriginalOut(OriginalOut):
    """An original as the index has it; its text is null where the index keeps none."""

    text: str | None


class BlockEntryOut(Struct):
    """A block as the index has it: an original of the page's own, or a repeat of one."""

    position: Annotated[
        Count | None,
        Meta(description="Order on the page; null for a repeat, whose position is not kept."),
    ]
    owned: Annotated[bool, Meta(description="The block is the original; else it repeats it.")]
    original: KeptOriginalOut


class PageEntryOut(Struct):
    """What the index has of a page: the blocks that count, in order."""

    version: Literal[1]
    page: str
    checked: Annotated[
        str | None,
        Meta(description="When it was last checked; null where the index does not keep that."),
    ]
    blocks: list[BlockEntryOut]


class PageSummaryOut(Struct):
    """A page that the index has, with how many of its blocks were originals and repeats."""

    page: str
    checked: Annotated[
        str | None,
        Meta(description="When it was last checked; null where the index does not keep that."),
    ]
    originals: Count
    repeats: Count


class PagesOut(Struct):
    """Pages, in the index's own order."""

    version: Literal[1]
    pages: list[PageSummaryOut]
    after: Annotated[str | None, Meta(description="To go on after these; null: there are no more.")]


class RepeatedOut(Struct):
    """Originals, most repeats first."""

    version: Literal[1]
    originals: list[KeptOriginalOut]


class HealthOut(Struct):
    """How the service is."""

    status: Literal["ok"]


class ProblemOut(Struct):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: str
    request_id: str
