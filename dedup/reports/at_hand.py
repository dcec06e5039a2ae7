"""The pages that were read last, for questions that come late: on which line does a block stand?

Pages that are files of their own are not kept, and read again when somebody asks.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache

from dedup.errors import PageError
from dedup.inputs import PageFile
from dedup.model import Page, PageBlocks
from dedup.pages import characters_of, split_page

PAGES_AT_HAND = 16_000_000
"""Characters or bytes of pages kept at hand, so that the line of an original can still be found on
a page on which nothing was found, and whose lines nobody has looked up."""

FILE = 1000
"""What a page counts for that is only a name here."""


class PagesAtHand:
    """The pages taken last, as many as `PAGES_AT_HAND` allows."""

    def __init__(self) -> None:
        self._pages: OrderedDict[int, Page | PageFile] = OrderedDict()
        self._size = 0
        self._blocks = lru_cache(maxsize=16)(self._split)

    def add(self, number: int, page: Page | PageFile) -> None:
        """Keep a page, by its number, and let go of the oldest where there are too many."""
        self._pages[number] = page
        self._size += _size_of(page)
        while self._size > PAGES_AT_HAND and len(self._pages) > 1:
            _, oldest = self._pages.popitem(last=False)
            self._size -= _size_of(oldest)

    def line(self, number: int, position: int) -> int | None:
        """The line on which a block of it starts; None where the page is gone."""
        blocks = self._blocks(number)
        return blocks.line(position) if blocks and position < len(blocks) else None

    def _split(self, number: int) -> PageBlocks | None:
        page = self._pages.get(number)
        if isinstance(page, PageFile):
            page = next((read for read in page.read() if isinstance(read, Page)), None)
        try:
            return None if page is None else split_page(page)
        except PageError:  # the file has changed
            return None


def _size_of(page: Page | PageFile) -> int:
    return FILE if isinstance(page, PageFile) else characters_of(page)
