"""The indexes of this process, to be awaited: operations run in threads, so the loop goes on.

`ThreadedIndex` is for any index that blocks, on its own work or on a file, and knows nothing of
what it does. Whoever awaits nothing need not import this, and asyncio with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from dedup.index import Index
from dedup.index.memory import MemoryIndex, refuse_name
from dedup.model import Original, PageEntry, PageList, Stats
from dedup.settings import Settings
from dedup.sketch import Sketches
from dedup.verdict import Verdicts

AT_ONCE = 256
"""Blocks that are judged without going to a thread: half a millisecond."""


class ThreadedIndex:
    """See `AsyncIndex`. It is opened when it is first used.

    Args:
        open_it: gives the index that blocks.
    """

    def __init__(self, open_it: Callable[[], Index]) -> None:
        self._open_it = open_it
        self._opening: asyncio.Task[Index] | None = None

    async def check(
        self, sketches: Sketches, pages: Sequence[str], bounds: npt.NDArray[np.int64], now: int
    ) -> Verdicts:
        """See `Index.check`."""
        index = await self._opened()
        return await asyncio.to_thread(index.check, sketches, pages, bounds, now)

    async def lookup(
        self,
        sketches: Sketches,
        pages: Sequence[str],
        bounds: npt.NDArray[np.int64],
        now: int,
        settings: Settings,
    ) -> Verdicts:
        """See `Index.lookup`."""
        index = await self._opened()
        return await asyncio.to_thread(index.lookup, sketches, pages, bounds, now, settings)

    async def add_minhashes(
        self,
        values: npt.NDArray[np.uint32],
        pages: Sequence[str],
        bounds: npt.NDArray[np.int64],
        now: int,
    ) -> None:
        """See `Index.add_minhashes`."""
        index = await self._opened()
        await asyncio.to_thread(index.add_minhashes, values, pages, bounds, now)

    async def forget(self, page: str) -> bool:
        """See `Index.forget`."""
        return await asyncio.to_thread((await self._opened()).forget, page)

    async def page(self, page: str, now: int) -> PageEntry | None:
        """See `Index.page`."""
        return await asyncio.to_thread((await self._opened()).page, page, now)

    async def pages(self, prefix: str, after: str, limit: int) -> PageList:
        """See `Index.pages`."""
        return await asyncio.to_thread((await self._opened()).pages, prefix, after, limit)

    async def most_repeated(self, limit: int, now: int, site: str | None = None) -> list[Original]:
        """See `Index.most_repeated`."""
        return await asyncio.to_thread((await self._opened()).most_repeated, limit, now, site)

    async def stats(self) -> Stats:
        """See `Index.stats`."""
        return await asyncio.to_thread((await self._opened()).stats)

    async def clear(self) -> None:
        """See `Index.clear`."""
        await asyncio.to_thread((await self._opened()).clear)

    async def close(self) -> None:
        """See `Index.close`."""
        if self._opening is not None:
            await asyncio.to_thread((await self._opened()).close)

    async def _opened(self) -> Index:
        """The index; whoever is cancelled while it is being opened leaves it to the others."""
        if self._opening is None or self._opening.cancelled():  # with its event loop, say
            self._opening = asyncio.create_task(asyncio.to_thread(self._open_it))
        task = self._opening
        try:
            return await asyncio.shield(task)
        except Exception:
            if self._opening is task:  # the next call tries again
                self._opening = None
            raise


class AsyncMemoryIndex(ThreadedIndex):
    """The index in this process, to be awaited: more than a little work runs in a thread."""

    def __init__(self, url: str, namespace: str, settings: Settings) -> None:
        refuse_name(url)
        self._index = MemoryIndex(url, namespace, settings)
        super().__init__(lambda: self._index)

    async def check(
        self, sketches: Sketches, pages: Sequence[str], bounds: npt.NDArray[np.int64], now: int
    ) -> Verdicts:
        """See `Index.check`."""
        if self._is_moment(sketches):
            return self._index.check(sketches, pages, bounds, now)
        return await super().check(sketches, pages, bounds, now)

    async def lookup(
        self,
        sketches: Sketches,
        pages: Sequence[str],
        bounds: npt.NDArray[np.int64],
        now: int,
        settings: Settings,
    ) -> Verdicts:
        """See `Index.lookup`."""
        if self._is_moment(sketches):
            return self._index.lookup(sketches, pages, bounds, now, settings)
        return await super().lookup(sketches, pages, bounds, now, settings)

    async def _opened(self) -> Index:
        """The index, which is there from the beginning."""
        return self._index

    def _is_moment(self, sketches: Sketches) -> bool:
        """Whether a batch is too small for a thread, and the index has time for it."""
        return len(sketches) <= AT_ONCE and not self._index.is_busy


class AsyncSqliteIndex(ThreadedIndex):
    """The index in a SQLite file, to be awaited."""

    def __init__(self, url: str, namespace: str, settings: Settings) -> None:
        # Late: it needs locks that not every system has.
        from dedup.index.sqlite import SqliteIndex, place_of  # noqa: PLC0415

        place_of(url)
        super().__init__(partial(SqliteIndex, url, namespace, settings))
