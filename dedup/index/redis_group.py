"""Some pages of a batch that the client decides alone: what it read, its verdicts, what it writes.

Arrays and bytes; neither commands nor replies. `redis_transactions.py` asks and sends.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dedup import kernel
from dedup.index import redis_layout as layout
from dedup.index.redis_batch import Batch, Known, PageState, Pending, Settled
from dedup.index.redis_bodies import HEAD_BYTES
from dedup.index.redis_buckets import Buckets, Changes, Held
from dedup.index.redis_counts import NEVER, Counted
from dedup.index.redis_layout import (
    CHUNK_ROOM,
    IDS_PER_KEY,
    NO_ENTRIES,
    REPEAT_ENTRY,
    Entries,
    Names,
)
from dedup.index.redis_verify import decide
from dedup.index.redis_wire import Packed, Word, Words, command, join_values, pack_words

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
        operation: what changed the index last.
    """

    parity: int
    began: int
    chunks: int
    buckets: Buckets
    old_buckets: Buckets
    pages: int
    originals: int
    repeats: int
    operation: bytes | None

    @staticmethod
    def fields() -> list[str]:
        """What is to be read."""
        totals = [f"{name}{at}" for at in (0, 1) for name in _TOTALS]
        return ["generation", "began", "chunks", *totals, "operation"]

    @classmethod
    def read(cls, values: Sequence[bytes | None]) -> Head | None:
        """From the values of these fields; None: there is no index."""
        if values[0] is None:
            return None
        generation, began, chunks, *totals = [int(value or 0) for value in values[:-1]]
        both = totals[: len(_TOTALS)], totals[len(_TOTALS) :]
        parity = generation % 2
        now, before = both[parity], both[1 - parity]
        buckets, old_buckets = Buckets(*now[:3]), Buckets(*before[:3])
        pages, originals, repeats = now[3:]
        return cls(
            parity, began, chunks, buckets, old_buckets, pages, originals, repeats, values[-1]
        )

    def has_buckets_of(self, other: Head) -> bool:
        """Whether keys are in the same buckets."""
        mine = self.parity, self.buckets[:2], self.old_buckets[:2]
        return mine == (other.parity, other.buckets[:2], other.old_buckets[:2])

    def changes(self) -> list[Word]:
        """Fields and values to write."""
        totals = (*self.buckets, self.pages, self.originals, self.repeats)
        words: list[Word] = ["chunks", self.chunks, "operation", self.operation or b""]
        for name, total in zip(_TOTALS, totals, strict=True):
            words += [f"{name}{self.parity}", total]
        return words


class Group:
    """Some pages of a batch, and what was read for them."""

    def __init__(self, batch: Batch, pages: range, head: Head, before: int = 0) -> None:
        """To be read under this head, or under one with up to so many postings more."""
        self.batch, self.pages, self.head = batch, pages, head
        self.rows = batch.rows(pages)
        self.place_of = {row: at for at, row in enumerate(self.rows.tolist())}
        self.keys, counts = batch.fields_of(pages)
        self.firsts = np.zeros(len(counts) + 1, dtype=np.int64)
        np.cumsum(counts, out=self.firsts[1:])
        self.owners = np.repeat(np.arange(len(self.rows)), counts)
        """Of each posting, the place of its block in `rows`."""
        self.held = Held(head.buckets, self.keys, growing=True, more=before)
        self.old = Held(head.old_buckets, self.keys, growing=False) if batch.call.expire else None
        """What the generation before has, where originals expire."""
        self.counts = np.zeros(0, dtype=np.uint8)
        self.ids = np.zeros((0, IDS_PER_KEY), dtype=np.uint32)
        self.earlier = np.zeros(0, dtype=np.int64)
        self.known_pages: dict[int, Entries] = {}
        """The pages that the index has, with what it has of them."""
        self.candidates: list[int] = []
        """All originals under the keys, and those that known pages repeat, ascending."""
        self.decisions: list[Settled] = []
        """Of the blocks that may repeat something."""
        self._states: dict[int, PageState] = {}
        self._chunks: Mapping[int, bytes] = {}
        self._bodies, self._spans = b"", np.zeros((0, 2), dtype=np.int64)
        """Chunks with the candidates, back to back, and where in them each body is."""
        self._offsets: dict[int, int] = {}
        """Where each chunk starts."""
        self._counts: dict[int, tuple[int, int, int]] = {}

    def follow(self, outcome: Outcome) -> None:
        """Bring head and buckets up to date with a transaction about other pages."""
        self.head = outcome.head
        self.held.follow(outcome.buckets)

    def take_pages(self, values: Sequence[bytes | None]) -> None:
        """Take what the index has of each page."""
        for page, value in zip(self.pages, values, strict=True):
            if value is not None:
                self.known_pages[page] = layout.read_entries(value)

    def find(self) -> list[int]:
        """Look for the keys in the buckets; the originals to be read, ascending."""
        self.counts, self.ids, self.earlier = self.held.find()
        # No original has the number 0.
        found = {*self.ids[self.counts > 0].ravel().tolist()} - {0}
        for entries in self.known_pages.values():
            found.update(entries.repeated)
        self.candidates = sorted(found)
        return self.candidates

    def is_old(self, buckets: list[bytes | None]) -> bool:
        """Whether the generation before has an original under a key of a block."""
        if self.old is None:
            return False
        self.old.take(buckets)
        counts, _, _ = self.old.find()
        return bool(counts.any())

    def learn(self, chunks: Mapping[int, bytes], counts: Sequence[bytes | None]) -> bool:
        """Take note of the candidates. False: one of them is not there as it should be."""
        data, bounds = join_values([*chunks.values()])
        numbers = np.array(list(chunks), dtype=np.int64)
        originals = np.array(self.candidates, dtype=np.int64)
        spans = np.empty((len(originals), 2), dtype=np.int64)
        kernel.locate_bodies(data, bounds, numbers, originals, CHUNK_ROOM, spans)
        is_there = spans[:, 1] - spans[:, 0] >= HEAD_BYTES
        if not is_there.all():
            if np.isin(originals[~is_there], self.ids).any():
                return False
            self.candidates = originals[is_there].tolist()
        self._spans = spans[is_there]
        for original, value in zip(originals.tolist(), counts, strict=True):
            if value:
                self._counts[original] = layout.COUNTS.unpack(value)
        self._chunks, self._bodies = chunks, data
        self._offsets = dict(zip(chunks, bounds.tolist(), strict=False))
        return True

    def _known(self, numbers: Iterable[int]) -> dict[int, Known]:
        """Candidates, taken apart."""
        spans, found = self._spans.tolist(), dict[int, Known]()
        for number in numbers:
            page, first, last_met = layout.read_lead(self._chunks[number // CHUNK_ROOM])
            seen, pages, last = self._counts.get(number, NEVER)
            start, stop = spans[bisect_left(self.candidates, number)]
            body = self.batch.bodies.read(self._bodies[start:stop])
            found[number] = Known(number, first, max(last_met, last), seen, pages, page, body)
        return found

    # ---- verdicts --------------------------------------------------------------------------------

    def decide(self, *, look: bool = False) -> int | None:
        """Decide on the blocks that may repeat something; the others are new.

        To `look` is to ask what would be found, whatever was before. A number: a page of which an
        original is no longer there, the first such one.
        """
        batch = self.batch
        is_open, exact = self._screen()
        pending = []
        places = np.flatnonzero(is_open)
        rows = self.rows[places]
        columns = (places, rows, batch.page_of[rows], exact[places])
        for at, row, page, equal in zip(*(column.tolist() for column in columns), strict=True):
            block = Pending(row, page, [], equal or None)
            if not equal:
                postings = range(self.firsts[at], self.firsts[at + 1])
                block.candidates = [self.ids[i, : self.counts[i]].tolist() for i in postings]
            pending.append(block)
        self._states = {
            page: PageState(page, NO_ENTRIES, is_known=False, is_written=True)
            for page in {block.page for block in pending} - self.known_pages.keys()
        }
        for page, entries in self.known_pages.items():
            self._states[page] = PageState(page, entries, is_known=True, is_written=look)
            if look:
                self._states[page].before.clear()
        # Once each: what every page has is a candidate of many blocks.
        numbers = {number for block in pending for some in block.candidates for number in some}
        numbers |= {block.exact for block in pending if block.exact is not None}
        batch.originals |= self._known(numbers)
        self.decisions = decide(batch, pending, self._states)
        lose = (page for page, each in self._states.items() if each.owned_before - each.claimed)
        return min(lose, default=None)

    def _screen(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.uint32]]:
        """Which blocks may repeat something; and the original that has a block's text, or 0."""
        batch, n = self.batch, len(self.rows)
        is_open, exact = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.uint32)
        if not batch.bodies.are_verified:  # all that have a key in common with another
            again = np.flatnonzero(self.earlier >= 0)
            for postings in (self.counts > 0, again, self.earlier[again]):
                is_open[self.owners[postings]] = True
            return is_open, exact
        sketches, compared = batch.sketches, np.zeros(n, dtype=np.uint16)
        kernel.screen_blocks(
            batch.rule,
            sketches.trace_spans,
            sketches.traces,
            sketches.fingerprints,
            self.rows,
            self.firsts,
            self.owners,
            self.counts,
            self.ids,
            self.earlier,
            np.array(self.candidates, dtype=np.uint32),
            self._bodies,
            self._spans[:, 0].copy(),
            batch.bodies.trace_spans(self._bodies, self._spans),
            is_open,
            exact,
            compared,
        )
        batch.candidates[self.rows] = compared
        return is_open, exact

    # ---- what is written -------------------------------------------------------------------------

    def settle(self, operation: bytes) -> Outcome:
        """What follows from the decisions: entries, and everything that is to be written."""
        batch, head = self.batch, self.head
        is_added = np.ones(len(self.rows), dtype=np.bool_)
        for settled in self.decisions:
            is_added[self.place_of[settled.row]] = settled.action == Settled.ADD
        entries, records, chunks = self._new_records(is_added)
        counted = Counted(self._counts, batch.call.now)
        on_page = {
            page: list(some) for page, some in groupby(self.decisions, lambda each: each.page)
        }
        for page in sorted({*on_page, *self.known_pages}):
            if page in self.known_pages:
                counted.withdraw(self._states[page].withdrawals())
            for settled in on_page.get(page, ()):
                if settled.action != Settled.ADD:
                    place = self.place_of[settled.row]
                    entries[place] = self._repeat(settled, entries, counted)
                elif (found := settled.found) is not None:  # an extension
                    if found.id < 0:
                        other = self.decisions[settled.original]
                        found = found._replace(id=int(entries[self.place_of[other.row]]))
                    settled.found = counted.told_now(found)
        chosen = self._choose(is_added)
        buckets = self.held.add(chosen, entries[self.owners[chosen]])
        after = head._replace(
            chunks=chunks,
            buckets=buckets.table,
            pages=head.pages + len(self.pages) - len(self.known_pages),
            originals=head.originals + int(is_added.sum()),
            repeats=head.repeats + counted.more,
            operation=operation,
        )
        values = dict[bytes, bytes]()
        packed, at = entries.astype("<u4").tobytes(), 0
        for page in self.pages:
            size = 4 * batch.judged_on(page)
            values[batch.encoded[page]] = operation + packed[at : at + size]
            at += size
        return Outcome(
            after,
            buckets,
            {
                "records": [records, _pairs(self._seen_again())],
                "counts": [_pairs(counted.counts())],
                "pages": [_pairs(values)],
            },
            counted.zeros(),
            entries,
            counted.told,
        )

    def _repeat(
        self,
        settled: Settled,
        entries: npt.NDArray[np.uint32],
        counted: Counted,
    ) -> int:
        """The entry of a block that is no new original; a repeat is counted."""
        batch, original = self.batch, settled.original
        if settled.action == Settled.OWN:
            return original
        if settled.action == Settled.REPEAT_LOCAL:
            other = self.decisions[original]
            original = int(entries[self.place_of[other.row]])
            batch.originals[original] = batch.local_original(other.row, 0)._replace(id=original)
        counted.count(original, elsewhere=settled.elsewhere)
        return original + REPEAT_ENTRY

    def _seen_again(self) -> dict[int, bytes]:
        """The chunks of records with blocks that are their page's own again."""
        chunks = dict[int, bytearray]()
        for settled in self.decisions:
            if settled.action == Settled.OWN:
                number = settled.original // CHUNK_ROOM
                chunk = chunks.setdefault(number, bytearray(self._chunks[number]))
                place = bisect_left(self.candidates, settled.original)
                start = int(self._spans[place, 0]) - self._offsets[number]
                layout.see_again(chunk, self.batch.call.now, start, self.batch.body(settled.row))
        return {
            number: bytes(chunk)
            for number, chunk in chunks.items()
            if chunk != self._chunks[number]
        }

    def _new_records(
        self, is_added: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.uint32], Words, int]:
        """The ids of new originals, the chunks of records that they are in, the next free chunk."""
        entries = np.zeros(len(self.rows), dtype=np.uint32)
        ids, records = self.batch.pack_records(self.rows[is_added], self.head.chunks)
        entries[is_added] = ids
        return entries, records, self.head.chunks + records.number // 2

    def _choose(self, is_added: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Postings of new originals under keys that hold fewer ids than they may."""
        chosen = np.empty(len(self.keys), dtype=np.int64)
        found = kernel.choose_postings(is_added, self.owners, self.counts, self.earlier, chosen)
        return chosen[:found]

    def take(self, outcome: Outcome) -> None:
        """Fill in the verdicts, now that they hold."""
        batch, counts, now = self.batch, iter(outcome.counts), self.batch.call.now
        entries = outcome.entries.tolist()
        for settled in self.decisions:
            entry = entries[self.place_of[settled.row]]
            if entry >= REPEAT_ENTRY:
                original = batch.originals[entry - REPEAT_ENTRY]
                if original.last_seen != now:
                    batch.originals[original.id] = original._replace(last_seen=now)
            batch.take_settled(settled, entry, counts)


class Outcome(NamedTuple):
    """What a transaction does.

    Attributes:
        head: the head afterwards.
        buckets: the changes of postings.
        written: by part, other fields and their values.
        zeros: originals whose counts are to be removed.
        entries: uint32, of each judged block, as in a page's value.
        counts: of each repeat in order its original's repeats and pages.
    """

    head: Head
    buckets: Changes
    written: dict[str, list[Words]]
    zeros: list[int]
    entries: npt.NDArray[np.uint32]
    counts: list[tuple[int, int]]

    def commands(self, names: Names) -> list[Packed]:
        """The transaction."""
        parity = self.head.parity
        done = [_MULTI]
        for part, words in {"postings": [self.buckets.written], **self.written}.items():
            if any(some.number for some in words):
                done.append(command("HSET", names.of(f"{part}{parity}"), more=words))
        for part, fields in {"postings": self.buckets.removed, "counts": self.zeros}.items():
            if fields:
                done.append(command("HDEL", names.of(f"{part}{parity}"), *fields))
        done.append(command("HSET", names.head, *self.head.changes()))
        return [*done, _EXEC]


def _pairs(values: Mapping[Any, bytes]) -> Words:
    """Fields and their values in turn."""
    return pack_words(word for pair in values.items() for word in pair)
