"""Checks that the client decides alone, between WATCH and EXEC: the quick way.

It is as if nobody else were there, and a server spends a fifth of the time that the scripts take.
Where somebody else was there, this says who tries again, and when (`redis_transactions.py` is the
one try). What it will not do is left to the scripts: pages that lose an original, what touches a
generation that is ending, very large pages, an index that changes all the time, a server or a
connection that has no transactions.

A generator without input or output, like `redis_decisions.py`.
"""

from __future__ import annotations

import random

from dedup.index.redis_batch import Batch
from dedup.index.redis_calls import Steps, Talk
from dedup.index.redis_group import Group, Head
from dedup.index.redis_layout import Names
from dedup.index.redis_transactions import LARGEST_PAGE, Transactions, has_failed
from dedup.index.redis_wire import command

MOST_TRIES = 6
"""How often a transaction is tried, before the scripts take its pages: they cannot be disturbed."""
LONGEST_REST = 64
"""Groups of pages that go by the scripts after a transaction was given up, at most."""
TURN = 0.2
"""Seconds after which a turn is over, whoever has it."""
LONGEST_WAIT = 2.0
"""Seconds after which a client goes on without its turn."""
WAIT = 0.002
"""Seconds between two questions whether it is one's turn: half of this to half as much again."""
QUIET = 16
"""So many transactions in a row without anybody else's, and turns are not taken any more."""


class Watched:
    """The quick way into one index."""

    def __init__(self, names: Names) -> None:
        self._transactions = Transactions(names)
        self._turn = names.of("turn")
        self._resting = self._last_rest = 0
        self._crowded = 0
        """For so many transactions turns are taken."""

    def check(self, batch: Batch, first: int) -> Steps[int]:
        """Check pages from `first` on; the end of what was done, which is `first` for nothing."""
        if self._resting:
            self._resting -= 1
            return first
        tried = self._transactions
        for _ in range(MOST_TRIES):
            pages = tried.next_pages(batch, first)
            if not pages:
                return first
            turn = self._turn if self._crowded and (yield from self._take_turn()) else None
            group = yield from self._decide(batch, pages)
            if turn and not isinstance(group, Group):
                yield Talk([command("DEL", turn)])
            if group is None:
                break
            if isinstance(group, int):
                self._resting = group - 1
                return first
            is_alone = group.head == tried.written
            done = yield from tried.write(group, turn)
            if done.is_refused:
                first = done.end
                break
            if not done.is_disturbed:
                self._crowded = max(0, self._crowded - 1) if is_alone else self._crowded
                self._last_rest = 0
                return done.end
            tried.head, self._crowded = None, QUIET
            if done.end > first:
                return done.end
        self._last_rest = min(LONGEST_REST, 2 * self._last_rest + 1)
        self._resting = self._last_rest - 1
        return first

    def look(self, batch: Batch, page: int) -> Steps[bool]:
        """Judge a page and change nothing. False: it is for the scripts."""
        if batch.postings(range(page, page + 1)) > LARGEST_PAGE:
            return False
        group = yield from self._transactions.read(batch, range(page, page + 1))
        if not isinstance(group, Group):
            return False
        group.decide(look=True)
        for settled in group.decisions:
            batch.fill_found(settled)
        return True

    def _decide(self, batch: Batch, pages: range) -> Steps[Group | int | None]:
        """Read what the verdicts on pages depend on, and decide; on fewer, where one is left out.

        A number: so many groups of pages are for the scripts. None: it cannot be done, or not now.
        """
        while pages:
            group = yield from self._transactions.read(batch, pages)
            if not isinstance(group, Group) or self._transactions.decide(group):
                return group
            pages = self._transactions.next_pages(batch, pages.start)
        return 1

    def _take_turn(self) -> Steps[bool]:
        """Wait until nobody else is at it, or not very long; whether it is one's turn.

        Nothing depends on it: it only keeps several clients from undoing each other's work.
        """
        ask = command("SET", self._turn, 1, "NX", "PX", int(1000 * TURN))
        pause = 0.0
        for _ in range(int(LONGEST_WAIT / WAIT)):
            replies = yield Talk([ask, self._transactions.ask_head], pause=pause)
            if has_failed(replies):
                return False
            if replies[0] is not None:
                self._transactions.head = Head.read(replies[1])
                return True
            pause = WAIT * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
        return False
