"""Normalised text: what comparisons see.

NFKC, case folded, invisible characters removed, every run of white space, punctuation, symbols and
controls a boundary; the tokens, joined by one space. In scripts without spaces every character is a
token. Knows nothing of shingles or verdicts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dedup import kernel
from dedup.kernel import unicode

TABLES = (unicode.INDEX, unicode.ENTRIES, unicode.EXPANSIONS, unicode.PAIRS)


def normalise(text: str) -> str:
    """The normalised text (idempotent)."""
    buffer = text.encode("utf-8", "surrogatepass")
    starts, ends = np.array([0]), np.array([len(buffer)])
    normalised, hard = _run_kernel(buffer, starts, ends, folded=False)
    if hard:
        normalised, _ = _run_kernel(*hard_texts(buffer, starts, ends, np.array([0])), folded=True)
    return normalised.decode("utf-8")


def hard_texts(
    buffer: bytes,
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    places: npt.NDArray[np.intp],
) -> tuple[bytes, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The blocks at `places`, folded by the full normaliser: a buffer, starts and ends."""
    folded = [
        unicode.fold(buffer[starts[i] : ends[i]].decode("utf-8", "surrogatepass")).encode(
            "utf-8", "surrogatepass"
        )
        for i in places
    ]
    stops = np.cumsum([len(text) for text in folded], dtype=np.int64)
    return b"".join(folded), np.concatenate(([0], stops[:-1])), stops


def _run_kernel(
    buffer: bytes, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], *, folded: bool
) -> tuple[bytes, bool]:
    out = np.empty(3 * len(buffer), dtype=np.uint8)
    bounds, hard = np.empty(2, dtype=np.int64), np.zeros(1, dtype=np.uint8)
    kernel.normalise(buffer, starts, ends, folded, TABLES, out, bounds, hard)
    return out[: bounds[1]].tobytes(), bool(hard[0])
