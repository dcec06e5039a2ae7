"""What an explanation of a verdict says: the texts, the numbers, the conditions, the differences.

Plain, immutable values. Knows nothing of how they are found (`explanation.py`), said in words
(`reason.py`) or shown (`reports/`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from dedup.settings import Settings

Outcome: TypeAlias = Literal["skipped", "new", "exact", "near", "excerpt", "extension"]
Rule: TypeAlias = Literal[
    "too short",
    "original too short",
    "equal",
    "no shared key",
    "similar",
    "contained",
    "begins",
    "unlike",
]
ChangeKind: TypeAlias = Literal["same", "replaced", "inserted", "deleted", "elsewhere"]


@dataclass(frozen=True, slots=True)
class Measured:
    """One of the two texts.

    Attributes:
        text: the text.
        words: its tokens that are compared: words, or characters in scripts without spaces.
        pairs: its distinct 2-shingles.
        keys: its LSH keys.
        unspaced: most of its tokens are single characters of a script without spaces.
        label: what stands behind its last ellipsis, where that is too little to be compared.
    """

    text: str
    words: int
    pairs: int
    keys: int
    unspaced: bool
    label: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of the rules, in the order in which they are asked.

    Attributes:
        name: what is measured.
        value: what it is here.
        relation: how it must stand to the limit.
        limit: the limit, from the settings or from the method.
        holds: whether the condition holds.
    """

    name: str
    value: float
    relation: Literal[">=", "<"]
    limit: float
    holds: bool


@dataclass(frozen=True, slots=True)
class Change:
    """A part of the alignment. All parts together are both texts, whole and in order.

    Attributes:
        kind: `"same"` (but for case and punctuation), `"replaced"`, `"inserted"` (in the block
            alone), `"deleted"` (in the original alone), `"elsewhere"` (in one of them here, and at
            another place in the other).
        block: what stands in the block.
        original: what stands in the original.
        start: offset of `block` in the block's text.
        original_start: offset of `original` in the original's text.
        words: tokens of `block`.
        original_words: tokens of `original`.
    """

    kind: ChangeKind
    block: str
    original: str
    start: int
    original_start: int
    words: int
    original_words: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a block is, or is not, a repeat of an original.

    Attributes:
        verdict: what `Deduper` says of the block when the original is all that it saw before.
        rule: what decided.
        block: the text that is judged.
        original: the text that was there before.
        similarity: Jaccard similarity of the padded 2-shingles, 0 to 1, whatever the verdict.
        containment: share of the 2-shingles of the text with fewer that stand in the other, 0 to 1.
        shared_pairs: padded 2-shingles of both: the one at the start and the one at the end count.
        all_pairs: padded 2-shingles of either.
        inside_pairs: 2-shingles of both, without pads.
        beginning: tokens of the one with which the other, a longer one, begins, where no more than
            a label stands before them, and behind them no more than half a word of a text that
            says that it goes on; 0: there are none, or too few.
        shared_keys: LSH keys of both: without one an index never compares them.
        size_ratio: 2-shingles of the text with fewer over those of the other, 0 to 1.
        checks: the conditions of the rules with these numbers.
        matched: `(first, after the last)` token of the original that the block covers, or None.
        matched_span: the same as offsets in the original's text.
        changes: both texts, aligned.
        settings: what the verdict depends on besides the texts.
        reason: the verdict and why, in one sentence.
    """

    verdict: Outcome
    rule: Rule
    block: Measured
    original: Measured
    similarity: float
    containment: float
    shared_pairs: int
    all_pairs: int
    inside_pairs: int
    beginning: int
    shared_keys: int
    size_ratio: float
    checks: tuple[Check, ...]
    matched: tuple[int, int] | None
    matched_span: tuple[int, int] | None
    changes: tuple[Change, ...]
    settings: Settings
    reason: str = ""

    @property
    def is_repeat(self) -> bool:
        """Whether the block counts as a repeat."""
        return self.verdict in ("exact", "near", "excerpt")
