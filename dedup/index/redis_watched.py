"""Checks that the client decides alone, between WATCH and EXEC: the quick way.

Plain commands read all that the verdicts on some pages depend on: head, pages, buckets, candidates.
The client decides, and writes everything in one transaction, which the server carries out only if
nobody has changed the index since the head was read, for every change changes the head. So it is as
if nobody else were there, and a server spends a fifth of the time that the scripts take.

A generator without input or output, like `redis_decisions.py`. What it will not do is left to the
scripts: pages that the index knows, originals that expire, very large pages, an index that changes
all the time, a server or a connection that has no transactions.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dedup import kernel
from dedup.index import redis_layout as layout
from dedup.index.redis_batch import Batch, Known, PageState, Pending, Settled
from dedup.index.redis_bodies import HEAD_BYTES
from dedup.index.redis_buckets import IDS_PER_KEY, Buckets, Held
from dedup.index.redis_calls import Steps, Talk
from dedup.index.redis_layout import CHUNK_ROOM, REPEAT_ENTRY, Entries, Names
from dedup.index.redis_verify import FIELD, decide, lay_out
from dedup.index.redis_wire import Word, Words, command, pack_numbers, pack_words
from dedup.kernel.kinds import VerdictKind

MOST_TRIES = 6
"""How often a transaction is tried, before the scripts take its pages: they cannot be disturbed."""
LONGEST_REST = 64
"""Groups of pages that go by the scripts after a transaction was given up, at most."""
LARGEST_PAGE = 10_000
"""Postings of a page; a larger one goes by the scripts, in parts."""
MOST_CHUNKS = 33_000_000
"""As in lua/_records.lua."""

_TOTALS = ("bits", "cursor", "postings", "pages", "originals", "repeats")
_COUNTS = struct.Struct("<III")


class Head(NamedTuple):
    """The head of an index, as far as a check needs it.

    Attributes:
        parity: of the generation that is on.
        chunks: the next free one.
        buckets: the table of postings.
        pages: how many this generation has.
        originals: how many.
        repeats: how many of them were counted.
    """

    parity: int
    chunks: int
    buckets: Buckets
    pages: int
    originals: int
    repeats: int

    @staticmethod
    def fields() -> list[str]:
        """What is to be read."""
        return ["generation", "chunks", *(f"{name}{at}" for at in (0, 1) for name in _TOTALS)]

    @classmethod
    def read(cls, values: Sequence[bytes | None]) -> Head | None:
        """From the values of these fields; None: there is no index."""
        if values[0] is None:
            return None
        generation, chunks, *totals = [int(value or 0) for value in values]
        parity = generation % 2
        bits, cursor, postings, *others = totals[len(_TOTALS) * parity :][: len(_TOTALS)]
        return cls(parity, chunks, Buckets(bits, cursor, postings), *others)

    def changes(self) -> list[Word]:
        """Fields and values to write."""
        totals = (*self.buckets, self.pages, self.originals, self.repeats)
        words: list[Word] = ["chunks", self.chunks]
        for name, total in zip(_TOTALS, totals, strict=True):
            words += [f"{name}{self.parity}", total]
        return words


class Stored(NamedTuple):
    """A candidate as it was read: its chunk, its body, its counts."""

    chunk: bytes
    body: bytes
    seen: int
    pages: int
    last: int


class Group:
    """Some pages of a batch, and what was read for them."""

    def __init__(self, batch: Batch, pages: range, head: Head) -> None:
        self.batch, self.pages, self.head = batch, pages, head
        self.rows = batch.rows(pages)
        self.keys, counts = batch.fields_of(pages)
        self.keys &= np.uint64(FIELD)
        self.firsts = np.cumsum(counts) - counts
        self.owners = np.repeat(np.arange(len(self.rows)), counts)
        """Of each posting, the place of its block in `rows`."""
        self.held = Held(head.buckets, self.keys)
        self.counts = np.zeros(0, dtype=np.uint8)
        self.ids = np.zeros((0, IDS_PER_KEY), dtype=np.uint32)
        self.earlier = np.zeros(0, dtype=np.int64)
        self.stored: dict[int, Stored] = {}

    def find(self) -> npt.NDArray[np.uint32]:
        """The candidates of all blocks, ascending, once the buckets are there."""
        self.counts, self.ids, self.earlier = self.held.find()
        return np.unique(self.ids[np.arange(IDS_PER_KEY) < self.counts[:, None]])

    def learn(
        self, candidates: Sequence[int], chunks: dict[int, bytes], counts: Sequence[bytes | None]
    ) -> bool:
        """Take note of the candidates. False: one of them is not there as it should be."""
        for number, value in zip(candidates, counts, strict=True):
            at, place = divmod(number, CHUNK_ROOM)
            body = layout.read_body(chunks[at], place) if at in chunks else b""
            if len(body) < HEAD_BYTES:
                return False
            held = _COUNTS.unpack(value) if value else (0, 1, 0)
            self.stored[number] = Stored(chunks[at], body, *held)
        return True

    def known(self, number: int) -> Known:
        """A candidate, taken apart."""
        chunk, body, seen, pages, last = self.stored[number]
        whole = layout.read_chunk(chunk)
        times = (whole.first_seen, max(whole.last_seen, last))
        return Known(number, *times, seen, pages, whole.page, self.batch.bodies.read(body))

    # ---- verdicts --------------------------------------------------------------------------------

    def decide(self, operation: bytes) -> list[Settled]:
        """The decisions on blocks that may repeat something; the others are new."""
        batch = self.batch
        pending = []
        for at in np.flatnonzero(self._may_repeat()).tolist():
            row, first = int(self.rows[at]), int(self.firsts[at])
            stop = first + len(batch.fields(row))
            candidates = [
                ids[:count]
                for ids, count in zip(
                    self.ids[first:stop].tolist(), self.counts[first:stop].tolist(), strict=True
                )
            ]
            pending.append(Pending(row, int(batch.page_of[row]), candidates))
            for number in {number for ids in candidates for number in ids}:
                batch.originals[number] = self.known(number)
        begun = Entries(operation, [], [], [])
        states = {
            page: PageState(page, begun, is_known=False, is_written=True)
            for page in {block.page for block in pending}
        }
        return decide(batch, pending, states)

    def _may_repeat(self) -> npt.NDArray[np.bool_]:
        """Of each block, whether a candidate or an earlier block here is like it; those, too."""
        batch = self.batch
        is_open = np.zeros(len(self.rows), dtype=np.bool_)
        later, earlier, crowded = self._pairs_here()
        is_open[crowded] = True
        postings, columns = np.nonzero(np.arange(IDS_PER_KEY) < self.counts[:, None])
        own, other = self.owners[postings], self.ids[postings, columns].astype(np.int64)
        if not batch.bodies.are_verified:
            for blocks in (later, earlier, own):
                is_open[blocks] = True
            return is_open
        prints = batch.sketches.fingerprints[:, 0]
        if len(later):
            ours = (batch.sketches.trace_spans, batch.sketches.traces, prints)
            is_like = self._are_alike(later, self.rows[earlier], *ours)
            is_open[later[is_like]] = True
            is_open[earlier[is_like]] = True
        if len(own):
            pairs = np.unique(own << 32 | other)
            own, (numbers, place) = pairs >> 32, np.unique(pairs & 0xFFFFFFFF, return_inverse=True)
            bodies = [self.stored[number].body for number in numbers.tolist()]
            spans, traces = lay_out([batch.bodies.trace(body) for body in bodies])
            prints = np.frombuffer(b"".join([body[4:12] for body in bodies]), dtype="<u8")
            is_open[own[self._are_alike(own, place, spans, traces, prints)]] = True
        return is_open

    def _are_alike(
        self,
        own: npt.NDArray[np.int64],
        other: npt.NDArray[np.int64],
        spans: npt.NDArray[np.int64],
        traces: npt.NDArray[np.uint16],
        prints: npt.NDArray[np.uint64],
    ) -> npt.NDArray[np.bool_]:
        """Of pairs of a block (by its place here) and another text, whether there is a verdict."""
        sketches, blocks = self.batch.sketches, self.rows[own]
        kinds, unused = np.zeros(len(own), dtype=np.uint8), np.zeros((2, len(own)))
        kernel.judge(
            self.batch.rule,
            sketches.trace_spans,
            sketches.traces,
            spans,
            traces,
            blocks,
            other,
            kinds,
            *unused,
        )
        is_exact = sketches.fingerprints[blocks, 0] == prints[other]
        alike: npt.NDArray[np.bool_] = is_exact | (kinds != VerdictKind.NEW)
        return alike

    def _pairs_here(
        self,
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Blocks here that share a key, in pairs: later and earlier ones. And crowded ones.

        Crowded are those with a key that has room for some of them only: who is found there depends
        on who is added. Where it has no room at all, nobody is.
        """
        order = self._repeated_keys()
        order = order[self.counts[order] < IDS_PER_KEY]
        keys, owners = self.keys[order], self.owners[order]
        firsts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[: len(keys)])
        sizes = np.diff(np.append(firsts, len(keys)))
        is_crowded = np.repeat(self.counts[order[firsts]] + sizes > IDS_PER_KEY, sizes)
        later, earlier = [], []
        for distance in range(1, min(IDS_PER_KEY, int(sizes.max(initial=1)))):
            same = np.flatnonzero(keys[distance:] == keys[:-distance])
            later.append(owners[same + distance])
            earlier.append(owners[same])
        nothing = owners[:0]
        pairs = np.concatenate([nothing, *later]), np.concatenate([nothing, *earlier])
        return *pairs, owners[is_crowded]

    def _repeated_keys(self) -> npt.NDArray[np.intp]:
        """Postings whose key there is more than once here: those of a key together, in order."""
        again = np.flatnonzero(self.earlier >= 0)
        places = np.union1d(again, self.earlier[again])
        return places[np.argsort(self.keys[places], kind="stable")]

    # ---- what is written -------------------------------------------------------------------------

    def settle(self, decisions: Sequence[Settled], operation: bytes) -> Outcome:
        """What follows from decisions: entries, and everything that is to be written."""
        batch, head = self.batch, self.head
        place_of = {int(row): at for at, row in enumerate(self.rows.tolist())}
        is_added = np.ones(len(self.rows), dtype=np.bool_)
        for settled in decisions:
            is_added[place_of[settled.row]] = settled.action == Settled.ADD
        entries, records, chunks = self._new_records(is_added)
        counted = dict[int, tuple[int, int, int]]()
        counts: list[tuple[int, int]] = []
        for settled in decisions:
            if settled.action == Settled.ADD:
                continue
            if settled.action == Settled.REPEAT_LOCAL:
                other = decisions[settled.original]
                original = int(entries[place_of[other.row]])
                batch.originals[original] = batch.local_original(other.row, 0)._replace(id=original)
            else:
                original = settled.original
            seen, pages = 0, 1
            if original in counted:
                seen, pages, _ = counted[original]
            elif original in self.stored:
                seen, pages = self.stored[original].seen, self.stored[original].pages
            counted[original] = (seen + 1, pages + settled.elsewhere, batch.call.now)
            counts.append(counted[original][:2])
            entries[place_of[settled.row]] = original + REPEAT_ENTRY
        chosen = self._postings_with_room(is_added)
        buckets = self.held.add(chosen, entries[self.owners[chosen]])
        after = Head(
            head.parity,
            chunks,
            buckets.table,
            head.pages + len(self.pages),
            head.originals + int(is_added.sum()),
            head.repeats + len(counts),
        )
        values = dict[bytes, bytes]()
        packed, at = entries.astype("<u4").tobytes(), 0
        for page in self.pages:
            size = 4 * batch.judged_on(page)
            values[layout.encode_name(batch.names[page])] = operation + packed[at : at + size]
            at += size
        return Outcome(
            after,
            {
                "postings": buckets.written,
                "records": _pairs(records),
                "counts": _pairs({at: _COUNTS.pack(*found) for at, found in counted.items()}),
                "pages": _pairs(values),
            },
            buckets.removed,
            entries,
            counts,
        )

    def _new_records(
        self, is_added: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.uint32], dict[int, bytes], int]:
        """The ids of new originals, the chunks of records that they are in, the next free chunk."""
        batch = self.batch
        rows = self.rows[is_added]
        pages = batch.page_of[rows]
        _, firsts, sizes = np.unique(pages, return_index=True, return_counts=True)
        rank = np.arange(len(rows)) - np.repeat(firsts, sizes)
        chunks_of_page = -(-sizes // CHUNK_ROOM)
        first_chunk = self.head.chunks + np.cumsum(chunks_of_page) - chunks_of_page
        chunk = np.repeat(first_chunk, sizes) + rank // CHUNK_ROOM
        entries = np.zeros(len(self.rows), dtype=np.uint32)
        entries[is_added] = CHUNK_ROOM * chunk + rank % CHUNK_ROOM
        records = dict[int, bytes]()
        numbers, starts = np.unique(chunk, return_index=True)
        bounds = [*starts.tolist(), len(rows)]
        bodies, of_page = batch.bodies_of(rows.tolist()), pages[starts].tolist()
        names = {page: layout.encode_name(batch.names[page]) for page in set(of_page)}
        for at, number in enumerate(numbers.tolist()):
            some = bodies[bounds[at] : bounds[at + 1]]
            records[number] = layout.pack_chunk(names[of_page[at]], batch.call.now, some)
        return entries, records, self.head.chunks + int(chunks_of_page.sum())

    def _postings_with_room(self, is_added: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
        """Postings of new originals under keys that hold fewer ids than they may."""
        has_room = is_added[self.owners] & (self.counts < IDS_PER_KEY)
        order = self._repeated_keys()
        order = order[has_room[order]]
        keys = self.keys[order]
        is_first = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
        rank = np.arange(len(order)) - np.flatnonzero(is_first)[np.cumsum(is_first) - 1]
        has_room[order[rank + self.counts[order] >= IDS_PER_KEY]] = False
        return np.flatnonzero(has_room)


class Outcome(NamedTuple):
    """What a transaction does.

    Attributes:
        head: the head afterwards.
        written: by part, fields and their values.
        removed: buckets to remove.
        entries: uint32, of each judged block, as in a page's value.
        counts: of each repeat in order its original's repeats and pages.
    """

    head: Head
    written: dict[str, list[Words]]
    removed: list[int]
    entries: npt.NDArray[np.uint32]
    counts: list[tuple[int, int]]

    def commands(self, names: Names) -> list[bytes]:
        """The transaction."""
        parity = self.head.parity
        done = [command("MULTI")]
        for part, words in self.written.items():
            if any(each.count for each in words):
                done.append(command("HSET", names.of(f"{part}{parity}"), more=words))
        if self.removed:
            done.append(command("HDEL", names.of(f"postings{parity}"), *self.removed))
        done.append(command("HSET", names.head, *self.head.changes()))
        return [*done, command("EXEC")]


def _pairs(values: Mapping[Any, bytes]) -> list[Words]:
    """Fields and their values in turn."""
    return [pack_words(word for pair in values.items() for word in pair)]


class Watched:
    """The quick way into one index."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._head: Head | None = None
        self._resting = self._last_rest = 0

    def check(self, batch: Batch, first: int) -> Steps[int]:
        """Check pages from `first` on. Returns the end of what was done: `first` where nothing was."""
        if self._resting or batch.call.expire:
            self._resting = max(0, self._resting - 1)
            return first
        end = batch.group_end(first, layout.MOST_WATCHED)
        if batch.postings(range(first, end)) > max(layout.MOST_WATCHED, LARGEST_PAGE):
            return first
        for _ in range(MOST_TRIES):
            group = yield from self._read(batch, range(first, end))
            if group is None:
                break
            end = group.pages.stop
            operation = os.urandom(8)
            decisions = group.decide(operation)
            outcome = group.settle(decisions, operation)
            replies = yield Talk(outcome.commands(self._names))
            if replies is None or isinstance(replies[-1], Exception):
                break
            if replies[-1] is not None:
                self._head, self._last_rest = outcome.head, 0
                _take(batch, group, decisions, outcome)
                return end
            self._head = None
        self._last_rest = min(LONGEST_REST, 2 * self._last_rest + 1)
        self._resting = self._last_rest
        return first

    def _read(self, batch: Batch, pages: range) -> Steps[Group | None]:
        """Watch the head and read what the verdicts depend on; None: this is for the scripts."""
        names = self._names
        for _ in range(MOST_TRIES):
            head = self._head
            commands = [
                command("UNWATCH"),
                command("WATCH", names.head),
                command("HMGET", names.head, *Head.fields()),
            ]
            group = Group(batch, pages, head) if head else None
            if head and group:
                names_of_pages = [layout.encode_name(batch.names[page]) for page in pages]
                commands += [
                    command("HMGET", names.of(f"pages{head.parity}"), *names_of_pages),
                    command("HLEN", names.of(f"records{head.parity}")),
                    command("HLEN", names.of(f"counts{head.parity}")),
                ]
                if len(group.held.numbers):
                    numbers = [pack_numbers(group.held.numbers)]
                    postings = names.of(f"postings{head.parity}")
                    commands.append(command("HMGET", postings, more=numbers))
            replies = yield Talk(commands)
            if replies is None or any(isinstance(reply, Exception) for reply in replies):
                return None
            now = Head.read(replies[2])
            if now is None or now.chunks >= MOST_CHUNKS:
                return None
            self._head = now
            if not head or not group or (now.parity, now.buckets[:2]) != (head.parity, head.buckets[:2]):
                continue
            known = [at for at, value in enumerate(replies[3]) if value is not None]
            if known:
                return None
            group.head, group.held.table = now, now.buckets
            if len(group.held.numbers):
                group.held.take(replies[6])
            return (yield from self._read_candidates(group))
        return None

    def _read_candidates(self, group: Group) -> Steps[Group | None]:
        candidates = group.find()
        if len(candidates):
            parity = group.head.parity
            numbers = np.unique(candidates // CHUNK_ROOM).tolist()
            ids = candidates.tolist()
            replies = yield Talk(
                [
                    command("HMGET", self._names.of(f"records{parity}"), *numbers),
                    command("HMGET", self._names.of(f"counts{parity}"), *ids),
                ]
            )
            if replies is None or any(isinstance(reply, Exception) for reply in replies):
                return None
            held = zip(numbers, replies[0], strict=True)
            chunks = {number: blob for number, blob in held if blob is not None}
            if not group.learn(ids, chunks, replies[1]):
                return None
        return group


def _take(
    batch: Batch, group: Group, decisions: Sequence[Settled], outcome: Outcome
) -> None:
    """Fill in the verdicts, now that they hold."""
    place_of = {int(row): at for at, row in enumerate(group.rows.tolist())}
    counts = iter(outcome.counts)
    for settled in decisions:
        entry = int(outcome.entries[place_of[settled.row]])
        if entry >= REPEAT_ENTRY:
            original = entry - REPEAT_ENTRY
            now = batch.call.now
            batch.originals[original] = batch.originals[original]._replace(last_seen=now)
        batch.take_settled(settled, entry, counts)
