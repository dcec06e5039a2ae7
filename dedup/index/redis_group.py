"""Some pages of a batch that the client decides alone: what it read, its verdicts, what it writes.

Arrays and bytes; neither commands nor replies. `redis_watched.py` asks and sends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dedup import kernel
from dedup.index import redis_layout as layout
from dedup.index.redis_batch import Batch, Known, PageState, Pending, Settled
from dedup.index.redis_bodies import HEAD_BYTES
from dedup.index.redis_buckets import Buckets, Held
from dedup.index.redis_layout import CHUNK_ROOM, IDS_PER_KEY, REPEAT_ENTRY, Entries, Names
from dedup.index.redis_verify import FIELD, decide
from dedup.index.redis_wire import Word, Words, command, pack_words
from dedup.kernel.kinds import VerdictKind

_TOTALS = ("bits", "cursor", "postings", "pages", "originals", "repeats")
_MULTI, _EXEC = command("MULTI"), command("EXEC")


class Head(NamedTuple):
    """The head of an index, as far as a check needs it.

    Attributes:
        parity: of the generation that is on.
        began: when it began, in seconds since 1970.
        chunks: the next free one.
        buckets: the table of postings.
        old_buckets: that of the generation before.
        pages: how many this generation has.
        originals: how many.
        repeats: how many of them were counted.
    """

    parity: int
    began: int
    chunks: int
    buckets: Buckets
    old_buckets: Buckets
    pages: int
    originals: int
    repeats: int

    @staticmethod
    def fields() -> list[str]:
        """What is to be read."""
        totals = [f"{name}{at}" for at in (0, 1) for name in _TOTALS]
        return ["generation", "began", "chunks", *totals]

    @classmethod
    def read(cls, values: Sequence[bytes | None]) -> Head | None:
        """From the values of these fields; None: there is no index."""
        if values[0] is None:
            return None
        generation, began, chunks, *totals = [int(value or 0) for value in values]
        both = totals[: len(_TOTALS)], totals[len(_TOTALS) :]
        parity = generation % 2
        now, before = both[parity], both[1 - parity]
        return cls(parity, began, chunks, Buckets(*now[:3]), Buckets(*before[:3]), *now[3:])

    def has_buckets_of(self, other: Head) -> bool:
        """Whether keys are in the same buckets."""
        mine = self.parity, self.buckets[:2], self.old_buckets[:2]
        return mine == (other.parity, other.buckets[:2], other.old_buckets[:2])

    def changes(self) -> list[Word]:
        """Fields and values to write."""
        totals = (*self.buckets, self.pages, self.originals, self.repeats)
        words: list[Word] = ["chunks", self.chunks]
        for name, total in zip(_TOTALS, totals, strict=True):
            words += [f"{name}{self.parity}", total]
        return words


class Stored(NamedTuple):
    """A candidate as it was read: its chunk, its body, its counts."""

    chunk: layout.Chunk
    body: bytes
    seen: int
    pages: int
    last: int


class Group:
    """Some pages of a batch, and what was read for them."""

    def __init__(self, batch: Batch, pages: range, head: Head) -> None:
        self.batch, self.pages, self.head = batch, pages, head
        self.rows = batch.rows(pages)
        self.place_of = {row: at for at, row in enumerate(self.rows.tolist())}
        self.keys, counts = batch.fields_of(pages)
        self.keys &= np.uint64(FIELD)
        self.firsts = np.cumsum(counts) - counts
        self.owners = np.repeat(np.arange(len(self.rows)), counts)
        """Of each posting, the place of its block in `rows`."""
        self.held = Held(head.buckets, self.keys, growing=True)
        self.old = Held(head.old_buckets, self.keys, growing=False) if batch.call.expire else None
        """What the generation before has, where originals expire."""
        self.counts = np.zeros(0, dtype=np.uint8)
        self.ids = np.zeros((0, IDS_PER_KEY), dtype=np.uint32)
        self.repeated_keys = np.zeros(0, dtype=np.int64)
        """Postings whose key there is more than once here: those of a key together, in order."""
        self.candidates = self.candidates_of = np.zeros(0, dtype=np.int64)
        """Candidates, and, by its place in `rows`, the block of each."""
        self.stored: dict[int, Stored] = {}

    def find(self, buckets: Sequence[bytes | None]) -> list[int]:
        """Take the buckets as they were read; the candidates of all blocks, ascending."""
        self.held.take(buckets)
        self.counts, self.ids, earlier = self.held.find()
        again = np.flatnonzero(earlier >= 0)
        if len(again):
            places = np.union1d(again, earlier[again])
            self.repeated_keys = places[np.argsort(self.keys[places], kind="stable")]
        taken = np.flatnonzero(self.counts)
        is_there = np.arange(IDS_PER_KEY) < self.counts[taken, None]
        self.candidates = self.ids[taken][is_there].astype(np.int64)
        self.candidates_of = np.repeat(self.owners[taken], self.counts[taken])
        return sorted(set(self.candidates.tolist()))

    def is_old(self, buckets: Sequence[bytes | None]) -> bool:
        """Whether the generation before has an original under a key of a block."""
        if self.old is None:
            return False
        self.old.take(buckets)
        counts, _, _ = self.old.find()
        return bool(counts.any())

    def learn(
        self,
        candidates: Sequence[int],
        chunks: Mapping[int, layout.Chunk],
        counts: Sequence[bytes | None],
    ) -> bool:
        """Take note of the candidates. False: one of them is not there as it should be."""
        for number, value in zip(candidates, counts, strict=True):
            body = layout.body_in(chunks, number)
            if len(body) < HEAD_BYTES:
                return False
            held = layout.COUNTS.unpack(value) if value else (0, 1, 0)
            self.stored[number] = Stored(chunks[number // CHUNK_ROOM], body, *held)
        return True

    def known(self, number: int) -> Known:
        """A candidate, taken apart."""
        chunk, body, seen, pages, last = self.stored[number]
        times = (chunk.first_seen, max(chunk.last_seen, last))
        return Known(number, *times, seen, pages, chunk.page, self.batch.bodies.read(body))

    # ---- verdicts --------------------------------------------------------------------------------

    def decide(self, operation: bytes) -> list[Settled]:
        """The decisions on blocks that may repeat something; the others are new."""
        batch = self.batch
        is_open, exact = self._may_repeat()
        pending = []
        ids, counts = self.ids.tolist(), self.counts.tolist()
        for at in np.flatnonzero(is_open).tolist():
            row, first = int(self.rows[at]), int(self.firsts[at])
            block = Pending(row, int(batch.page_of[row]), [], exact.get(at))
            if block.exact is None:
                stop = first + len(batch.fields(row))
                block.candidates = [ids[i][: counts[i]] for i in range(first, stop)]
            pending.append(block)
        # Once each: what every page has is a candidate of many blocks.
        numbers = {number for block in pending for some in block.candidates for number in some}
        numbers |= set(exact.values())
        batch.originals |= {number: self.known(number) for number in numbers}
        begun = Entries(operation, [], [], [])
        states = {
            page: PageState(page, begun, is_known=False, is_written=True)
            for page in {block.page for block in pending}
        }
        return decide(batch, pending, states)

    def _may_repeat(self) -> tuple[npt.NDArray[np.bool_], dict[int, int]]:
        """Of each block, whether a candidate or an earlier block here is like it; those, too.

        And the blocks of which a candidate has the text, with the first such candidate.
        """
        batch = self.batch
        exact = self._find_exact()
        is_open = np.zeros(len(self.rows), dtype=np.bool_)
        is_open[list(exact)] = True
        is_other = ~is_open[self.candidates_of]
        own, other = self.candidates_of[is_other], self.candidates[is_other]
        later, earlier, crowded = self._pairs_here()
        is_open[crowded] = True
        if not batch.bodies.are_verified:
            for blocks in (later, earlier, own):
                is_open[blocks] = True
            return is_open, exact
        if len(later):
            prints = batch.sketches.fingerprints[:, 0]
            ours = (batch.sketches.trace_spans, batch.sketches.traces, prints)
            is_like = self._are_alike(later, self.rows[earlier], *ours)
            is_open[later[is_like]] = True
            is_open[earlier[is_like]] = True
        if len(own):
            place = {number: at for at, number in enumerate(self.stored)}
            bodies = [stored.body for stored in self.stored.values()]
            spans, traces = batch.bodies.traces(bodies)
            prints = np.frombuffer(b"".join([body[4:12] for body in bodies]), dtype="<u8")
            pairs = sorted(set(zip(own.tolist(), other.tolist(), strict=True)))
            own = np.array([pair[0] for pair in pairs])
            other = np.array([place[pair[1]] for pair in pairs])
            is_open[own[self._are_alike(own, other, spans, traces, prints)]] = True
        here = {*zip(later.tolist(), earlier.tolist(), strict=True)}
        new = [at for at, one in here if not is_open[one]]  # earlier ones that are new
        places = np.array([*own.tolist(), *new], dtype=np.int64)
        batch.candidates[self.rows] = np.bincount(places, minlength=len(self.rows))
        return is_open, exact

    def _find_exact(self) -> dict[int, int]:
        """The blocks whose text an original has, by their places: the first such original."""
        found = dict[int, int]()
        for at in np.flatnonzero(self.counts[self.firsts]).tolist():
            first = self.firsts[at]
            text = self.batch.body(int(self.rows[at]))[4:12]
            for number in self.ids[first, : self.counts[first]].tolist():
                if self.stored[number].body[4:12] == text:
                    found[at] = number
                    break
        return found

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
        order = self.repeated_keys
        if not len(order):
            return order, order, order
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

    # ---- what is written -------------------------------------------------------------------------

    def settle(self, decisions: Sequence[Settled], operation: bytes) -> Outcome:
        """What follows from decisions: entries, and everything that is to be written."""
        batch, head = self.batch, self.head
        place_of = self.place_of
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
        after = head._replace(
            chunks=chunks,
            buckets=buckets.table,
            pages=head.pages + len(self.pages),
            originals=head.originals + int(is_added.sum()),
            repeats=head.repeats + len(counts),
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
                "counts": _pairs({at: layout.COUNTS.pack(*found) for at, found in counted.items()}),
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
        batch, free = self.batch, self.head.chunks
        rows = self.rows[is_added].tolist()
        pages = batch.page_of[self.rows[is_added]].tolist()
        bodies = [batch.body(row) for row in rows]
        ids: list[int] = []
        records = dict[int, bytes]()
        at = 0
        for page, on_page in groupby(pages):
            name = layout.encode_name(batch.names[page])
            last = at + sum(1 for _ in on_page)
            while at < last:
                some = bodies[at : min(at + CHUNK_ROOM, last)]
                records[free] = layout.pack_chunk(name, batch.call.now, some)
                ids += range(CHUNK_ROOM * free, CHUNK_ROOM * free + len(some))
                at, free = at + len(some), free + 1
        entries = np.zeros(len(self.rows), dtype=np.uint32)
        entries[is_added] = ids
        return entries, records, free

    def _postings_with_room(self, is_added: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
        """Postings of new originals under keys that hold fewer ids than they may."""
        has_room = is_added[self.owners] & (self.counts < IDS_PER_KEY)
        order = self.repeated_keys
        if len(order):
            order = order[has_room[order]]
            keys = self.keys[order]
            is_first = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
            rank = np.arange(len(order)) - np.flatnonzero(is_first)[np.cumsum(is_first) - 1]
            has_room[order[rank + self.counts[order] >= IDS_PER_KEY]] = False
        return np.flatnonzero(has_room)

    def take(self, decisions: Sequence[Settled], outcome: Outcome) -> None:
        """Fill in the verdicts, now that they hold."""
        batch, counts = self.batch, iter(outcome.counts)
        for settled in decisions:
            entry = int(outcome.entries[self.place_of[settled.row]])
            if entry >= REPEAT_ENTRY:
                original = batch.originals[entry - REPEAT_ENTRY]
                batch.originals[original.id] = original._replace(last_seen=batch.call.now)
            batch.take_settled(settled, entry, counts)


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
        done = [_MULTI]
        for part, words in self.written.items():
            if any(each.number for each in words):
                done.append(command("HSET", names.of(f"{part}{parity}"), more=words))
        if self.removed:
            done.append(command("HDEL", names.of(f"postings{parity}"), *self.removed))
        done.append(command("HSET", names.head, *self.head.changes()))
        return [*done, _EXEC]


def _pairs(values: Mapping[Any, bytes]) -> list[Words]:
    """Fields and their values in turn."""
    return [pack_words(word for pair in values.items() for word in pair)]
