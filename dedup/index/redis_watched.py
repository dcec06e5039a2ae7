"""Checks that the client decides alone, between WATCH and EXEC: the quick way.

Plain commands read all that the verdicts on some pages depend on: head, pages, buckets, candidates.
The client decides, and writes everything in one transaction, which the server carries out only if
nobody has changed the index since the head was read, for every change changes the head. So it is as
if nobody else were there, and a server spends a fifth of the time that the scripts take.

A generator without input or output, like `redis_decisions.py`. What it will not do is left to the
scripts: pages that lose an original, what touches a generation that is ending, very large pages, an
index that changes all the time, a server or a connection that has no transactions.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from dedup.index import redis_layout as layout
from dedup.index.redis_batch import Batch
from dedup.index.redis_buckets import Held
from dedup.index.redis_calls import Command, Steps, Talk
from dedup.index.redis_group import Group, Head, Outcome
from dedup.index.redis_layout import CHUNK_ROOM, Names
from dedup.index.redis_wire import command, pack_numbers

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
"""So many groups in a row without anybody else's writing, and turns are not taken any more."""
_NOT_READ = ("records", "counts")
"""Parts of an index that are written to, perhaps without being read before."""
LARGEST_PAGE = 10_000
"""Postings of a page; a larger one goes by the scripts, in parts."""
MOST_CHUNKS = 33_000_000
"""As in lua/_records.lua."""


class Watched:
    """The quick way into one index."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._begin = [
            command("UNWATCH"),
            command("WATCH", names.head),
            command("HMGET", names.head, *Head.fields()),
        ]
        self._turn = names.of("turn")
        self._head: Head | None = None
        self._written: Head | None = None
        self._resting = self._last_rest = 0
        self._crowded = 0
        """For so many groups turns are taken."""

    def check(self, batch: Batch, first: int) -> Steps[int]:
        """Check pages from `first` on; the end of what was done, which is `first` for nothing."""
        if self._resting:
            self._resting -= 1
            return first
        if first in batch.left_to_scripts:
            return first
        end = batch.group_end(first, layout.MOST_WATCHED)
        if batch.postings(range(first, end)) > max(layout.MOST_WATCHED, LARGEST_PAGE):
            return first
        for _ in range(MOST_TRIES):
            has_turn = bool(self._crowded) and (yield from self._take_turn())
            group = yield from self._decide(batch, range(first, end))
            if has_turn and not isinstance(group, Group):
                yield Talk([command("DEL", self._turn)])
            if group is None:
                break
            if isinstance(group, int):
                self._resting = group - 1
                return first
            operation = os.urandom(8)
            outcome = group.settle(operation)
            is_done = yield from self._write(group, outcome, operation, ends_turn=has_turn)
            if is_done is None:
                break
            if is_done:
                is_alone, self._written = group.head == self._written, outcome.head
                self._crowded = max(0, self._crowded - 1) if is_alone else self._crowded
                self._head, self._last_rest = outcome.head, 0
                group.take(outcome)
                return group.pages.stop
            self._head, self._crowded = None, QUIET
        self._last_rest = min(LONGEST_REST, 2 * self._last_rest + 1)
        self._resting = self._last_rest - 1
        return first

    def look(self, batch: Batch, page: int) -> Steps[bool]:
        """Judge a page and change nothing. False: it is for the scripts."""
        if batch.postings(range(page, page + 1)) > LARGEST_PAGE:
            return False
        group = yield from self._read(batch, range(page, page + 1))
        if not isinstance(group, Group):
            return False
        group.decide(look=True)
        for settled in group.decisions:
            if settled.found is not None:
                batch.fill_settled(settled, settled.found)
        return True

    def _write(
        self, group: Group, outcome: Outcome, operation: bytes, *, ends_turn: bool
    ) -> Steps[bool | None]:
        """Send the transaction. True: it was carried out; False: others came in between."""
        commands = outcome.commands(self._names)
        last = len(commands) - 1
        if ends_turn:
            commands.append(command("DEL", self._turn))
        replies = yield Talk(commands)
        if replies is not None:
            if _is_refused(replies) or _is_refused(replies[last] or ()):
                return None
            return replies[last] is not None
        # The reply was lost: each page's value would tell.
        name = layout.encode_name(group.batch.names[group.pages.start])
        pages = self._names.of(f"pages{group.head.parity}")
        (held,) = yield [Command("", [], ["HGET", pages, name])]
        return True if held is not None and held.startswith(operation) else None

    def _take_turn(self) -> Steps[bool]:
        """Wait until nobody else is at it, or not very long; whether it is one's turn.

        Nothing depends on it: it only keeps several clients from undoing each other's work.
        """
        ask = command("SET", self._turn, 1, "NX", "PX", int(1000 * TURN))
        pause = 0.0
        for _ in range(int(LONGEST_WAIT / WAIT)):
            replies = yield Talk([ask, self._begin[-1]], pause)
            if _is_refused(replies):
                return False
            if replies[0] is not None:
                self._head = Head.read(replies[1])
                return True
            pause = WAIT * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
        return False

    def _decide(self, batch: Batch, pages: range) -> Steps[Group | int | None]:
        """Read what the verdicts depend on, and decide.

        A number: so many groups of pages are for the scripts. None: it cannot be done, or not now.
        """
        while True:
            group = yield from self._read(batch, pages)
            if not isinstance(group, Group):
                return group
            loser = group.decide()
            if loser is None:
                return group
            if loser == pages.start:
                return 1
            # It loses an original, which is for the scripts; the pages before it are not.
            batch.left_to_scripts.add(loser)
            pages = range(pages.start, loser)

    def _read(self, batch: Batch, pages: range) -> Steps[Group | int | None]:
        """Watch the head and read what the verdicts depend on.

        A number: so many groups of pages are for the scripts. None: it cannot be done, or not now.
        """
        for _ in range(MOST_TRIES):
            head = self._head
            group = Group(batch, pages, head) if head else None
            questions = self._questions(group) if group else []
            replies = yield Talk(self._begin + questions, meanwhile=batch.pack_bodies)
            if _is_refused(replies):
                return None
            self._head = now = Head.read(replies[2])
            if now is None or now.chunks >= MOST_CHUNKS:
                return None
            if not head or not group or not now.has_buckets_of(head):
                continue
            if group.old:  # where originals expire, a page that is known goes by the scripts alone
                known = _are_known(replies)
                if any(known) and not known[0]:
                    pages = pages[: known.index(True)]
                    continue
                is_ending = batch.call.now >= now.began + batch.call.expire
                if known[0] or is_ending or group.is_old(replies[6][1:]):
                    return max(1, [*known, False].index(False))
            group.take_pages(replies[3])
            group.head, group.held.table = now, now.buckets
            done = yield from self._read_candidates(group, replies[4][1:])
            return group if done else None
        return None

    def _questions(self, group: Group) -> list[bytes]:
        """What is asked about pages, besides the head."""
        names, parity = self._names, group.head.parity
        ids = [layout.encode_name(group.batch.names[page]) for page in group.pages]
        questions = [
            command("HMGET", names.of(f"pages{parity}"), *ids),
            _ask_buckets(names, parity, group.held),
        ]
        if group.old:
            questions += [
                command("HMGET", names.of(f"pages{1 - parity}"), *ids),
                _ask_buckets(names, 1 - parity, group.old),
            ]
        if self._written is None or self._written.parity != parity:
            # What will be written to must be hashes as well.
            questions += [command("HLEN", names.of(f"{part}{parity}")) for part in _NOT_READ]
        return questions

    def _read_candidates(self, group: Group, buckets: Sequence[bytes | None]) -> Steps[bool]:
        """Read the originals under the keys of the blocks. False: it cannot be done now."""
        candidates = group.find(buckets)
        if candidates:
            parity = group.head.parity
            numbers = sorted({number // CHUNK_ROOM for number in candidates})
            replies = yield Talk(
                [
                    _ask_numbers(self._names.of(f"records{parity}"), numbers),
                    _ask_numbers(self._names.of(f"counts{parity}"), candidates),
                ]
            )
            if _is_refused(replies):
                return False
            held = zip(numbers, replies[0], strict=True)
            chunks = {number: blob for number, blob in held if blob is not None}
            return group.learn(chunks, replies[1])
        return True


def _ask_numbers(key: bytes, numbers: Sequence[int]) -> bytes:
    """Ask a hash for numbered fields."""
    return command("HMGET", key, more=[pack_numbers(np.array(numbers, dtype=np.int64))])


def _ask_buckets(names: Names, parity: int, held: Held) -> bytes:
    """Ask for buckets, and for a field that there is not, so that there is one at least."""
    numbers = [pack_numbers(held.numbers)]
    return command("HMGET", names.of(f"postings{parity}"), "", more=numbers)


def _are_known(replies: Sequence[Any]) -> list[bool]:
    """Of each page, whether the index has it, in one of both generations."""
    return [
        any(value is not None for value in values)
        for values in zip(replies[3], replies[5], strict=True)
    ]


def _is_refused(replies: Sequence[Any] | None) -> bool:
    """Whether there is no connection any more, or a command failed."""
    return replies is None or any(isinstance(reply, Exception) for reply in replies)
