"""Two sequences of tokens laid side by side: what stands in both, what in one of them.

The backbone is a chain of stretches that both share, in order. Each is three tokens long or more,
as two words recur everywhere, and joins when it is longer than the jump that it takes is wide (the
chaining of sequence aligners: Li, Minimap2, 2018, section 2.1). So a word that was changed, added
or dropped does not break the match, and a phrase that happens to recur far away does not widen it.
Time and space are linear in the tokens.

Tokens are integers: a trace, or anything that is equal where words are. Knows nothing of texts,
settings or verdicts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from math import log2
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

SHINGLE = 3
PLACES, KEPT, LOOK_BACK = 32, 4, 64
"""Occurrences of a shingle that are tried, stretches kept of these, stretches that one may follow:
what keeps the work linear where one phrase fills a text."""

DIFFED = 1 << 18
"""Product of lengths up to which the gaps of the chain are compared token by token."""

StepKind: TypeAlias = Literal["same", "changed", "elsewhere"]


class Run(NamedTuple):
    """A stretch of `length` tokens that stands in both, and where it starts in each."""

    block: int
    original: int
    length: int


class Step(NamedTuple):
    """A part of the alignment: `block[start:end]` beside `original[original_start:original_end]`.

    `same`: equal; `changed`: one stands in place of the other, or (one is empty) was added or
    dropped; `elsewhere`: one is empty, and the other stands in the other text at another place.
    """

    kind: StepKind
    start: int
    end: int
    original_start: int
    original_end: int


def matched_range(
    trace: npt.NDArray[np.uint16], original_trace: npt.NDArray[np.uint16]
) -> tuple[int, int] | None:
    """Which tokens of the original a block covers: the first, and the one after the last.

    Args:
        trace: the block's trace, uint16.
        original_trace: the original's, uint16.

    Returns:
        A range of positions in `original_trace`, or None where they share no 3-shingle.
    """
    runs = shared_chain(trace.tolist(), original_trace.tolist())
    return (runs[0].original, runs[-1].original + runs[-1].length) if runs else None


def shared_chain(block: Sequence[int], original: Sequence[int]) -> list[Run]:
    """The stretches that both share, in order in both, none overlapping another."""
    candidates = _shared_runs(block, original)
    scores: list[float] = []
    before: list[int] = []
    for at, run in enumerate(candidates):
        best, follows = 0.0, -1
        for earlier in range(max(0, at - LOOK_BACK), at):
            other = candidates[earlier]
            # Shingles, not tokens, lie behind one another: around an inserted word tokens overlap.
            reach = other.length - SHINGLE + 1
            if other.block + reach <= run.block and other.original + reach <= run.original:
                jump = abs((run.block - other.block) - (run.original - other.original))
                score = scores[earlier] - log2(1 + jump) / 2
                if score > best:
                    best, follows = score, earlier
        scores.append(best + run.length - SHINGLE + 1)
        before.append(follows)
    chain: list[Run] = []
    at = max(range(len(scores)), key=scores.__getitem__, default=-1)
    while at >= 0:
        chain.append(candidates[at])
        at = before[at]
    return _without_overlaps(reversed(chain))


def align(block: Sequence[int], original: Sequence[int]) -> list[Step]:
    """Both sequences as steps, which cover each of them from start to end."""
    steps: list[Step] = []
    at = place = 0
    for run in [*shared_chain(block, original), Run(len(block), len(original), 0)]:
        steps += _align_gap(block, original, Step("changed", at, run.block, place, run.original))
        at, place = run.block + run.length, run.original + run.length
        steps.append(Step("same", run.block, at, run.original, place))
    in_block, in_original = _shared_places(block, original), _shared_places(original, block)
    found: list[Step] = []
    for step in _merged(steps):
        found += [step] if step.kind == "same" else _parted(step, in_block, in_original)
    return found


def _shared_runs(block: Sequence[int], original: Sequence[int]) -> list[Run]:
    """The longest shared stretches from each shingle on that an earlier one does not cover."""
    places: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for place, shingle in enumerate(_shingles(original)):
        places[shingle].append(place)
    shingles = _shingles(block)
    runs: list[Run] = []
    at = expected = 0
    while at < len(shingles):
        found = places.get(shingles[at])
        if found is None:
            at += 1
            continue
        # Where a phrase is everywhere, the occurrences around where the text goes on are tried.
        first = max(0, bisect_left(found, expected) - PLACES // 2)
        tried = [
            Run(at, place, _equal_from(block, original, at, place))
            for place in found[first : first + PLACES]
        ]
        tried.sort(key=lambda run: (-run.length, run.original))
        runs += tried[:KEPT]
        at += tried[0].length - SHINGLE + 1
        expected = tried[0].original + tried[0].length
    return runs


def _shingles(tokens: Sequence[int]) -> list[tuple[int, ...]]:
    return list(zip(tokens, tokens[1:], tokens[2:], strict=False))


def _equal_from(block: Sequence[int], original: Sequence[int], at: int, place: int) -> int:
    """How many tokens are equal from here on."""
    most = min(len(block) - at, len(original) - place)
    length = SHINGLE
    while length < most and block[at + length] == original[place + length]:
        length += 1
    return length


def _without_overlaps(chain: Iterator[Run]) -> list[Run]:
    runs: list[Run] = []
    end = original_end = 0
    for run in chain:
        overlap = max(0, end - run.block, original_end - run.original)
        if overlap < run.length:
            runs.append(Run(run.block + overlap, run.original + overlap, run.length - overlap))
            end, original_end = run.block + run.length, run.original + run.length
    return runs


def _align_gap(block: Sequence[int], original: Sequence[int], gap: Step) -> Iterator[Step]:
    """What lies between two stretches of the chain, token by token."""
    _, start, end, original_start, original_end = gap
    sizes = end - start, original_end - original_start
    if not all(sizes) or sizes[0] * sizes[1] > DIFFED:
        yield gap
        return
    mine, its = block[start:end], original[original_start:original_end]
    at, place = start, original_start
    matches = SequenceMatcher(None, mine, its, autojunk=False).get_matching_blocks()
    for number, match in enumerate(matches[:-1]):
        following = matches[number + 1]
        around = (
            max(start + match.a - at, original_start + match.b - place),
            max(following.a - match.a, following.b - match.b) - match.size,
        )
        # A lone "the" in the midst of change, or far from where it stood, tells nobody anything.
        if min(around) > 2 * match.size or max(around) > 6 * match.size:
            continue
        first, its_first = start + match.a, original_start + match.b
        yield Step("changed", at, first, place, its_first)
        at, place = first + match.size, its_first + match.size
        yield Step("same", first, at, its_first, place)
    yield Step("changed", at, end, place, original_end)


def _merged(steps: list[Step]) -> Iterator[Step]:
    """Without empty steps; neighbours of one kind are one."""
    held: Step | None = None
    for step in steps:
        if step.start == step.end and step.original_start == step.original_end:
            continue
        if held and held.kind == step.kind:
            held = Step(held.kind, held.start, step.end, held.original_start, step.original_end)
            continue
        if held:
            yield held
        held = step
    if held:
        yield held


def _shared_places(tokens: Sequence[int], other: Sequence[int]) -> list[bool]:
    """For each token, whether it is part of a shingle that stands in the other sequence."""
    known = set(_shingles(other))
    shared = [False] * len(tokens)
    for at, shingle in enumerate(_shingles(tokens)):
        if shingle in known:
            shared[at : at + SHINGLE] = [True] * SHINGLE
    return shared


def _parted(step: Step, in_block: list[bool], in_original: list[bool]) -> Iterator[Step]:
    """A change, with the stretches that stand elsewhere in the other text parted from it."""
    _, start, end, original_start, original_end = step
    if not any(in_block[start:end]) and not any(in_original[original_start:original_end]):
        yield step
        return
    its = list(_stretches(in_original, original_start, original_end))
    mine = list(_stretches(in_block, start, end))
    if its and mine and not its[0][2] and not mine[0][2]:
        (_, first, _), (_, its_first, _) = mine.pop(0), its.pop(0)
        yield Step("changed", start, first, original_start, its_first)
        start = first
    for first, last, shared in its:
        yield Step("elsewhere" if shared else "changed", start, start, first, last)
    for first, last, shared in mine:
        yield Step("elsewhere" if shared else "changed", first, last, original_end, original_end)


def _stretches(shared: list[bool], start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    while start < end:
        stop = start + 1
        while stop < end and shared[stop] == shared[start]:
            stop += 1
        yield start, stop, shared[start]
        start = stop
