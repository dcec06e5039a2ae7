"""The pages that were read last, for questions that come late: on which line does a block stand?"""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache

from dedup.model import Page
from dedup.pages import split_page

PAGES_AT_HAND = 16_000_000
"""Characters or bytes of pages kept at hand, so that the line of an original can still be found on
a page on which nothing was found, and whose lines nobody has looked up."""


class PagesAtHand:
    """The pages taken last, as many as `PAGES_AT_HAND` allows."""

    def __init__(self) -> None:
        self._pages: OrderedDict[int, Page] = OrderedDict()
        self._size = 0
        self._blocks = lru_cache(maxsize=16)(lambda number: split_page(self._pages[number]))

    def add(self, number: int, page: Page) -> None:
        """Keep a page, by its number, and let go of the oldest where there are too many."""
        self._pages[number] = page
        self._size += len(page.content)
        while self._size > PAGES_AT_HAND and len(self._pages) > 1:
            _, oldest = self._pages.popitem(last=False)
            self._size -= len(oldest.content)

    def line(self, number: int, position: int) -> int | None:
        """The line on which a block of it starts; None where the page is gone."""
        if number not in self._pages:
            return None
        blocks = self._blocks(number)
        return blocks.line(position) if position < len(blocks) else None
