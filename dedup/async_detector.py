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

from dedup.detector import BATCH_PAGES, Batching, Opening, report_or_raise
from dedup.index import open_async_index
from dedup.model import Format, Page, Stats
from dedup.pages import PageBatch, PageLike, minhash_rows
from dedup.report import Report


class AsyncDeduper(Opening):
    """Finds repeated blocks among the pages that it is shown, without blocking the event loop.

    Args:
        index: where originals are kept: `memory://` is this process, a path (or
            `sqlite:///path`) a file for the next one, `redis://host:6379/0` is shared by many. A
            store is opened when it is first used.
        namespace: which of the store's independent indexes.
        options: the fields of `Settings`, by name.

    Raises:
        SettingsError: an option is unknown or cannot take its value, or the URL names no store.

    Tasks can share it; each call is atomic. A call that is cancelled leaves the index whole: the
    page may be there in part, and checking it again completes it.
    """

    def __init__(
        self, index: str = "memory://", *, namespace: str = "default", **options: Any
    ) -> None:
        super().__init__(namespace, options)
        self._index = open_async_index(index, namespace, self.settings)

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
        content: str | bytes,
        page: str,
        *,
        format: Format = "auto",  # noqa: A002 - the contract's word
        encoding: str | None = None,
    ) -> Report:
        """See `Deduper.check`."""
        return report_or_raise(await self._check_batch([Page(content, page, format, encoding)]))

    async def check_many(
        self,
        pages: Iterable[PageLike] | AsyncIterable[PageLike],
        *,
        batch_pages: int = BATCH_PAGES,
    ) -> AsyncIterator[Report]:
        """See `Deduper.check_many`. Pages may come from an asynchronous source, too.

        The source is asked for more only when the reports before were taken.
        """
        batches = Batching(batch_pages)
        ready: asyncio.Task[PageBatch] | None = None
        try:
            async for page in each_of(pages):
                if batch := batches.add(page):
                    # It is made ready while the server works on the one before.
                    work = asyncio.to_thread(PageBatch, batch, self.settings.bands)
                    earlier, ready = ready, asyncio.create_task(work)
                    if earlier is not None:
                        for report in await self._judge(await earlier):
                            yield report
            if ready is not None:
                for report in await self._judge(await ready):
                    yield report
        finally:
            if ready is not None:
                ready.cancel()
        for report in await self._check_batch(batches.rest()):
            yield report

    async def lookup(
        self,
        content: str | bytes,
        page: str = "",
        *,
        format: Format = "auto",  # noqa: A002 - the contract's word
        encoding: str | None = None,
        threshold: float | None = None,
    ) -> Report:
        """See `Deduper.lookup`."""
        settings = self.settings_with(threshold)
        pages = [Page(content, page, format, encoding)]
        batch = await asyncio.to_thread(PageBatch, pages, self.settings.bands)
        verdicts = await self._index.lookup(
            batch.sketches, batch.names, batch.bounds, int(time.time()), settings
        )
        return report_or_raise(batch.reports(verdicts))

    async def add_minhashes(self, values: npt.NDArray[np.uint32], pages: Sequence[str]) -> None:
        """See `Deduper.add_minhashes`."""
        rows = minhash_rows(values, pages, self.settings)
        await self._index.add_minhashes(*rows, int(time.time()))

    async def forget(self, page: str) -> bool:
        """See `Deduper.forget`."""
        return await self._index.forget(page)

    async def stats(self) -> Stats:
        """See `Deduper.stats`."""
        return await self._index.stats()

    async def clear(self) -> None:
        """See `Deduper.clear`."""
        await self._index.clear()

    async def close(self) -> None:
        """See `Deduper.close`."""
        await self._index.close()

    async def _check_batch(self, pages: Sequence[PageLike]) -> Iterator[Report]:
        if not pages:
            return iter(())
        bands = self.settings.bands
        return await self._judge(await asyncio.to_thread(PageBatch, pages, bands))

    async def _judge(self, batch: PageBatch) -> Iterator[Report]:
        now = int(time.time())
        verdicts = await self._index.check(batch.sketches, batch.names, batch.bounds, now)
        return batch.reports(verdicts)


async def each_of(
    pages: Iterable[PageLike] | AsyncIterable[PageLike],
) -> AsyncIterator[PageLike]:
    """The pages of either kind of source."""
    if isinstance(pages, AsyncIterable):
        async for page in pages:
            yield page
    else:
        for page in pages:
            yield page
