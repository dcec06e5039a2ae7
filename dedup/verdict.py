"""Verdicts in columns, and the rule behind them as numbers that the kernel takes.

Knows nothing of stores or of text. The rule itself (DESIGN: exact, near, excerpt, extension) is in
the kernel, once for all stores: `kernel/native/judge.h` and its twin `kernel/reference/judge.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dedup.kernel.kinds import VerdictKind
from dedup.settings import Settings


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """Verdicts on `n` blocks, in columns.

    Attributes:
        kinds: uint8[n], a `VerdictKind` each.
        similarity: float64[n], 0 where there is no original.
        containment: float64[n], 0 where there is no original.
        details: uint32[n, 6], the original's page number, position, first_seen and last_seen
            (seconds since 1970), seen and pages; valid where there is an original.
        page_names: the page id of every page number in `details`.
        verified: the similarities were computed from stored traces.
        texts: the original's text by block, where the index keeps texts.
        candidates: uint16[n], with how many originals each block was compared; none: nobody knows.
    """

    kinds: npt.NDArray[np.uint8]
    similarity: npt.NDArray[np.float64]
    containment: npt.NDArray[np.float64]
    details: npt.NDArray[np.uint32]
    page_names: Mapping[int, str]
    verified: bool = True
    texts: Mapping[int, str] = field(default_factory=dict)
    candidates: npt.NDArray[np.uint16] = field(default_factory=lambda: np.zeros(0, dtype=np.uint16))


FEW_SIMILARITY = 0.25
"""Where an excerpt is this similar to its original, half of the shared shingles are enough."""


_REPEATS = np.zeros(len(VerdictKind), dtype=np.bool_)
_REPEATS[[VerdictKind.EXACT, VerdictKind.NEAR, VerdictKind.EXCERPT, VerdictKind.ESTIMATED]] = True


def is_repeat(kinds: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Which of these verdicts are repeats: exact, near (estimated too) or excerpt."""
    repeats: npt.NDArray[np.bool_] = _REPEATS.take(kinds)
    return repeats


def rule_of(settings: Settings) -> npt.NDArray[np.float64]:
    """float64[6], as `kernel.judge` takes it."""
    return np.array(
        [
            settings.threshold,
            settings.excerpt_containment,
            settings.excerpt_ratio,
            settings.excerpt_shingles,
            settings.excerpt_shingles / 2,
            FEW_SIMILARITY,
        ],
        dtype=np.float64,
    )
