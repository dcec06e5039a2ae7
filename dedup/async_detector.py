"""The `AsyncDeduper`: what `Deduper` does, as coroutines.

The stages and the decisions are the same; only who waits differs. Work of the processor runs in
threads, where the kernel lets go of the interpreter, so the event loop goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from dedup.batcher import Batcher, ReadAhead
from dedup.detector import BATCH_PAGES, LISTED, REPEATED, Opening, report_or_raise, whole
from dedup.errors import SettingsError
from dedup.index import open_async_index
from dedup.model import Content, Format, Original, Page, PageEntry, PageList, Stats
from dedup.pages import PageBatch, PageLike, minhash_rows, work_of
from dedup.report import Report
from dedup.sketch import Sketches
from dedup.verdict import Verdicts

AT_ONCE = 1 << 16
"""Characters of text in a batch (of HTML, a tenth) that are split and sketched without going to a
thread: that takes a millisecond, and a thread up to one to begin and end where others are busy."""


class AsyncDeduper(Opening):
    """Finds repeated blocks among the pages that it is shown, without blocking the event loop.

    Args:
        index: where originals are kept: `memory://` is this process, a path (or
            `sqlite:///path`) a file for the next one, `redis://host:6379/0` is shared by many. A
            store is opened when it is first used.
        namespace: which of the store's independent indexes.
        gather: how long a check may wait for others to go with it (seconds, 0 or more). At 0 it
            waits only while the batch before it is judged. A few milliseconds make larger batches,
            and so less work, where pages come one after another.
        options: the fields of `Settings`, by name.

    Raises:
        SettingsError: an option is unknown or cannot take its value, or the URL names no store.

    Tasks of one event loop can share it; each call is atomic. A call that is cancelled leaves the
    index whole: the page is checked or is not, and checking it again gives the same report.
    """

    def __init__(
        self,
        index: str = "memory://",
        *,
        namespace: str = "default",
        gather: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(namespace, options)
        if isinstance(gather, bool) or not isinstance(gather, int | float) or not 0 <= gather <= 1:
            raise SettingsError(f"gather={gather!r}: give seconds, from 0 to 1")
        self._index = open_async_index(index, namespace, self.settings)
        self._batcher = Batcher(self._check_batch, gather)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def check(
        self,
        content: Content,
        page: str,
        *,
        format: Format = "auto",  # noqa: A002 - the contract's word
        encoding: str | None = None,
    ) -> Report:
        """See `Deduper.check`.

        Checks of many tasks at once go through in batches, in the order in which they were called;
        each caller gets the report on its own page, or its error.
        """
        report = await self._batcher.check(Page(content, page, format, encoding))
        return report_or_raise(iter([report]))

    async def check_many(
        self,
        pages: Iterable[PageLike] | AsyncIterable[PageLike],
        *,
        batch_pages: int = BATCH_PAGES,
    ) -> AsyncIterator[Report]:
        """See `Deduper.check_many`. Pages may come from an asynchronous source, too.

        A page is judged when it comes; of a source that is faster, up to a batch is gathered
        meanwhile. Whoever takes no reports stops the source, with at most three batches in memory:
        one gathered, one made ready, one judged.
        """
        async with ReadAhead(pages, batch_pages) as source:
            ready: asyncio.Task[PageBatch] | None = None
            try:
                while ready or (batch := await source.take()):
                    prepared = await (ready or self._prepare(batch))
                    # While a server works on this batch, the next one is made ready.
                    following = source.take_what_is_there()
                    ready = asyncio.create_task(self._prepare(following)) if following else None
                    for report in await self._judge(prepared):
                        yield report
            finally:
                if ready is not None and not ready.cancel():
                    ready.exception()  # looked at, though nobody is there any more to be told

    async def lookup(
        self,
        content: Content,
        page: str = "",
        *,
        format: Format = "auto",  # noqa: A002 - the contract's word
        encoding: str | None = None,
        threshold: float | None = None,
    ) -> Report:
        """See `Deduper.lookup`."""
        settings = self.settings_with(threshold)
        pages: list[PageLike] = [Page(content, page, format, encoding)]
        batch = await self._prepare(pages)
        verdicts = await self._index.lookup(
            batch.sketches, batch.names, batch.bounds, int(time.time()), settings
        )
        return report_or_raise(batch.reports(verdicts))

    async def add_minhashes(self, values: npt.NDArray[np.uint32], pages: Sequence[str]) -> None:
        """See `Deduper.add_minhashes`."""
        rows = minhash_rows(values, pages, self.settings)
        await self._index.add_minhashes(*rows, int(time.time()))

    async def verdicts(
        self,
        sketches: Sketches,
        pages: Sequence[str],
        bounds: npt.NDArray[np.int64],
        *,
        look_only: bool = False,
    ) -> Verdicts:
        """See `Deduper.verdicts`."""
        now = int(time.time())
        if look_only:
            return await self._index.lookup(sketches, pages, bounds, now, self.settings)
        return await self._index.check(sketches, pages, bounds, now)

    async def forget(self, page: str) -> bool:
        """See `Deduper.forget`."""
        return await self._index.forget(page)

    async def page(self, page: str) -> PageEntry | None:
        """See `Deduper.page`."""
        return await self._index.page(page, int(time.time()))

    async def pages(self, prefix: str = "", *, after: str = "", limit: int = LISTED) -> PageList:
        """See `Deduper.pages`."""
        return await self._index.pages(prefix, after, whole(limit, "limit"))

    async def most_repeated(
        self, limit: int = REPEATED, *, site: str | None = None
    ) -> list[Original]:
        """See `Deduper.most_repeated`."""
        return await self._index.most_repeated(whole(limit, "limit"), int(time.time()), site)

    async def stats(self) -> Stats:
        """See `Deduper.stats`."""
        return await self._index.stats()

    async def clear(self) -> None:
        """See `Deduper.clear`."""
        await self._index.clear()

    async def close(self) -> None:
        """See `Deduper.close`. Checks that are under way are finished first."""
        await self._batcher.finish()
        await self._index.close()

    async def _check_batch(self, pages: Sequence[PageLike]) -> list[Report]:
        # A list: a page that cannot be reported must fail here, not in the hands of its neighbour.
        return list(await self._judge(await self._prepare(pages)))

    async def _prepare(self, pages: Sequence[PageLike]) -> PageBatch:
        """Split and sketch: a little at once, and more in a thread."""
        if sum(map(work_of, pages)) <= AT_ONCE:
            return PageBatch(pages, self.settings.bands)
        return await asyncio.to_thread(PageBatch, pages, self.settings.bands)

    async def _judge(self, batch: PageBatch) -> Iterator[Report]:
        return batch.reports(await self.verdicts(batch.sketches, batch.names, batch.bounds))
