"""How much the service takes, and when it is too much: limits, the gate, bytes in memory.

Nothing here waits without a bound: what cannot be worked on soon is refused at once, so that those
who were let in are answered in time. Knows nothing of HTTP but the problems it raises.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

from dedup.service.problems import RETRY, Problem


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request, and all of them together, may ask for.

    Attributes:
        body_bytes: bytes of a body, or of a line of JSON Lines.
        pages: pages of a request.
        page_characters: characters (or bytes as fetched) of a page.
        blocks: blocks of a request, before any is judged.
        explain_characters: characters of each text that is to be explained.
        held_bytes: bytes of all bodies that are in memory at once.
        work_bytes: bytes of bodies that are worked on at once (two requests always are): about what
            two batches to the index have, and more would only wait there.
        waiting: requests that wait for that.
        wait_seconds: longest wait that is foretold to a request that is let into the queue.
        body_seconds: longest time in which a body arrives, and longest silence of a stream.
        answer_seconds: longest time for an answer.
        streams: JSON Lines streams open at once.
        namespaces: namespaces in use at once.
        rate: pages a second and key in the long run; None: any number.
    """

    body_bytes: int = 32 << 20
    pages: int = 1000
    page_characters: int = 8 << 20
    blocks: int = 200_000
    explain_characters: int = 100_000
    held_bytes: int = 256 << 20
    work_bytes: int = 1 << 17
    waiting: int = 1000
    wait_seconds: float = 0.15
    body_seconds: float = 30.0
    answer_seconds: float = 60.0
    streams: int = 16
    namespaces: int = 256
    rate: float | None = None


ALWAYS = 2
"""Requests that are worked on at once, whatever their size: one is read while another is judged."""
PATIENCE = 1.5
"""Who was let into the queue waits so many times longer than was foretold at most."""
GROWTH, LEAST_ROOM = 0.1, 0.05
"""How fast more bytes are let to work where there is time: by a tenth each time that so many were
worked on; and the share of `work_bytes` that is left in any case."""
LEARNING = 0.2
"""Weight of the last wait in what is foretold of the next."""


class _Turn(NamedTuple):
    """A request that waits: what lets it in, its bytes, when it came, the bytes before it."""

    turn: asyncio.Future[None]
    cost: int
    since: float
    ahead: int


class Gate:
    """Lets so much work in at once, in the order of arrival; the rest waits a little or is refused.

    How long a request would have to wait is foretold from how long the last ones did, by the bytes
    that were before them: a queue of a fixed length is right for small pages or for large ones.

    Attributes:
        working: requests that are worked on.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._bytes = self._queued = 0
        self._room = float(limits.work_bytes)
        self._shrunk = -math.inf
        self._seconds_a_byte = 0.0
        self._queue: deque[_Turn] = deque()
        self.working = 0

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return len(self._queue)

    def refuse_if_full(self, cost: int = 0) -> None:
        """Refuse at once what would have to wait for too long.

        Args:
            cost: its bytes, where they are known.

        Raises:
            Problem: overloaded.
        """
        if not self._queue:
            return
        foretold = (self._queued + cost) * self._seconds_a_byte
        waited = self._clock() - self._queue[0].since
        if (
            max(foretold, waited) > self._limits.wait_seconds
            or len(self._queue) >= self._limits.waiting
        ):
            raise _overloaded()

    @asynccontextmanager
    async def work(self, cost: int, *, patient: bool = False) -> AsyncIterator[None]:
        """Work of so many bytes, when there is room for it.

        Args:
            cost: bytes.
            patient: wait as long as it takes (a stream, whose sender waits as well).

        Raises:
            Problem: overloaded.
        """
        if not patient:
            self.refuse_if_full(cost)
        if self._queue or not self._fits(cost):
            await self._wait(cost, None if patient else PATIENCE * self._limits.wait_seconds)
        else:
            self._enter(cost)
        since = self._clock()
        try:
            yield
            self._learn_room(cost, since)
        finally:
            self._leave(cost)

    def _fits(self, cost: int) -> bool:
        return self.working < ALWAYS or self._bytes + cost <= self._room

    def _learn_room(self, cost: int, since: float) -> None:
        """Learn from a request that was worked on since then how many bytes may be at work at once.

        As long as the machine is busy, work takes in proportion to what else is worked on. So where
        it took too long, there is to be less by as much; else a little more, if somebody waits.
        """
        if cost * ALWAYS > self._limits.work_bytes:
            return  # it takes its time by itself
        seconds = self._clock() - since
        if seconds <= self._limits.wait_seconds:
            if self._queue:
                self._room = min(self._limits.work_bytes, self._room + GROWTH * cost)
        elif since >= self._shrunk:  # it began after the last change, of which it tells
            share = max(0.5, self._limits.wait_seconds / seconds)
            self._room = max(LEAST_ROOM * self._limits.work_bytes, share * self._room)
            self._shrunk = self._clock()

    def _enter(self, cost: int) -> None:
        self.working += 1
        self._bytes += cost

    def _leave(self, cost: int) -> None:
        self.working -= 1
        self._bytes -= cost
        self._let_in()

    def _let_in(self) -> None:
        """Let those in for whom there is room now, and learn from how long they have waited."""
        while self._queue and self._fits(self._queue[0].cost):
            found = self._queue.popleft()
            self._queued -= found.cost
            if not found.turn.done():
                self._enter(found.cost)
                found.turn.set_result(None)
                seen = (self._clock() - found.since) / max(1, found.ahead + found.cost)
                self._seconds_a_byte += LEARNING * (seen - self._seconds_a_byte)

    async def _wait(self, cost: int, seconds: float | None) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = _Turn(turn, cost, self._clock(), self._queued)
        self._queue.append(place)
        self._queued += cost
        try:
            async with asyncio.timeout(seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # let in, and gone at the same moment
                self._leave(cost)
            elif place in self._queue:
                self._queue.remove(place)
                self._queued -= cost
                self._let_in()
            if isinstance(error, TimeoutError):
                raise _overloaded() from None
            raise


def _overloaded() -> Problem:
    return Problem("overloaded", "the service has more to do than it can: try again later", RETRY)


class Budget:
    """Bytes of all bodies in memory.

    Attributes:
        held: bytes that are in memory now.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0

    def take(self, count: int) -> None:
        """Take so many bytes more.

        Raises:
            Problem: overloaded: there are too many in memory.
        """
        if self.held + count > self._most:
            raise _overloaded()
        self.held += count

    def give_back(self, count: int) -> None:
        """Give bytes back."""
        self.held -= count
