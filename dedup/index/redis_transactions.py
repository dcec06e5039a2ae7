"""Transactions of the client's own deciding: what is read for them, and what is written by them.

Plain commands read all that the verdicts on some pages depend on: head, pages, buckets, candidates.
The client decides, and writes everything in one transaction, which the server carries out only if
nobody has changed the index since the head was read, for every change changes the head.

Where more pages wait, those behind are read while these are decided, and what was read of them is
brought up to what the transaction about these writes; the server works on one group of pages while
the client works on another:

    client   decide 1       look into 2's buckets       decide 2
    server   read 2         write 1, candidates of 2    read 3           write 2 …

A generator without input or output, like `redis_decisions.py`. It tries once; what becomes of pages
where others came in between is for `redis_watched.py`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dedup.index import redis_layout as layout
from dedup.index.redis_batch import Batch
from dedup.index.redis_buckets import Held
from dedup.index.redis_calls import Command, Steps, Talk
from dedup.index.redis_group import Group, Head, Outcome
from dedup.index.redis_layout import CHUNK_ROOM, Names
from dedup.index.redis_wire import Packed, command, pack_numbers

MOST_READS = 6
"""How often pages are read, where others change the table of postings all the time."""
LARGEST_PAGE = 10_000
"""Postings of a page; a larger one goes by the scripts, in parts."""
MOST_CHUNKS = 33_000_000
"""As in lua/_records.lua."""
_NOT_READ = ("records", "counts")
"""Parts of an index that are written to, perhaps without being read before."""


class Done(NamedTuple):
    """What became of pages that were decided.

    Attributes:
        end: the first page that was not written.
        is_disturbed: others came in between.
        is_refused: it cannot be done.
    """

    end: int
    is_disturbed: bool = False
    is_refused: bool = False


class Transactions:
    """Transactions on one index.

    Attributes:
        head: as it was last seen.
        written: as it was last written here.
    """

    def __init__(self, names: Names) -> None:
        self.head: Head | None = None
        self.written: Head | None = None
        self.ask_head = command("HMGET", names.head, *Head.fields())
        self._watch = [command("WATCH", names.head), self.ask_head]
        self._begin = [command("UNWATCH"), *self._watch]
        self._names = names

    @staticmethod
    def next_pages(batch: Batch, first: int) -> range:
        """The pages from `first` on that go together: none, where the scripts take the next one."""
        if first == len(batch.names):
            return range(first, first)
        pages = range(first, batch.group_end(first, layout.MOST_WATCHED))
        end = min(batch.left_to_scripts.intersection(pages), default=pages.stop)
        is_small = batch.postings(pages) <= max(layout.MOST_WATCHED, LARGEST_PAGE)
        return range(first, end if is_small else first)

    # ---- reading ---------------------------------------------------------------------------------

    def read(self, batch: Batch, pages: range) -> Steps[Group | int | None]:
        """Watch the head and read what the verdicts depend on.

        A number: so many groups of pages are for the scripts. None: it cannot be done, or not now.
        """
        for _ in range(MOST_READS):
            head = self.head
            group = Group(batch, pages, head) if head else None
            questions = self._questions(group) if group else []
            replies = yield Talk(self._begin + questions, meanwhile=batch.pack_bodies)
            if has_failed(replies):
                return None
            self.head = now = Head.read(replies[2])
            if now is None or now.chunks >= MOST_CHUNKS:
                return None
            if not head or not group or not now.has_buckets_of(head):
                continue
            answers = replies[len(self._begin) :]
            if group.old and not _is_fresh(group, now, answers):
                known = _are_known(answers)
                if any(known) and not known[0]:
                    pages = pages[: known.index(True)]
                    continue
                return max(1, [*known, False].index(False))
            group.head, group.held.table = now, now.buckets
            _take(group, answers)
            questions = self._ask_candidates(group)
            replies = (yield Talk(questions)) if questions else []
            return group if _learn(group, replies) else None
        return None

    def _questions(self, group: Group) -> list[Packed]:
        """What is asked about pages, besides the head."""
        names, parity = self._names, group.head.parity
        ids = group.batch.encoded[group.pages.start : group.pages.stop]
        questions = [
            command("HMGET", names.of(f"pages{parity}"), *ids),
            _ask_buckets(names, parity, group.held),
        ]
        if group.old:
            questions += [
                command("HMGET", names.of(f"pages{1 - parity}"), *ids),
                _ask_buckets(names, 1 - parity, group.old),
            ]
        if self.written is None or self.written.parity != parity:
            # What will be written to must be hashes as well.
            questions += [command("HLEN", names.of(f"{part}{parity}")) for part in _NOT_READ]
        return questions

    def _ask_candidates(self, group: Group) -> list[Packed]:
        """Ask for the originals under the keys of the blocks, if there are any."""
        candidates = group.find()
        if not candidates:
            return []
        parity = group.head.parity
        chunks = _chunks_of(candidates)
        return [
            _ask_numbers(self._names.of(f"records{parity}"), chunks),
            _ask_numbers(self._names.of(f"counts{parity}"), candidates),
        ]

    # ---- writing ---------------------------------------------------------------------------------

    def write(self, group: Group, turn: bytes | None) -> Steps[Done]:
        """Write what was decided on some pages, and go on with those behind while all goes well.

        Args:
            group: the pages.
            turn: the key of a turn, which ends with them: then nothing is begun behind them.
        """
        behind = None if turn else self._behind(group)
        if behind and (yield Talk(behind.questions, reads=0)) is None:
            return Done(group.pages.start, is_refused=True)
        while behind:
            outcome = group.settle(os.urandom(8))
            commands = outcome.commands(self._names)
            # What was asked before them is answered before them.
            replies = yield Talk([*commands, *self._watch], reads=len(behind.questions))
            is_read = not has_failed(replies) and _is_fresh(behind.group, outcome.head, replies)
            questions = self._look_into(behind.group, outcome, replies) if is_read else []
            further = self._behind(behind.group) if is_read else None
            replies = replies and (yield Talk(questions))
            done = yield from self._end(group, outcome, replies, len(commands))
            if not is_read or done.end == group.pages.start or replies is None:
                return done
            # Not together with the last questions: a server answers what comes together together.
            if further and (yield Talk(further.questions, reads=0)) is None:
                return done
            if not self._is_decided(behind.group, replies[len(commands) + 1 :]):
                yield Talk([])  # what is still due
                return done
            group, behind = behind.group, further
        outcome = group.settle(os.urandom(8))
        commands = outcome.commands(self._names)
        replies = yield Talk([*commands, command("DEL", turn)] if turn else commands)
        return (yield from self._end(group, outcome, replies, len(commands)))

    def _behind(self, group: Group) -> Behind | None:
        """The pages behind some others, if they can be read before these are written."""
        batch = group.batch
        pages = self.next_pages(batch, group.pages.stop)
        if not pages:
            return None
        names = [batch.names[some.start : some.stop] for some in (group.pages, pages)]
        if not set(names[0]).isdisjoint(names[1]):
            return None
        behind = Group(batch, pages, group.head, before=len(group.keys))
        return Behind(behind, self._questions(behind))

    def _look_into(self, group: Group, outcome: Outcome, answers: Sequence[Any]) -> list[Packed]:
        """Take the answers to questions that were asked before a transaction; what to ask next."""
        _take(group, answers)
        group.follow(outcome)
        return self._ask_candidates(group)

    def _is_decided(self, group: Group, replies: Sequence[Any]) -> bool:
        """Decide on pages, if nobody changed the index since the transaction before them.

        Replies are the head, and what there is of candidates.
        """
        self.head = Head.read(replies[0])
        if self.head != group.head or not _learn(group, replies[1:]):
            return False
        return self.decide(group)

    def decide(self, group: Group) -> bool:
        """Decide on pages that were read. False: one loses an original, and is for the scripts."""
        loser = group.decide()
        if loser is not None:
            group.batch.left_to_scripts.add(loser)
        return loser is None

    def _end(
        self, group: Group, outcome: Outcome, replies: Sequence[Any] | None, commands: int
    ) -> Steps[Done]:
        """What became of a transaction of so many commands, the first that were replied to.

        Its verdicts hold, if it was carried out.
        """
        if replies is not None:
            given = replies[:commands]
            is_refused = has_failed(given) or has_failed(given[-1] or ())
            is_done = not is_refused and given[-1] is not None
        else:  # the reply was lost: each page's value would tell
            name = group.batch.encoded[group.pages.start]
            pages = self._names.of(f"pages{group.head.parity}")
            (held,) = yield [Command("", [], ["HGET", pages, name])]
            is_done = held is not None and held.startswith(outcome.head.operation)
            is_refused = not is_done
        if not is_done:
            return Done(group.pages.start, is_refused=is_refused, is_disturbed=not is_refused)
        self.head = self.written = outcome.head
        group.take(outcome)
        return Done(group.pages.stop)


class Behind(NamedTuple):
    """Pages that are read while those before them are written, and what is asked about them."""

    group: Group
    questions: list[Packed]


def has_failed(replies: Sequence[Any] | None) -> bool:
    """Whether there is no connection any more, or a command failed."""
    return replies is None or any(isinstance(reply, Exception) for reply in replies)


def _is_fresh(group: Group, head: Head, answers: Sequence[Any]) -> bool:
    """Where originals expire: the generation before has nothing of pages, and this one goes on.

    What is not fresh goes by the scripts.
    """
    if group.old is None:
        return True
    call = group.batch.call
    is_ending = call.now >= head.began + call.expire
    return not (any(_are_known(answers)) or is_ending or group.is_old(answers[3][1:]))


def _take(group: Group, answers: Sequence[Any]) -> None:
    """Take the pages' values and the buckets."""
    group.take_pages(answers[0])
    group.held.take(answers[1][1:])


def _learn(group: Group, replies: Sequence[Any]) -> bool:
    """Take what there is of candidates. False: it is not there as it should be."""
    if not group.candidates:
        return True
    if has_failed(replies):
        return False
    held = zip(_chunks_of(group.candidates), replies[0], strict=True)
    chunks = {number: blob for number, blob in held if blob is not None}
    return group.learn(chunks, replies[1])


def _chunks_of(originals: Sequence[int]) -> list[int]:
    """The chunks that originals are in, ascending."""
    return sorted({number // CHUNK_ROOM for number in originals})


def _ask_numbers(key: bytes, numbers: Sequence[int]) -> Packed:
    """Ask a hash for numbered fields."""
    return command("HMGET", key, more=[pack_numbers(np.array(numbers, dtype=np.int64))])


def _ask_buckets(names: Names, parity: int, held: Held) -> Packed:
    """Ask for buckets, and for a field that there is not, so that there is one at least."""
    numbers = [pack_numbers(held.numbers)]
    return command("HMGET", names.of(f"postings{parity}"), "", more=numbers)


def _are_known(answers: Sequence[Any]) -> list[bool]:
    """Of each page, whether the index has it, in one of both generations."""
    return [
        any(value is not None for value in values)
        for values in zip(answers[0], answers[2], strict=True)
    ]
