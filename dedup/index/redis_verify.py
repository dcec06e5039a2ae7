"""The verdicts on blocks that the scripts left open, over candidates that they sent.

`decide` is what the memory index does in the kernel: exact before near before excerpt, earlier
before later, a page's own originals invisible until their block is met. Neither commands nor
replies are made here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from dedup import kernel
from dedup.index.redis_batch import Batch, Known, PageState, Pending, Settled
from dedup.index.redis_layout import IDS_PER_KEY
from dedup.kernel.kinds import VerdictKind

FIELD = 0xFFFFFFFFFF
"""The bits of a key that a posting's field has."""

Outcome: TypeAlias = tuple[int, float, float]
"""Kind, similarity and containment of a block and an original."""

NOTHING: Outcome = (VerdictKind.NEW, 0.0, 0.0)
EXACT: Outcome = (VerdictKind.EXACT, 1.0, 1.0)
REPEATS = {VerdictKind.NEAR, VerdictKind.EXCERPT}


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
            if len(ids) + len(mine) < IDS_PER_KEY:
                mine.append(settled.number)
        self.seen[settled.number] = 0


def decide(batch: Batch, pending: Sequence[Pending], states: dict[int, PageState]) -> list[Settled]:
    """The verdicts on blocks that the scripts left open, in order: what to commit of each."""
    local = _Locals()
    stored = _judge_stored(batch, [block for block in pending if block.exact is None])
    for block in sorted(pending, key=lambda block: block.row):
        settled = Settled(len(local.settled), block.row, block.page)
        batch.candidates[block.row] = 0
        local.settled.append(settled)
        state = states[block.page]
        if block.exact is not None:
            _take_exact(batch, settled, state, batch.originals[block.exact])
            continue
        fields = [value & FIELD for value in batch.fields(block.row).tolist()]
        if not _find_exact(batch, block, fields[0], settled, state, local):
            _find_similar(batch, fields, settled, state, local, stored[block.row])
        if settled.action == Settled.ADD:
            settled.verified = sorted({original for ids in block.candidates for original in ids})
            settled.fields = batch.fields(block.row)
            local.add(settled, fields, block.candidates)
        elif batch.call.expire and settled.action != Settled.REPEAT_LOCAL:
            # The original may have to move to the generation of now: with all its postings.
            settled.fields = batch.bodies.fields([batch.originals[settled.original].body])[0]
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
    fingerprint = batch.fingerprint(block.row)
    for number in block.candidates[0] if block.candidates else ():
        original = batch.originals.get(number)
        if original is None or original.body.fingerprint != fingerprint:
            continue
        _take_exact(batch, settled, state, original)
        return True
    for number in local.under(key):
        if batch.fingerprint(local.settled[number].row) == fingerprint:
            settled.kind, settled.similarity, settled.containment = EXACT
            _repeat_local(batch, settled, state, local, number)
            return True
    return False


def _take_exact(batch: Batch, settled: Settled, state: PageState, original: Known) -> None:
    """Settle a block by an original that has its text: its page's own one again, or a repeat."""
    if state.sees(original.id):
        settled.kind, settled.similarity, settled.containment = EXACT
        _repeat_stored(batch, settled, state, original)
    else:
        state.claimed.add(original.id)
        settled.action, settled.original = Settled.OWN, original.id


def _find_similar(
    batch: Batch,
    fields: Sequence[int],
    settled: Settled,
    state: PageState,
    local: _Locals,
    stored: Sequence[tuple[int, Outcome]],
) -> None:
    """Settle a block by the best of its candidates, or as new."""
    best = NOTHING
    best_stored = best_local = None
    best_held = False
    before = state.repeated_before(batch.place_of(settled.row))
    for number, outcome in stored:
        # A page that is checked again repeats what it repeated, even where something more similar
        # has come since.
        held = outcome[0] in REPEATS and number == before
        is_first = held == best_held and _is_better(outcome, best)
        if (held > best_held or is_first) and state.sees(number):
            best, best_stored, best_held = outcome, number, held
    shared = Counter(number for key in fields[1:] for number in local.under(key))
    numbers = sorted(shared | Counter(local.under(fields[0])))
    seen = sum(state.sees(number) for number, _ in stored)
    batch.candidates[settled.row] = seen + len(numbers)
    for number in numbers:
        outcome = _judge_local(batch, settled.row, local.settled[number].row, shared[number])
        if not best_held and _is_better(outcome, best):
            best, best_stored, best_local = outcome, None, number
    settled.kind, settled.similarity, settled.containment = best
    if best_stored is not None:
        original = batch.originals[best_stored]
        if best[0] == VerdictKind.EXTENSION:
            settled.found = state.as_of_now(original)
        else:
            _repeat_stored(batch, settled, state, original)
    elif best_local is not None:
        if best[0] == VerdictKind.EXTENSION:
            seen = local.seen[best_local]
            settled.found = batch.local_original(local.settled[best_local].row, seen)
            settled.original = best_local
        else:
            _repeat_local(batch, settled, state, local, best_local)


def _is_better(outcome: Outcome, best: Outcome) -> bool:
    """Near before excerpt before extension, then the higher similarity; a tie keeps the earlier."""
    if outcome[0] == VerdictKind.NEW:
        return False
    if best[0] == VerdictKind.NEW or outcome[0] != best[0]:
        return best[0] == VerdictKind.NEW or outcome[0] < best[0]
    return outcome[1] > best[1]


def _repeat_stored(batch: Batch, settled: Settled, state: PageState, original: Known) -> None:
    settled.action, settled.original, settled.found = Settled.REPEAT, original.id, original
    mark = ("store", original.id)
    settled.elsewhere = original.page != batch.names[state.page] and mark not in state.counted
    state.counted.add(mark)
    state.repeats[original.id] += 1


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


# ---- similarity ----------------------------------------------------------------------------------


def _judge_stored(batch: Batch, pending: Sequence[Pending]) -> dict[int, list[tuple[int, Outcome]]]:
    """The verdicts on each block against every original sent for it, ids ascending."""
    wanted = {
        block.row: sorted(
            {number for ids in block.candidates for number in ids} & batch.originals.keys()
        )
        for block in pending
    }
    if not batch.bodies.are_verified:
        shared = {
            block.row: Counter(number for ids in block.candidates[1:] for number in ids)
            for block in pending
        }
        return {
            row: [
                (
                    number,
                    _estimate(batch, row, batch.originals[number].body.fields, shared[row][number]),
                )
                for number in numbers
            ]
            for row, numbers in wanted.items()
        }
    ids = sorted({number for numbers in wanted.values() for number in numbers})
    place = {number: at for at, number in enumerate(ids)}
    own = [at for at, numbers in enumerate(wanted.values()) for _ in numbers]
    other = [place[number] for numbers in wanted.values() for number in numbers]
    traces = [batch.trace(row) for row in wanted]
    others = [batch.originals[number].body.trace for number in ids]
    outcomes = iter(_judge(batch.rule, traces, others, own, other))
    return {
        row: [(number, next(outcomes)) for number in numbers] for row, numbers in wanted.items()
    }


def _judge_local(batch: Batch, row: int, other: int, shared: int) -> Outcome:
    """The verdict on a block against another of this batch that shares so many keys."""
    if not batch.bodies.are_verified:
        return _estimate(batch, row, batch.fields(other), shared)
    return _judge(batch.rule, [batch.trace(row)], [batch.trace(other)], [0], [0])[0]


def _estimate(batch: Batch, row: int, its: npt.NDArray[np.uint64] | None, shared: int) -> Outcome:
    """What shared keys alone say of a block and another one's fields: near, or nothing.

    Keys are hashes of windows of five words, and stay where a text is left as it was: so their
    share tells which part of the windows did, w. Where the share s of the words stays, s^5 of the
    windows do and s^2 of the pairs: p = w^(2/5), and of two such texts the similarity is
    p / (2 - p). One common key of many is no more than a phrase.
    """
    keys = len(batch.fields(row)) - 1
    if keys == 0 or shared < min(2, keys):
        return NOTHING
    its_keys = 0 if its is None else len(its) - 1
    # Of few, as Krichevsky and Trofimov count: and an equal text would be exact, so never 1.
    windows = (shared + 0.5) / (max(keys, its_keys) + 1)
    pairs = windows**0.4
    similarity = pairs / (2 - pairs)
    if similarity < batch.rule[0]:
        return NOTHING
    return VerdictKind.NEAR, similarity, windows


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
