"""Pages that come one by one, from many tasks or from a slow source, to batches.

Nobody waits for a batch to fill. What comes while the batch before is being judged goes together in
the next one, and what comes to an idle deduper goes at once, or within the few milliseconds that
the user allows: so batches grow with the load. Knows nothing of indexes and decides nothing about
pages.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from itertools import islice
from typing import NamedTuple, Self

from dedup.detector import BATCH_PAGES, Batching
from dedup.errors import IndexFailure
from dedup.pages import PageLike
from dedup.report import Report

Judge = Callable[[list[PageLike]], Awaitable[Iterable[Report]]]
"""Gives a report for each page, in order."""


class Batcher:
    """Gathers the checks of many tasks.

    Pages are judged in the order in which they came, in batches of at most so many pages and
    characters as one of `check_many` (a call with more is a batch of its own). A caller waits for
    its own reports alone: one that is cancelled before its turn takes its pages back; after that
    they are judged, and only the reports have no taker. The batcher keeps no page for which nobody
    waits.

    Args:
        judge: judges a batch.
        gather: how long a batch waits for more pages (seconds). 0: not at all.
        lanes: batches under way at once. With two, one is made ready while the index works on the
            other, and their pages may come to the index in any order.
    """

    def __init__(self, judge: Judge, gather: float = 0.0, lanes: int = 1) -> None:
        self._judge = judge
        self._gather = gather
        self._lanes = lanes
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[_Call] = deque()
        self._runners: list[asyncio.Task[None]] = []

    async def check(self, page: PageLike) -> Report:
        """The report on a page; see `check_all`."""
        (report,) = await self.check_all([page])
        return report

    async def check_all(self, pages: Sequence[PageLike]) -> list[Report]:
        """The reports on these pages, which go into one batch.

        Raises:
            IndexFailure: the index failed on the batch; every caller in it is told.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # Whatever waits here belongs to an event loop that has ended.
            self._loop = loop
            self._waiting.clear()
            self._runners.clear()
        self._runners = [runner for runner in self._runners if not runner.done()]
        call = _Call(pages, loop.create_future())
        self._waiting.append(call)
        if len(self._runners) < self._lanes:
            self._runners.append(loop.create_task(self._run()))
        return await call.reports

    async def finish(self) -> None:
        """Wait until every page that came was judged."""
        if self._runners and self._loop is asyncio.get_running_loop():
            await asyncio.wait(self._runners)

    async def _run(self) -> None:
        """Judge batches until nobody waits."""
        batch: list[_Call] = []
        try:
            while self._waiting:
                if self._gather:
                    await asyncio.sleep(self._gather)
                if batch := self._take():
                    await self._settle(batch)
        except BaseException:  # cancelled, as all tasks are when a loop ends: nobody waits for ever
            for call in (*batch, *self._waiting):
                call.reports.cancel()
            raise

    def _take(self) -> list[_Call]:
        """The next calls that go together and for which somebody still waits."""
        limits = Batching(BATCH_PAGES)
        batch: list[_Call] = []
        is_full = False
        while self._waiting and not is_full:
            call = self._waiting.popleft()
            if not call.reports.done():
                batch.append(call)
                for page in call.pages:
                    is_full |= bool(limits.add(page))
        return batch

    async def _settle(self, batch: list[_Call]) -> None:
        """Give every caller of a batch its reports, or the error."""
        try:
            reports = iter(await self._judge([page for call in batch for page in call.pages]))
        except IndexFailure as error:
            for call in batch:
                _refuse(call, error)
        except Exception as error:  # noqa: BLE001 - it is raised where it belongs: by the caller
            if len(batch) == 1:
                _refuse(batch[0], error)
                return
            # One call spoiled the batch. Checking is idempotent, so each is judged by itself.
            for call in batch:
                await self._settle([call])
        else:
            for call in batch:
                own = list(islice(reports, len(call.pages)))
                if not call.reports.done():
                    call.reports.set_result(own)


class _Call(NamedTuple):
    """Pages that somebody wants to be judged, and where he waits for the reports."""

    pages: Sequence[PageLike]
    reports: asyncio.Future[list[Report]]


def _refuse(call: _Call, error: Exception) -> None:
    """Raise the error in the task that waits, if it still does."""
    if not call.reports.done():
        call.reports.set_exception(error)
        call.reports.exception()  # else a task that is cancelled just now leaves a complaint


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
