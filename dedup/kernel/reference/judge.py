"""Two traces to a verdict: native/judge.h in Python."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dedup.kernel.kinds import VerdictKind
from dedup.kernel.reference.tokens import (
    PAD_END,
    PAD_START,
    WORD_WEIGHT,
    token_weight,
    tokens_of,
)

PRIME = 0x9E3779B1
"""XXH32's first prime: spreads shingles over the bits of a signature."""


LABEL_TOKENS, LONG_LABEL_TOKENS = 3, 5
"""A teaser: but for a label before it, the text is how another begins. A label has so many tokens;
or more, where what follows is twice as long."""


class Verdict(NamedTuple):
    """The verdict on a block against one original."""

    kind: int
    similarity: float
    containment: float


class Rule(NamedTuple):
    """`float64[6]` of the kernel's calls: what makes a block near, or an excerpt."""

    threshold: float
    containment: float
    ratio: float
    shingles: float
    few_shingles: float
    few_similarity: float


def judge(
    rule: npt.NDArray[np.float64],
    spans: npt.NDArray[np.int64],
    traces: npt.NDArray[np.uint16],
    other_spans: npt.NDArray[np.int64],
    other_traces: npt.NDArray[np.uint16],
    own: npt.NDArray[np.int64],
    other: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.uint8],
    similarity: npt.NDArray[np.float64],
    containment: npt.NDArray[np.float64],
) -> None:
    """Verdicts on `m` pairs of a block and an original.

    Args:
        rule: float64[6]: threshold; of an excerpt containment, size ratio, shared shingles; and the
            fewer that are enough with some similarity, and that similarity.
        spans: int64[n, 2], where each block's trace starts and ends in `traces`.
        traces: uint16, traces of blocks.
        other_spans: int64[o, 2], where each original's trace starts and ends in `other_traces`.
        other_traces: uint16, traces of originals.
        own: int64[m], which block; pairs of one block are best given together.
        other: int64[m], which original.
        kinds: uint8[m], gets NEW, NEAR, EXCERPT or EXTENSION.
        similarity: float64[m], gets the Jaccard similarity of the padded 2-shingles (0: NEW).
        containment: float64[m], gets the containment of the plain 2-shingles (0: NEW).
    """
    values = Rule(*rule.tolist())
    for i, (a, b) in enumerate(zip(own.tolist(), other.tolist(), strict=True)):
        block = traces[slice(*spans.reshape(-1, 2)[a])].tolist()
        original = other_traces[slice(*other_spans.reshape(-1, 2)[b])].tolist()
        kinds[i], similarity[i], containment[i] = judge_pair(values, block, original)


def judge_pair(rule: Rule, block: Sequence[int], original: Sequence[int]) -> Verdict:
    """The verdict on a trace against an original's trace."""
    marked, its_marked = len(block), len(original)
    block, original = tokens_of(block), tokens_of(original)
    goes_on, its_goes_on = marked > len(block), its_marked > len(original)
    mine, its = shingles([PAD_START, *block, PAD_END]), shingles([PAD_START, *original, PAD_END])
    similarity = len(mine & its) / len(mine | its)
    plain, its_plain = shingles(block), shingles(original)
    shared = len(plain & its_plain)
    shorter, longer = sorted((len(plain), len(its_plain)))
    containment = shared / shorter if shorter else similarity
    if similarity >= rule.threshold:
        return Verdict(VerdictKind.NEAR, similarity, containment)
    if shared >= rule.few_shingles - (goes_on or its_goes_on):
        for kind, text, ends, whole in (
            (VerdictKind.EXCERPT, block, not goes_on, original),
            (VerdictKind.EXTENSION, original, not its_goes_on, block),
        ):
            if beginning(rule, text, whole, ends=ends) is not None:
                return Verdict(kind, similarity, containment)
    enough = shared >= rule.shingles or (
        shared >= rule.few_shingles and similarity >= rule.few_similarity
    )
    if enough and containment >= rule.containment and shorter < rule.ratio * longer:
        kind = VerdictKind.EXCERPT if len(plain) < len(its_plain) else VerdictKind.EXTENSION
        return Verdict(kind, similarity, containment)
    return Verdict(VerdictKind.NEW, 0.0, 0.0)


def beginning(
    rule: Rule, text: Sequence[int], whole: Sequence[int], *, ends: bool
) -> tuple[int, int] | None:
    """What of a teaser the whole begins with: the first token, and the one after the last.

    But for a label before it, that is all of the teaser. It takes so many pairs of words, or as
    much of an unspaced script, and fewer than the whole's share. Of a text that does not end there
    (it says that it goes on) a pair less is enough, and its last word may be half of one.

    Returns:
        A range of places in the text; None: it is no teaser of the whole.
    """
    for label in range(min(LONG_LABEL_TOKENS, len(text) - 2) + 1):
        if label > LABEL_TOKENS and 2 * label > len(text) - label:
            break
        least = WORD_WEIGHT * (rule.few_shingles + (ends or label > 0))
        for end in (len(text),) if ends else (len(text), len(text) - 1):
            common = text[label:end]
            if (
                len(common) <= len(whole)
                and common == whole[: len(common)]
                and len(common) - 1 < rule.ratio * (len(whole) - 1)
                and sum(map(token_weight, common)) >= least
            ):
                return label, end
    return None


def shingles(trace: Sequence[int]) -> set[tuple[int, int]]:
    """The 2-shingles of a trace."""
    return set(pairwise(trace))


def estimate_pair(
    rule: Rule, values: npt.NDArray[np.uint32], others: npt.NDArray[np.uint32]
) -> Verdict:
    """The verdict by MinHash values; the containment is at least the similarity."""
    similarity = float((values == others).sum() / len(values)) if len(values) else 0.0
    if similarity >= rule.threshold:
        return Verdict(VerdictKind.ESTIMATED, similarity, similarity)
    return Verdict(VerdictKind.NEW, 0.0, 0.0)


_PREFERRED = [
    VerdictKind.EXACT,
    VerdictKind.NEAR,
    VerdictKind.EXCERPT,
    VerdictKind.ESTIMATED,
    VerdictKind.EXTENSION,
    VerdictKind.NEW,
]
"""What is computed goes before an estimate, and a repeat before an extension."""


def is_better(verdict: Verdict, best: Verdict) -> bool:
    """Whether a verdict is preferred: its kind, then the higher similarity; a tie: the earlier."""
    mine, its = (_PREFERRED.index(VerdictKind(v.kind)) for v in (verdict, best))
    return mine < its or (mine == its and verdict.similarity > best.similarity)
