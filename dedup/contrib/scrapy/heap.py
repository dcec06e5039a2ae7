"""What is there when a crawl begins, set aside from the collection of garbage.

Python's collector goes through all objects again and again, also through those that modules are
made of and that never go. Scrapy makes so many objects a page that this is a fifth of a crawl's
time, and NumPy, dedup and a client for Redis would make it half as much again. Knows nothing of
crawls.
"""

from __future__ import annotations

import gc


class Heap:
    """The objects of this process."""

    def __init__(self) -> None:
        self._is_set_aside = False

    def set_aside(self) -> None:
        """Keep the collector away from what there is now, unless somebody has done so already."""
        if not gc.get_freeze_count():
            gc.freeze()
            self._is_set_aside = True

    def give_back(self) -> None:
        """Let the collector have everything again, where it was kept away here."""
        if self._is_set_aside:
            gc.unfreeze()
            self._is_set_aside = False
