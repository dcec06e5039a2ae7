"""The blocks of one batch on their way through Redis, and the verdicts on those that it left open.

`decide` is what the memory index does in the kernel, over candidates that a store sent: exact
before near before excerpt, earlier before later, a page's own originals invisible until their block
is met. Neither commands nor replies are made here. Rows are blocks; pages are places in the batch.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from dedup import kernel
from dedup.index import redis_layout as layout
from dedup.index.redis_layout import Entries, Growth, Original, PageChange, PageMode
from dedup.kernel.kinds import VerdictKind
from dedup.settings import Settings
from dedup.sketch import Sketches
from dedup.verdict import Verdicts, rule_of

POSTINGS_PER_KEY = 4
"""Ids that a key holds at most, first come first kept (as in lua/commit.lua)."""


Outcome: TypeAlias = tuple[int, float, float]
"""Kind, similarity and containment of a block and an original."""


@dataclass(slots=True)
class Pending:
    """A block that the scripts left open: the ids under its fingerprint and under each key."""

    row: int
    page: int
    candidates: list[list[int]]


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
        postings: postings to add.
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
    postings: int = 0
    found: Original | None = None


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
        self.claimed: set[int] = set()
        self.counted: set[tuple[str, int]] = set()
        self.chunk = layout.NO_CHUNK

    def sees(self, original: int) -> bool:
        """Whether the page's blocks are compared with an original: not with its own yet to come."""
        return original not in self.owned_before or original in self.claimed

    def change(self, name: str, entries: int) -> PageChange:
        """What the next commit does to the page's value."""
        mode = PageMode.KEEP if self.is_written else PageMode.BEGIN
        return PageChange(name, self.operation, mode, self.chunk, entries)

    def withdrawals(self) -> list[tuple[int, int, int]]:
        """What it counted before, to be taken back when it begins anew: id, repeats, pages."""
        if self.is_written:
            return []
        return [
            (original, self._repeated.count(original), original not in self.owned_before)
            for original in sorted(set(self._repeated))
        ]

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
    ) -> None:
        n = len(sketches)
        self.names = list(pages)
        self.now = now
        self.rule = rule_of(settings)
        self.postings_held = 0
        self.originals: dict[int, Original] = {}
        self._sketches = sketches
        self._bounds: list[int] = bounds.tolist()
        self.page_of = np.repeat(np.arange(len(pages)), np.diff(bounds))
        tokens = sketches.tokens
        self._judged = (tokens > 0) & (tokens >= settings.min_words)
        # The place of each judged block among those of its page: its entry.
        before = np.concatenate(([0], np.cumsum(self._judged)))
        self._places = before[:-1] - before[bounds[self.page_of]]
        self._postings = (sketches.key_spans[:, 1] - sketches.key_spans[:, 0] + 1) * self._judged
        self.kinds = np.where(self._judged, VerdictKind.NEW, VerdictKind.SKIPPED).astype(np.uint8)
        self._similarity, self._containment = np.zeros(n), np.zeros(n)
        self._details = np.zeros((n, 6), dtype=np.uint32)
        self._numbers: dict[str, int] = {}

    # ---- rows ------------------------------------------------------------------------------------

    def rows(self, pages: range) -> list[int]:
        """The judged blocks of these pages, in order."""
        first, last = self._bounds[pages.start], self._bounds[pages.stop]
        return (first + np.flatnonzero(self._judged[first:last])).tolist()

    def judged_on(self, page: int) -> int:
        """How many blocks of a page are judged."""
        first, last = self._bounds[page], self._bounds[page + 1]
        return int(self._judged[first:last].sum())

    def postings(self, pages: range) -> int:
        """Postings of all blocks of these pages."""
        return int(self._postings[self._bounds[pages.start] : self._bounds[pages.stop]].sum())

    @staticmethod
    def most_postings(most_keys: int, growth: Growth) -> int:
        """Postings that one call can take."""
        return most_keys // growth.keys_for(1)

    def group_end(self, first: int, most_keys: int, growth: Growth) -> int:
        """The end of the longest run of different pages from `first` on that fits one call."""
        most, taken = self.most_postings(most_keys, growth), 0
        names: set[str] = set()
        for page in range(first, len(self.names)):
            taken += self.postings(range(page, page + 1))
            if (taken > most and page > first) or self.names[page] in names:
                return page
            names.add(self.names[page])
        return len(self.names)

    def rows_that_fit(self, rows: Sequence[int], most_keys: int, growth: Growth) -> int:
        """How many of these blocks one call can take: one at least."""
        total = np.cumsum(self._postings[list(rows)])
        fitting = np.searchsorted(total, self.most_postings(most_keys, growth), side="right")
        return max(1, int(fitting))

    def place_of(self, row: int) -> int:
        """The place of a judged block among those of its page."""
        return int(self._places[row])

    def row_fields(self, row: int) -> npt.NDArray[np.uint64]:
        """What a block's postings are made of: its fingerprint's low half, and its keys."""
        keys = self._sketches.keys[slice(*self._sketches.key_spans[row])]
        return np.concatenate((self._sketches.fingerprints[row, :1], keys))

    def fields(self, rows: Sequence[int]) -> npt.NDArray[np.uint64]:
        """The same of several blocks, back to back."""
        parts = [self.row_fields(row) for row in rows]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint64)

    def body(self, row: int) -> bytes:
        """A block's record, as it is stored."""
        position = row - self._bounds[int(self.page_of[row])]
        fingerprint = int(self._sketches.fingerprints[row, 0])
        return layout.pack_body(position, fingerprint, self._sketches.trace(row))

    def pack_blocks(self, rows: Sequence[int], pages: Sequence[int]) -> bytes:
        """Check's third argument: `pages` are those of its second."""
        places = {page: at for at, page in enumerate(pages)}
        tokens = self._sketches.tokens
        return b"".join(
            layout.pack_block(
                places[int(self.page_of[row])],
                int(self._postings[row]),
                12 + 2 * int(tokens[row]),
            )
            for row in rows
        )

    # ---- answers ---------------------------------------------------------------------------------

    def learn(self, originals: Sequence[bytes]) -> None:
        """Take note of originals that a reply describes."""
        for data in originals:
            original = layout.read_original(data)
            self.originals[original.id] = original

    def take_answer(self, row: int, answer: bytes, state: PageState) -> list[Pending]:
        """Take what a script says of a block; returns it as pending if it is undecided."""
        if answer[:1] == b"U":
            return [Pending(row, int(self.page_of[row]), layout.read_candidates(answer))]
        original = int.from_bytes(answer[1:5], "little")
        if answer[:1] == b"N":
            state.chunk = original >> 8
        else:
            found = self._counted(answer)
            self._fill(row, VerdictKind.EXACT, 1.0, 1.0, found)
            if found.page != self.names[state.page]:
                state.counted.add(("store", original))
        return []

    def _counted(self, answer: bytes) -> Original:
        """The original that a script counted a repeat of, as it stood then."""
        original, seen, pages = struct.unpack_from("<III", answer, 1)
        return self.originals[original]._replace(seen=seen, pages=pages)

    def take_settled(self, settled: Settled, answer: bytes, states: dict[int, PageState]) -> None:
        """Take a decision that was committed."""
        original = int.from_bytes(answer[1:5], "little")
        if settled.action in (Settled.REPEAT, Settled.REPEAT_LOCAL):
            found: Original | None = self._counted(answer)
        else:
            found = settled.found
            if settled.action == Settled.ADD:
                states[settled.page].chunk = original >> 8
        self.kinds[settled.row] = settled.kind
        if found is not None:
            self._fill(settled.row, settled.kind, settled.similarity, settled.containment, found)

    def answer_lookup(self, settled: Settled) -> None:
        """Take a decision of a lookup, which nothing commits."""
        self.kinds[settled.row] = settled.kind
        if settled.found is not None:
            found = settled.found
            self._fill(settled.row, settled.kind, settled.similarity, settled.containment, found)

    def local_original(self, row: int, seen: int) -> Original:
        """A block of this batch as the original that it is about to be."""
        page = int(self.page_of[row])
        position = row - self._bounds[page]
        fingerprint = int(self._sketches.fingerprints[row, 0])
        trace = self._sketches.trace(row)
        times = (self.now, self.now)
        return Original(-1, *times, seen, 1, self.names[page], position, fingerprint, trace)

    def trace(self, row: int) -> npt.NDArray[np.uint16]:
        """A block's trace."""
        return self._sketches.trace(row)

    def fingerprint(self, row: int) -> int:
        """The low half of a block's fingerprint."""
        return int(self._sketches.fingerprints[row, 0])

    def verdicts(self) -> Verdicts:
        """What was found."""
        names = {number: name for name, number in self._numbers.items()}
        return Verdicts(self.kinds, self._similarity, self._containment, self._details, names)

    def _fill(
        self, row: int, kind: int, similarity: float, containment: float, found: Original
    ) -> None:
        self.kinds[row] = kind
        self._similarity[row], self._containment[row] = similarity, containment
        number = self._numbers.setdefault(found.page, len(self._numbers))
        times = (found.first_seen, found.last_seen)
        self._details[row] = (number, found.position, *times, found.seen, found.pages)


class _Locals:
    """Blocks of a round that are about to be originals, to be found by their postings' fields."""

    def __init__(self) -> None:
        self.settled: list[Settled] = []
        self.seen: dict[int, int] = {}
        self._by_field: dict[int, list[int]] = {}

    def under(self, key: int) -> list[int]:
        """Numbers of the blocks under a field."""
        return self._by_field.get(key, [])

    def add(self, settled: Settled, fields: Sequence[int], stored: Sequence[Sequence[int]]) -> None:
        """Add a block; `stored` are the ids that the store has under each of its fields."""
        for key, ids in zip(fields, stored, strict=True):
            mine = self._by_field.setdefault(key, [])
            if len(ids) + len(mine) < POSTINGS_PER_KEY:
                mine.append(settled.number)
        self.seen[settled.number] = 0


def decide(batch: Batch, pending: Sequence[Pending], states: dict[int, PageState]) -> list[Settled]:
    """The verdicts on blocks that the scripts left open, in order: what to commit of each."""
    local = _Locals()
    stored = _judge_stored(batch, pending)
    for block in sorted(pending, key=lambda block: block.row):
        settled = Settled(len(local.settled), block.row, block.page)
        local.settled.append(settled)
        fields = [int(value) & 0xFFFFFFFFFF for value in batch.row_fields(block.row)]
        state = states[block.page]
        if not _find_exact(batch, block, fields[0], settled, state, local):
            _find_similar(batch, fields, settled, state, local, stored[block.row])
        if settled.action == Settled.ADD:
            settled.verified = sorted({original for ids in block.candidates for original in ids})
            settled.postings = len(fields)
            local.add(settled, fields, block.candidates)
    return local.settled


def _find_exact(
    batch: Batch,
    block: Pending,
    key: int,
    settled: Settled,
    state: PageState,
    local: _Locals,
) -> bool:
    """Settle a block whose text the index, or an earlier block of this round, has."""
    fingerprint, trace = batch.fingerprint(block.row), batch.trace(block.row)
    settled.kind, settled.similarity, settled.containment = VerdictKind.EXACT, 1.0, 1.0
    for number in block.candidates[0] if block.candidates else ():
        original = batch.originals.get(number)
        if original is None or original.fingerprint != fingerprint:
            continue
        if not np.array_equal(original.trace, trace):
            continue
        if not state.sees(number):
            state.claimed.add(number)
            settled.action, settled.original = Settled.OWN, number
            settled.kind, settled.similarity, settled.containment = VerdictKind.NEW, 0.0, 0.0
        else:
            _repeat_stored(batch, settled, state, original)
        return True
    for number in local.under(key):
        other = local.settled[number]
        same = batch.fingerprint(other.row) == fingerprint
        if same and np.array_equal(batch.trace(other.row), trace):
            _repeat_local(batch, settled, state, local, number)
            return True
    settled.kind, settled.similarity, settled.containment = VerdictKind.NEW, 0.0, 0.0
    return False


def _find_similar(
    batch: Batch,
    fields: Sequence[int],
    settled: Settled,
    state: PageState,
    local: _Locals,
    stored: Sequence[tuple[int, Outcome]],
) -> None:
    """Settle a block by the best of its candidates, or as new."""
    best: Outcome = (VerdictKind.NEW, 0.0, 0.0)
    best_stored = best_local = None
    for number, outcome in stored:
        if _is_better(outcome, best) and state.sees(number):
            best, best_stored = outcome, number
    numbers = sorted({number for key in fields for number in local.under(key)})
    for number in numbers:
        outcome = _judge_pair(batch, settled.row, batch.trace(local.settled[number].row))
        if _is_better(outcome, best):
            best, best_stored, best_local = outcome, None, number
    settled.kind, settled.similarity, settled.containment = best
    if best_stored is not None:
        original = batch.originals[best_stored]
        if best[0] == VerdictKind.EXTENSION:
            settled.found = original
        else:
            _repeat_stored(batch, settled, state, original)
    elif best_local is not None:
        if best[0] == VerdictKind.EXTENSION:
            settled.found = batch.local_original(local.settled[best_local].row, 0)
        else:
            _repeat_local(batch, settled, state, local, best_local)


def _is_better(outcome: Outcome, best: Outcome) -> bool:
    """Near before excerpt before extension, then the higher similarity; a tie keeps the earlier."""
    if outcome[0] == VerdictKind.NEW:
        return False
    if best[0] == VerdictKind.NEW or outcome[0] != best[0]:
        return best[0] == VerdictKind.NEW or outcome[0] < best[0]
    return outcome[1] > best[1]


def _repeat_stored(batch: Batch, settled: Settled, state: PageState, original: Original) -> None:
    settled.action, settled.original, settled.found = Settled.REPEAT, original.id, original
    mark = ("store", original.id)
    settled.elsewhere = original.page != batch.names[state.page] and mark not in state.counted
    state.counted.add(mark)


def _repeat_local(
    batch: Batch, settled: Settled, state: PageState, local: _Locals, number: int
) -> None:
    settled.action, settled.original = Settled.REPEAT_LOCAL, number
    local.seen[number] += 1
    other = local.settled[number]
    settled.found = batch.local_original(other.row, local.seen[number])
    mark = ("local", other.row)
    settled.elsewhere = other.page != state.page and mark not in state.counted
    state.counted.add(mark)


def _judge_stored(batch: Batch, pending: Sequence[Pending]) -> dict[int, list[tuple[int, Outcome]]]:
    """The verdicts on each block against every original sent for it, ids ascending."""
    wanted = {
        block.row: sorted(
            {number for ids in block.candidates for number in ids} & batch.originals.keys()
        )
        for block in pending
    }
    ids = sorted({number for numbers in wanted.values() for number in numbers})
    place = {number: at for at, number in enumerate(ids)}
    own = [at for at, numbers in enumerate(wanted.values()) for _ in numbers]
    other = [place[number] for numbers in wanted.values() for number in numbers]
    outcomes = iter(
        _judge(
            batch.rule,
            [batch.trace(row) for row in wanted],
            [batch.originals[number].trace for number in ids],
            own,
            other,
        )
    )
    return {
        row: [(number, next(outcomes)) for number in numbers] for row, numbers in wanted.items()
    }


def _judge_pair(batch: Batch, row: int, trace: npt.NDArray[np.uint16]) -> Outcome:
    """The verdict on a block against one trace."""
    return _judge(batch.rule, [batch.trace(row)], [trace], [0], [0])[0]


def _judge(
    rule: npt.NDArray[np.float64],
    traces: Sequence[npt.NDArray[np.uint16]],
    others: Sequence[npt.NDArray[np.uint16]],
    own: Sequence[int],
    other: Sequence[int],
) -> list[Outcome]:
    """The kernel's verdicts on pairs of a trace and another."""
    n = len(own)
    if n == 0:
        return []
    kinds, similarity, containment = np.zeros(n, np.uint8), np.zeros(n), np.zeros(n)
    kernel.judge(
        rule,
        *_lay_out(traces),
        *_lay_out(others),
        np.array(own, dtype=np.int64),
        np.array(other, dtype=np.int64),
        kinds,
        similarity,
        containment,
    )
    return list(zip(kinds.tolist(), similarity.tolist(), containment.tolist(), strict=True))


def _lay_out(
    traces: Sequence[npt.NDArray[np.uint16]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint16]]:
    """Spans and values of some traces, back to back."""
    lengths = np.array([len(trace) for trace in traces], dtype=np.int64)
    ends = np.cumsum(lengths)
    return np.stack((ends - lengths, ends), axis=1), np.concatenate(traces).astype(np.uint16)
