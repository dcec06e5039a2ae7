"""Concurrent requests joined into batches for one index.

An index does a batch of pages in little more time than one page, and one batch after another. So
what arrives while it works waits and goes together next. Two batches are on their way at once: one
is made ready while the index works on the other. Knows nothing of indexes or HTTP.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from dedup.errors import DedupError
from dedup.model import Page
from dedup.report import Report

LANES = 2
BATCH_PAGES, BATCH_CHARACTERS = 256, 1 << 20
"""A batch takes no further request from whichever comes first."""

Check = Callable[[Sequence[Page]], Awaitable[list[Report]]]
"""Judges pages in one go: a report for each, in order."""


class _Waiting(NamedTuple):
    pages: Sequence[Page]
    reports: asyncio.Future[list[Report]]


class Batcher:
    """Joins calls that are made while earlier ones are under way."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._queue: deque[_Waiting] = deque()
        self._lanes: set[asyncio.Task[None]] = set()

    async def check(self, pages: Sequence[Page]) -> list[Report]:
        """The reports on these pages.

        Whoever is cancelled while waiting in the queue takes the pages with him; after that they
        are checked.

        Raises:
            DedupError: what the batch's check raised; checking again is safe.
        """
        waiting = _Waiting(pages, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if len(self._lanes) < LANES:
            lane = asyncio.create_task(self._run())
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        return await waiting.reports

    async def close(self) -> None:
        """Wait for all that is under way."""
        await asyncio.gather(*self._lanes)

    async def _run(self) -> None:
        while batch := self._next():
            try:
                await self._judge(batch)
            except Exception as error:  # noqa: BLE001 - whoever asked gets it
                if len(batch) == 1 or isinstance(error, DedupError):
                    _fail(batch, error)
                    continue
                # A bug that one request meets is not the others' business: each alone.
                for waiting in batch:
                    try:
                        await self._judge([waiting])
                    except Exception as own:  # noqa: BLE001 - same
                        _fail([waiting], own)

    def _next(self) -> list[_Waiting]:
        """The next requests that go together."""
        batch: list[_Waiting] = []
        pages = characters = 0
        while self._queue and pages < BATCH_PAGES and characters < BATCH_CHARACTERS:
            waiting = self._queue.popleft()
            if not waiting.reports.done():
                batch.append(waiting)
                pages += len(waiting.pages)
                characters += sum(len(page.content) for page in waiting.pages)
        return batch

    async def _judge(self, batch: Sequence[_Waiting]) -> None:
        reports = await self._check([page for waiting in batch for page in waiting.pages])
        at = 0
        for waiting in batch:
            count = len(waiting.pages)
            if not waiting.reports.done():
                waiting.reports.set_result(reports[at : at + count])
            at += count


def _fail(batch: Sequence[_Waiting], error: Exception) -> None:
    for waiting in batch:
        if not waiting.reports.done():
            waiting.reports.set_exception(error)
