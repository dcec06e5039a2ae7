"""The blocks of one batch on their way through Redis: what is sent of them, and the verdicts.

Rows are blocks; pages are places in the batch. Everything is packed once, so that what goes into
one call is a slice. Neither commands nor decisions are made here.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dedup import kernel
from dedup.index import redis_layout as layout
from dedup.index.redis_bodies import Bodies, Body, PackedBodies
from dedup.index.redis_layout import (
    CHUNK_ROOM,
    REPEAT_ENTRY,
    Call,
    Entries,
    PageChange,
    PageMode,
)
from dedup.index.redis_wire import WORD_ROOM, Words, join_values
from dedup.kernel.kinds import VerdictKind
from dedup.settings import Settings
from dedup.sketch import Sketches
from dedup.verdict import Verdicts, rule_of

NO_FIELDS = np.zeros(0, dtype=np.uint64)
RECORD_ROOM = 2 * WORD_ROOM + 15
"""Bytes that a record needs beside its body and its page's id, at most."""


@dataclass(slots=True)
class Pending:
    """A block to be decided: the ids under its fingerprint and under each key.

    `exact` is the original that has its text, where that is known; then there are no candidates.
    """

    row: int
    page: int
    candidates: list[list[int]]
    exact: int | None = None


@dataclass(slots=True)
class Settled:
    """A decision on a block, to be committed.

    Attributes:
        number: its place among the decisions of this round.
        row: the block.
        page: its page.
        action: ADD, REPEAT (of `original`), OWN (`original` again), or REPEAT_LOCAL (of the block
            with number `original`, which is added in the same round).
        kind: the verdict.
        similarity: of the block and its original.
        containment: of the block and its original.
        original: an id, or a number.
        elsewhere: the repeat counts its page.
        verified: ids that are known to be no original of the block.
        fields: what the postings are made of that go with it.
        found: the original, for an extension or a lookup.
    """

    ADD, REPEAT, OWN, REPEAT_LOCAL = 0, 1, 2, 3

    number: int
    row: int
    page: int
    action: int = ADD
    kind: int = VerdictKind.NEW
    similarity: float = 0.0
    containment: float = 0.0
    original: int = 0
    elsewhere: bool = False
    verified: list[int] = field(default_factory=list)
    fields: npt.NDArray[np.uint64] = field(default_factory=lambda: NO_FIELDS)
    found: Known | None = None

    @property
    def verdict(self) -> tuple[int, float, float]:
        """Kind, similarity and containment."""
        return self.kind, self.similarity, self.containment


class Known(NamedTuple):
    """An original as it was when a reply described it."""

    id: int
    first_seen: int
    last_seen: int
    seen: int
    pages: int
    page: str
    body: Body


class PageState:
    """What the index has of a page, and what this check does to it."""

    def __init__(
        self, page: int, entries: Entries, *, is_known: bool, is_written: bool = False
    ) -> None:
        self.page = page
        self.operation = entries.operation
        self.is_known = is_known
        self.is_written = is_written
        self.owned_before = set(entries.owned) if is_known else set()
        self._repeated = entries.repeated if is_known else []
        self.before = entries.all if is_known else []
        self.claimed: set[int] = set()
        self.counted: set[tuple[str, int]] = set()
        self.repeats = Counter[int]()

    def repeated_before(self, place: int) -> int | None:
        """The original that the judged block at a place repeated when the page was checked last."""
        entry = self.before[place] if place < len(self.before) else 0
        return entry - REPEAT_ENTRY if entry >= REPEAT_ENTRY else None

    def sees(self, original: int) -> bool:
        """Whether the page's blocks are compared with an original: not with its own yet to come."""
        return original not in self.owned_before or original in self.claimed

    def change(self, name: str, entries: int) -> PageChange:
        """What the next commit does to the page's value."""
        mode = PageMode.KEEP if self.is_written else PageMode.BEGIN
        return PageChange(name, self.operation, mode, entries)

    def withdrawals(self) -> list[tuple[int, int, int]]:
        """What it counted before, to be taken back when it begins anew: id, repeats, pages."""
        if self.is_written:
            return []
        return [
            (original, self._repeated.count(original), original not in self.owned_before)
            for original in sorted(set(self._repeated))
        ]

    def as_of_now(self, original: Known) -> Known:
        """An original with its counts as they are within this check of a page that is known."""
        seen, pages = original.seen, original.pages
        for number, repeats, on_pages in self.withdrawals():
            if number == original.id and seen >= repeats:
                seen, pages = seen - repeats, pages - on_pages
        if self.is_known:
            seen += self.repeats[original.id]
            pages += bool(self.repeats[original.id]) and original.id not in self.owned_before
        return original._replace(seen=seen, pages=pages)

    def written(self, operation: bytes) -> None:
        """The page's value now stands under this operation."""
        self.operation = operation
        self.is_written = True


class Batch:
    """Sketches and page ids as rows to send, and the columns of verdicts to fill."""

    def __init__(
        self,
        sketches: Sketches,
        pages: Sequence[str],
        bounds: npt.NDArray[np.int64],
        now: int,
        settings: Settings,
        bodies: Bodies,
    ) -> None:
        n = len(sketches)
        self.names = list(pages)
        self.encoded = [layout.encode_name(page) for page in pages]
        self._packed_names = join_values([*self.encoded])
        self.rule = rule_of(settings)
        self.bodies = bodies
        self.call = self.call_now(now, settings, bodies)
        self.originals: dict[int, Known] = {}
        self.left_to_scripts: set[int] = set()
        """Pages that the client does not decide alone."""
        self.sketches = sketches
        self._bounds: list[int] = bounds.tolist()
        self.page_of = np.repeat(np.arange(len(pages)), np.diff(bounds))
        tokens = sketches.tokens
        self._judged = (tokens > 0) & (tokens >= settings.min_words)
        # How many judged blocks stand before each row: their differences are entries' places.
        self._before = np.concatenate(([0], np.cumsum(self._judged)))
        self._list_postings()
        self._bodies: PackedBodies | None = None
        self.candidates = np.zeros(n, dtype=np.uint16)
        self._found: dict[int, tuple[float | int, ...]] = {}
        self._numbers: dict[str, int] = {}
        self._texts: dict[int, str] = {}
        self._elsewhere: dict[int, tuple[str, int]] = {}

    @staticmethod
    def call_now(now: int, settings: Settings, bodies: Bodies) -> Call:
        """How the scripts are to be called under these settings."""
        seconds = settings.expire_after
        expire = 0 if seconds is None else int(min(max(1, seconds), 0xFFFFFFFF))
        # Of a and b pairs with s in common: s / (a + b - s) >= t is s >= t / (1 + t) * (a + b).
        near = settings.threshold / (1 + settings.threshold)
        bounds = (near - 1e-9, settings.excerpt_containment - 1e-9, bodies.varied)
        return Call(now, expire, bounds, bodies.are_signed)

    def _list_postings(self) -> None:
        """What postings are made of, for all rows: slices of it follow the rows."""
        sketches, n = self.sketches, len(self.sketches)
        room = sketches.key_count + n
        self._fields, self._field_bounds = np.empty(room, np.uint64), np.empty(n + 1, np.int64)
        kernel.list_postings(
            sketches.fingerprints,
            sketches.keys,
            sketches.key_spans,
            self._judged,
            self._fields,
            self._field_bounds,
        )

    def pack_bodies(self) -> PackedBodies:
        """What is stored of each block; it can be made while a server works."""
        if self._bodies is None:
            positions = np.arange(len(self.sketches)) - np.array(self._bounds)[self.page_of]
            self._bodies = self.bodies.pack(
                self.sketches, self._judged, positions, self._fields, self._field_bounds
            )
        return self._bodies

    def pack_records(
        self, rows: npt.NDArray[np.int64], free: int
    ) -> tuple[npt.NDArray[np.uint32], Words]:
        """Ids of blocks that are new originals, and the chunks of their records to be written.

        Args:
            rows: the blocks, ascending.
            free: the next free chunk.
        """
        bodies, pages = self.pack_bodies(), self.page_of[rows]
        names, name_bounds = self._packed_names
        sizes = bodies.bounds[rows + 1] - bodies.bounds[rows]
        sizes += name_bounds[pages + 1] - name_bounds[pages]
        out = np.empty(int(sizes.sum()) + RECORD_ROOM * len(rows), dtype=np.uint8)
        ids = np.empty(len(rows), dtype=np.uint32)
        size, chunks = kernel.pack_records(
            bodies.data,
            bodies.bounds,
            rows,
            pages,
            names,
            name_bounds,
            self.call.now,
            CHUNK_ROOM,
            free,
            out,
            ids,
        )
        return ids, Words(2 * chunks, out[:size].data)

    # ---- rows ------------------------------------------------------------------------------------

    def rows(self, pages: range) -> npt.NDArray[np.int64]:
        """The judged blocks of these pages, in order."""
        first, last = self._bounds[pages.start], self._bounds[pages.stop]
        return first + np.flatnonzero(self._judged[first:last])

    def judged_on(self, page: int) -> int:
        """How many blocks of a page are judged."""
        return int(self._before[self._bounds[page + 1]] - self._before[self._bounds[page]])

    def postings(self, pages: range) -> int:
        """Postings of all blocks of these pages."""
        first, last = self._bounds[pages.start], self._bounds[pages.stop]
        return int(self._field_bounds[last] - self._field_bounds[first])

    def group_end(self, first: int, most: int) -> int:
        """The end of the longest run of different pages from `first` on that has no more postings.

        One page at least.
        """
        names: set[str] = set()
        for page in range(first, len(self.names)):
            is_full = self.postings(range(first, page + 1)) > most
            if (is_full and page > first) or self.names[page] in names:
                return page
            names.add(self.names[page])
        return len(self.names)

    def rows_that_fit(self, rows: npt.NDArray[np.int64]) -> int:
        """How many of these blocks one call can take: one at least."""
        total = np.cumsum(self._field_bounds[rows + 1] - self._field_bounds[rows])
        return max(1, int(np.searchsorted(total, layout.MOST_POSTINGS, side="right")))

    def place_of(self, row: int) -> int:
        """The place of a judged block among those of its page."""
        return int(self._before[row] - self._before[self._bounds[int(self.page_of[row])]])

    def fields(self, row: int) -> npt.NDArray[np.uint64]:
        """What a block's postings are made of: its fingerprint's low half, and its keys."""
        return self._fields[self._field_bounds[row] : self._field_bounds[row + 1]]

    def fields_of(self, pages: range) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
        """The fields of all judged blocks of these pages, and how many each has."""
        rows = self.rows(pages)
        bounds = self._field_bounds
        first, last = self._bounds[pages.start], self._bounds[pages.stop]
        return self._fields[bounds[first] : bounds[last]].copy(), bounds[rows + 1] - bounds[rows]

    def body(self, row: int) -> bytes:
        """A block's body, as it is stored."""
        return self.pack_bodies().of(row)

    def trace(self, row: int) -> npt.NDArray[np.uint16]:
        """A block's trace."""
        return self.sketches.trace(row)

    def fingerprint(self, row: int) -> int:
        """The low half of a block's fingerprint."""
        return int(self.sketches.fingerprints[row, 0])

    def pack_blocks(self, rows: npt.NDArray[np.int64], pages: Sequence[int]) -> list[bytes]:
        """Check's arguments from the second on: pages, blocks, bodies and postings."""
        names = b"".join(layout.pack_name(self.names[page]) for page in pages)
        if len(rows) == 0:
            return [names, b"", b"", b""]
        bodies = [self.body(row) for row in rows.tolist()]
        heads = np.empty(len(rows), dtype=layout.BLOCK_HEAD)
        heads["page"] = np.searchsorted(np.asarray(pages), self.page_of[rows])
        heads["postings"] = self._field_bounds[rows + 1] - self._field_bounds[rows]
        heads["length"] = list(map(len, bodies))
        postings = layout.pack_fields(np.concatenate([self.fields(row) for row in rows]))
        return [names, heads.tobytes(), b"".join(bodies), postings]

    # ---- answers ---------------------------------------------------------------------------------

    def learn(self, originals: Sequence[bytes]) -> None:
        """Take note of originals that a reply describes."""
        for data in originals:
            facts = layout.read_original(data)
            self.originals[facts.id] = Known(*facts[:-1], self.bodies.read(facts.body))

    def take_entries(
        self, rows: npt.NDArray[np.int64], entries: bytes, counted: bytes
    ) -> npt.NDArray[np.intp]:
        """Take what a script settled by itself; returns the places of undecided blocks."""
        values = np.frombuffer(entries, dtype="<u4")
        repeats = np.flatnonzero(values >= REPEAT_ENTRY)
        counts = struct.iter_unpack("<II", counted)
        for at, (seen, pages) in zip(repeats.tolist(), counts, strict=True):
            found = self.originals[int(values[at]) - REPEAT_ENTRY]
            row = int(rows[at])
            if found.page != self.names[int(self.page_of[row])]:
                self._elsewhere[row] = ("store", found.id)
            self.fill(row, (VerdictKind.EXACT, 1.0, 1.0), found, (seen, pages))
        return np.flatnonzero(values == 0)

    def exact_marks(self, page: int) -> set[tuple[str, int]]:
        """Of a page, the originals elsewhere whose exact repeats are counted already."""
        first, last = self._bounds[page], self._bounds[page + 1]
        return {mark for row, mark in self._elsewhere.items() if first <= row < last}

    def fill(
        self, row: int, verdict: tuple[int, float, float], found: Known, counts: tuple[int, int]
    ) -> None:
        """Write a verdict that names an original, which has these repeats and pages."""
        number = self._numbers.setdefault(found.page, len(self._numbers))
        place = (number, found.body.position, found.first_seen, found.last_seen)
        self._found[row] = verdict + place + counts
        if found.body.text is not None:
            self._texts[row] = found.body.text

    def fill_found(self, settled: Settled) -> None:
        """Write a decision that names an original, if it does."""
        found = settled.found
        if found is not None:
            self.fill(settled.row, settled.verdict, found, (found.seen, found.pages))

    def take_settled(self, settled: Settled, entry: int, counts: Iterator[tuple[int, int]]) -> None:
        """Take a decision that was committed: its entry, and, of a repeat, the next counts."""
        if entry >= REPEAT_ENTRY:
            found = self.originals[entry - REPEAT_ENTRY]
            self.fill(settled.row, settled.verdict, found, next(counts))
            return
        if settled.action == Settled.OWN and settled.original in self.originals:
            self._see_again(settled.original, settled.row)
        told = settled.found
        if told is not None:
            found = self.originals.get(told.id, told)  # it may have another place now
            self.fill(settled.row, settled.verdict, found, (told.seen, told.pages))

    def local_original(self, row: int, seen: int) -> Known:
        """A block of this batch as the original that it is about to be."""
        name = self.names[int(self.page_of[row])]
        now = self.call.now
        return Known(-1, now, now, seen, 1, name, self.bodies.read(self.body(row)))

    def _see_again(self, original: int, row: int) -> None:
        """Take note that a page has its own original again, at a block's place."""
        found = self.originals[original]
        body = found.body._replace(position=row - self._bounds[int(self.page_of[row])])
        self.originals[original] = found._replace(last_seen=self.call.now, body=body)

    def verdicts(self) -> Verdicts:
        """What was found."""
        names = {number: name for name, number in self._numbers.items()}
        n, rows = len(self.sketches), list(self._found)
        kinds = np.where(self._judged, VerdictKind.NEW, VerdictKind.SKIPPED).astype(np.uint8)
        similarity, containment = np.zeros(n), np.zeros(n)
        details = np.zeros((n, 6), dtype=np.uint32)
        if rows:
            found = np.array(list(self._found.values()))  # float64 has all of uint32
            kinds[rows], similarity[rows], containment[rows] = found[:, :3].T
            details[rows] = found[:, 3:]
        return Verdicts(
            kinds,
            similarity,
            containment,
            details,
            names,
            verified=self.bodies.are_verified,
            texts=self._texts,
            candidates=self.candidates,
        )
