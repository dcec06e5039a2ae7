"""Which of some blocks may repeat something: native/screen_binding.h in Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from dedup.kernel.kinds import VerdictKind
from dedup.kernel.reference.buckets import IDS_PER_KEY
from dedup.kernel.reference.judge import Rule, judge_pair

PRINT = slice(4, 12)
"""Where a body has the low half of its fingerprint."""


def screen_blocks(
    rule: npt.NDArray[np.float64],
    spans: npt.NDArray[np.int64],
    traces: npt.NDArray[np.uint16],
    fingerprints: npt.NDArray[np.uint64],
    rows: npt.NDArray[np.int64],
    firsts: npt.NDArray[np.int64],
    owners: npt.NDArray[np.int64],
    counts: npt.NDArray[np.uint8],
    ids: npt.NDArray[np.uint32],
    earlier: npt.NDArray[np.int64],
    originals: npt.NDArray[np.uint32],
    bodies: bytes,
    starts: npt.NDArray[np.int64],
    body_traces: npt.NDArray[np.int64],
    is_open: npt.NDArray[np.bool_],
    exact: npt.NDArray[np.uint32],
    compared: npt.NDArray[np.uint16],
) -> None:
    """Which of `m` blocks are open: like an original under their keys, or like one another.

    Open is also a block of a key that has room for some of its new blocks only, since who is found
    there depends on who is added. All others are new, whatever becomes of the open ones.

    Args:
        rule: as `judge` takes it.
        spans: int64[n, 2], where each block's trace starts and ends in `traces`.
        traces: uint16, traces of blocks.
        fingerprints: uint64[n, 2], low and high half.
        rows: int64[m], the blocks in question.
        firsts: int64[m + 1], where the postings of each of them start, and the last one's end; the
            first of a block is its fingerprint's.
        owners: int64[p], the place in `rows` of each posting's block.
        counts: uint8[p], how many originals there are under each key, as `find_postings` tells.
        ids: uint32[p, 4], these, from the left.
        earlier: int64[p], the last equal key before each, or -1.
        originals: uint32[o], the ids of all of them, ascending.
        bodies: what is stored of them, somewhere in it.
        starts: int64[o], where each body starts.
        body_traces: int64[o, 2], where in `bodies` the trace of each starts and ends.
        is_open: bool[m], gets which are open.
        exact: uint32[m], gets the first original under its fingerprint that has its text, or 0.
        compared: uint16[m], gets with how many originals each was compared, if it is not open.
    """
    values, prints = Rule(*rule.tolist()), fingerprints.reshape(-1, 2)[:, 0].tolist()
    held, span_of = ids.reshape(-1, IDS_PER_KEY), spans.reshape(-1, 2)
    place_of = {original: place for place, original in enumerate(originals.tolist())}

    def own_trace(block: int) -> list[int]:
        trace: list[int] = traces[slice(*span_of[rows[block]])].tolist()
        return trace

    def is_same(block: int, original: int) -> bool:
        start = int(starts[place_of[original]])
        text = int.from_bytes(bodies[start:][PRINT], "little")
        return bool(text == prints[int(rows[block])])

    def is_like(block: int, original: int) -> bool:
        start, stop = body_traces.reshape(-1, 2)[place_of[original]].tolist()
        trace = np.frombuffer(bodies[start:stop], dtype="<u2").tolist()
        return is_same(block, original) or _is_repeat(values, own_trace(block), trace)

    is_open[:], exact[:], compared[:] = False, 0, 0
    is_open[sorted(_crowded(owners, counts, earlier))] = True
    pairs = [
        list(_earlier(range(*firsts[b : b + 2].tolist()), owners, counts, earlier))
        for b in range(len(rows))
    ]
    for block in range(len(rows)):
        start, stop = firsts[block : block + 2].tolist()
        first = held[start, : counts[start]].tolist() if start < stop else []
        exact[block] = next((original for original in first if is_same(block, original)), 0)
        if exact[block]:
            is_open[block] = True
        else:
            found = {each for i in range(start, stop) for each in held[i, : counts[i]].tolist()}
            compared[block] = len(found)
            is_open[block] |= any(is_like(block, original) for original in found)
        for other in pairs[block]:
            same = prints[int(rows[block])] == prints[int(rows[other])]
            if same or _is_repeat(values, own_trace(block), own_trace(other)):
                is_open[[block, other]] = True
    for block, others in enumerate(pairs):
        compared[block] += sum(not is_open[other] for other in others)


def choose_postings(
    is_added: npt.NDArray[np.bool_],
    owners: npt.NDArray[np.int64],
    counts: npt.NDArray[np.uint8],
    earlier: npt.NDArray[np.int64],
    chosen: npt.NDArray[np.int64],
) -> int:
    """The postings of new originals under keys that have room, in order.

    Args:
        is_added: bool[m], which blocks become originals.
        owners: int64[p], the block of each posting.
        counts: uint8[p], how many originals there are under each key; it may hold 4.
        earlier: int64[p], the last equal key before each, or -1.
        chosen: int64, gets the postings; room for `p`.

    Returns:
        How many.
    """
    taken: list[int] = []
    found: list[int] = []
    for at, last in enumerate(earlier.tolist()):
        under = int(counts[at]) if last < 0 else taken[last]
        is_chosen = bool(is_added[owners[at]]) and under < IDS_PER_KEY
        taken.append(under + is_chosen)
        if is_chosen:
            found.append(at)
    chosen[: len(found)] = found
    return len(found)


def _is_repeat(rule: Rule, block: Sequence[int], other: Sequence[int]) -> bool:
    """Whether there is a verdict on a pair."""
    return judge_pair(rule, block, other).kind != VerdictKind.NEW


def _earlier(
    postings: range,
    owners: npt.NDArray[np.int64],
    counts: npt.NDArray[np.uint8],
    earlier: npt.NDArray[np.int64],
) -> Iterator[int]:
    """The blocks before a block with a key in common that has room: by its last few equal keys."""
    found = dict[int, None]()
    for posting in postings:
        other, distance = int(earlier[posting]), 1
        while counts[posting] < IDS_PER_KEY and other >= 0 and distance < IDS_PER_KEY:
            found[int(owners[other])] = None
            other, distance = int(earlier[other]), distance + 1
    yield from found


def _crowded(
    owners: npt.NDArray[np.int64],
    counts: npt.NDArray[np.uint8],
    earlier: npt.NDArray[np.int64],
) -> set[int]:
    """The blocks of keys that have room for some of them only."""
    under: list[list[int]] = []  # of each posting, the blocks of its key up to it
    found = set[int]()
    for at, last in enumerate(earlier.tolist()):
        blocks = under[last] if last >= 0 else []
        blocks.append(int(owners[at]))
        under.append(blocks)
        before = int(counts[at])
        if before < IDS_PER_KEY < before + len(blocks):
            found |= set(blocks)
    return found
