"""Reports, and what is known of pages, as a service answers them: what the library returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np

from dedup.errors import PageError
from dedup.kernel.kinds import VerdictKind
from dedup.model import (
    BlockEntry,
    Original,
    Page,
    PageEntry,
    PageList,
    PageSummary,
    Place,
    places_of,
)
from dedup.pages import read_page
from dedup.report import Report
from dedup.verdict import Verdicts, is_repeat

_KINDS = {
    "exact": VerdictKind.EXACT,
    "near": VerdictKind.NEAR,
    "excerpt": VerdictKind.EXCERPT,
    "extension": VerdictKind.EXTENSION,
}


class RemoteBlocks:
    """The blocks of a page as a service has split it; see `model.PageBlocks`."""

    def __init__(self, page: Page, said: Mapping[str, Any]) -> None:
        """Take a page and its object, with `all_blocks` and `unique_text`."""
        self._page = page
        self._blocks: Sequence[Mapping[str, Any]] = said["all_blocks"]
        self._unique_text: str = said["unique_text"]
        self._repeats = [block["position"] for block in said["repeats"]]

    @cached_property
    def content(self) -> str:
        """The page as decoded text."""
        return read_page(self._page)[0]

    def __len__(self) -> int:
        """How many blocks the page has."""
        return len(self._blocks)

    def text(self, position: int) -> str:
        """The block's text."""
        return str(self._blocks[position]["text"])

    def span(self, position: int) -> tuple[int, int]:
        """Its `(start, end)` in the input."""
        block = self._blocks[position]
        return block["start"], block["end"]

    def line(self, position: int) -> int:
        """The 1-based line of its start."""
        return int(self._blocks[position]["line"])

    def path(self, position: int) -> str | None:
        """Its CSS path, for HTML."""
        path: str | None = self._blocks[position]["path"]
        return path

    def hidden(self, position: int) -> bool:
        """Whether the page hides it."""
        return bool(self._blocks[position]["hidden"])

    def all_texts(self) -> list[str]:
        """The text of every block."""
        return [self.text(position) for position in range(len(self))]

    def all_lines(self) -> list[int]:
        """The line of every block."""
        return [self.line(position) for position in range(len(self))]

    def places(self, positions: Sequence[int]) -> list[Place]:
        """What there is to say of these blocks."""
        return places_of(self, positions)

    def text_without(self, positions: Sequence[int]) -> str:
        """The page's text without its repeats, which is all that anybody asks for."""
        if list(positions) != self._repeats:
            raise ValueError("a service tells a page's text without its repeats only")
        return self._unique_text


def report_of(page: Page, said: Mapping[str, Any]) -> Report:
    """The report that a page's object tells.

    Args:
        page: the page that was sent.
        said: its object, with `all_blocks`, or `error`.

    Raises:
        KeyError, TypeError, ValueError: the object is of another kind.
    """
    if "error" in said:
        return Report(page.page, error=PageError(said["error"]))
    blocks = RemoteBlocks(page, said)
    count = len(blocks)
    kinds = np.full(count, VerdictKind.NEW, dtype=np.uint8)
    similarity, containment = np.zeros(count), np.zeros(count)
    details = np.zeros((count, 6), dtype=np.uint32)
    names: dict[str, int] = {}
    texts: dict[int, str] = {}
    verified = True
    for at, block in enumerate(said["all_blocks"]):
        if block["verdict"] == "skipped":
            kinds[at] = VerdictKind.SKIPPED
    for match in (*said["repeats"], *said.get("extensions", ())):
        at, original = match["position"], match["original"]
        kinds[at] = _KINDS[match["kind"]]
        if not match["verified"]:
            # A near repeat alone can be an estimate; of other kinds it is the index's way.
            kinds[at] = VerdictKind.ESTIMATED if match["kind"] == "near" else kinds[at]
            verified = verified and match["kind"] == "near"
        similarity[at], containment[at] = match["similarity"], match["containment"]
        times = (_seconds(original["first_seen"]), _seconds(original["last_seen"]))
        number = names.setdefault(original["page"], len(names))
        details[at] = (number, original["position"], *times, original["seen"], original["pages"])
        if original.get("text") is not None:
            texts[at] = original["text"]
    verdicts = Verdicts(
        kinds,
        similarity,
        containment,
        details,
        {number: name for name, number in names.items()},
        verified=verified,
        texts=texts,
    )
    return Report(page.page, blocks, verdicts, 0, np.flatnonzero(is_repeat(kinds)).tolist())


def page_entry_of(said: Mapping[str, Any]) -> PageEntry:
    """What an index has of a page, as its object tells.

    Raises:
        KeyError, TypeError, ValueError: the object is of another kind.
    """
    return PageEntry(
        said["page"],
        _time_of(said["checked"]),
        tuple(
            BlockEntry(block["position"], block["owned"], original_of(block["original"]))
            for block in said["blocks"]
        ),
    )


def page_list_of(said: Mapping[str, Any]) -> PageList:
    """Some of the pages that an index has, as their object tells.

    Raises:
        KeyError, TypeError, ValueError: the object is of another kind.
    """
    pages = tuple(
        PageSummary(
            page["page"], _time_of(page["checked"]), int(page["originals"]), int(page["repeats"])
        )
        for page in said["pages"]
    )
    return PageList(pages, said["after"])


def original_of(said: Mapping[str, Any]) -> Original:
    """The original that an object tells.

    Raises:
        KeyError, TypeError, ValueError: the object is of another kind.
    """
    times = {name: datetime.fromisoformat(said[name]) for name in ("first_seen", "last_seen")}
    return Original(**{name: said[name] for name in Original.__slots__} | times)


def _time_of(said: str | None) -> datetime | None:
    return None if said is None else datetime.fromisoformat(said)


def _seconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp())
