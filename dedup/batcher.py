"""Pages that come one by one, from many tasks or from a slow source, to batches.

Nobody waits for a batch to fill. What comes while the batch before is being judged goes together in
the next one, and what comes to an idle deduper goes at once, or within the few milliseconds that
the user allows: so batches grow with the load. Knows nothing of indexes and decides nothing about
pages.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Self

from dedup.detector import BATCH_PAGES, Batching
from dedup.errors import IndexFailure
from dedup.model import Page
from dedup.pages import PageLike
from dedup.report import Report

Judge = Callable[[list[PageLike]], Awaitable[Iterable[Report]]]
"""Gives a report for each page, in order."""


class Batcher:
    """Gathers the checks of many tasks.

    Pages are judged in the order in which they came, one batch at a time, each of at most so many
    pages and characters as one of `check_many`. A caller waits for its own report alone: one that
    is cancelled before its page's turn takes the page back; after that the page is judged, and
    only the report has no taker. The batcher keeps no page for which nobody waits.

    Args:
        judge: judges a batch.
        gather: how long a batch waits for more pages (seconds). 0: not at all.
    """

    def __init__(self, judge: Judge, gather: float = 0.0) -> None:
        self._judge = judge
        self._gather = gather
        self._waiting: deque[tuple[Page, asyncio.Future[Report]]] = deque()
        self._runner: asyncio.Task[None] | None = None

    async def check(self, page: Page) -> Report:
        """The report on a page.

        Raises:
            IndexFailure: the index failed on the page's batch; every caller in it is told.
        """
        loop = asyncio.get_running_loop()
        runner = self._runner
        if runner is None or runner.done() or runner.get_loop() is not loop:
            # Whatever waits here belongs to an event loop that has ended.
            self._waiting.clear()
            runner = self._runner = loop.create_task(self._run())
        report: asyncio.Future[Report] = loop.create_future()
        self._waiting.append((page, report))
        return await report

    async def finish(self) -> None:
        """Wait until every page that came was judged."""
        runner = self._runner
        if runner is not None and runner.get_loop() is asyncio.get_running_loop():
            await asyncio.wait([runner])

    async def _run(self) -> None:
        """Judge batches until nobody waits."""
        batch: list[tuple[Page, asyncio.Future[Report]]] = []
        try:
            while self._waiting:
                if self._gather:
                    await asyncio.sleep(self._gather)
                if batch := self._take():
                    await self._settle(batch)
        finally:  # cancelled, as all tasks are when a loop ends: nobody waits for ever
            for _, report in (*batch, *self._waiting):
                report.cancel()

    def _take(self) -> list[tuple[Page, asyncio.Future[Report]]]:
        """The next batch of pages for which somebody still waits."""
        limits = Batching(BATCH_PAGES)
        batch = []
        while self._waiting:
            page, report = self._waiting.popleft()
            if not report.done():
                batch.append((page, report))
                if limits.add(page):
                    break
        return batch

    async def _settle(self, batch: list[tuple[Page, asyncio.Future[Report]]]) -> None:
        """Give every caller of a batch its report, or the error."""
        try:
            reports = await self._judge([page for page, _ in batch])
        except IndexFailure as error:
            for _, waiting in batch:
                _refuse(waiting, error)
        except Exception as error:  # noqa: BLE001 - it is raised where it belongs: by the caller
            if len(batch) == 1:
                _refuse(batch[0][1], error)
                return
            # One page spoiled the batch. Checking is idempotent, so each is judged by itself.
            for entry in batch:
                await self._settle([entry])
        else:
            for (_, waiting), report in zip(batch, reports, strict=True):
                if not waiting.done():
                    waiting.set_result(report)


def _refuse(waiting: asyncio.Future[Report], error: Exception) -> None:
    """Raise the error in the task that waits, if it still does."""
    if not waiting.done():
        waiting.set_exception(error)
        waiting.exception()  # else a task that is cancelled just now leaves a complaint in the log


class ReadAhead:
    """Reads a source while the pages before are being judged, by one batch at most.

    Use it as an asynchronous context manager: leaving it ends the reading. An error of the source
    is raised after the pages that came before it were taken.
    """

    def __init__(
        self, pages: Iterable[PageLike] | AsyncIterable[PageLike], batch_pages: int
    ) -> None:
        self._gathering = Batching(batch_pages)
        self._full: list[PageLike] = []
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()
        self._reader = asyncio.create_task(self._read(pages))
        self._reader.add_done_callback(lambda _: self._changed.set())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reader.cancel()
        await asyncio.wait([self._reader])
        if not self._reader.cancelled():
            self._reader.exception()  # looked at: `take` raised it, or nobody is there to be told

    async def take(self) -> list[PageLike]:
        """What has come, at least one page; nothing at the end of the source."""
        while not (batch := self.take_what_is_there()):
            if self._reader.done():
                self._reader.result()
                return []
            self._changed.clear()
            await self._changed.wait()
        return batch

    def take_what_is_there(self) -> list[PageLike]:
        """What has come, if anything."""
        batch = self._full or self._gathering.rest()
        self._full = []
        self._taken.set()
        return batch

    async def _read(self, pages: Iterable[PageLike] | AsyncIterable[PageLike]) -> None:
        async with aclosing(each_of(pages)) as source:
            async for page in source:
                self._full = self._gathering.add(page)
                self._changed.set()
                if self._full:
                    self._taken.clear()
                    await self._taken.wait()


async def each_of(
    pages: Iterable[PageLike] | AsyncIterable[PageLike],
) -> AsyncGenerator[PageLike, None]:
    """The pages of either kind of source."""
    if isinstance(pages, AsyncIterable):
        async for page in pages:
            yield page
    else:
        for page in pages:
            yield page
