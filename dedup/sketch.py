"""Blocks to sketches: fingerprint, token trace and LSH keys of a batch of texts.

A sketch is all that an index needs of a text. The key scheme that was chosen by measurement stands
here; the loops are the kernel's. Knows nothing of pages, verdicts or storage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from dedup import kernel
from dedup.normalise import TABLES, hard_texts

T = TypeVar("T", bound=np.generic)

KEY_SCHEME = np.array([40, 6, 16, 4, 24, 192, 6], dtype=np.int64)
"""Weight of a long window (5 words of 8, or 8 characters of 5), keys taken of all of them, head
windows, keys taken of these, weight of a short window (3 words, pads included), weight below which
a block has short keys (24 words), and how many. docs/decisions.md tells how it won."""

MAX_KEYS = int(KEY_SCHEME[1] + KEY_SCHEME[3] + KEY_SCHEME[6])
"""Keys of one block, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Sketches:
    """Sketches of `n` blocks, in columns.

    Attributes:
        fingerprints: uint64[n, 2], low and high half of XXH3-128 of the normalised text.
        trace_bounds: int64[n + 1], where each trace starts and ends in `traces`.
        traces: uint16, 16 bits of each token's hash, in order. From them follow the shingles, the
            exact similarity and containment, and the keys.
        key_bounds: int64[n + 1], where each block's keys start and end in `keys`.
        keys: uint64, the LSH keys: the smallest hashes of the block's shingles.
    """

    fingerprints: npt.NDArray[np.uint64]
    trace_bounds: npt.NDArray[np.int64]
    traces: npt.NDArray[np.uint16]
    key_bounds: npt.NDArray[np.int64]
    keys: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        """How many blocks."""
        return len(self.fingerprints)

    @property
    def tokens(self) -> npt.NDArray[np.int64]:
        """int64[n], tokens of each block."""
        return np.diff(self.trace_bounds)

    def trace(self, block: int) -> npt.NDArray[np.uint16]:
        """The trace of one block."""
        return self.traces[self.trace_bounds[block] : self.trace_bounds[block + 1]]


def sketch_texts(
    buffer: bytes, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> Sketches:
    """Sketches of the blocks `buffer[starts[i]:ends[i]]` (UTF-8 with lone surrogates)."""
    sketches, hard = _run_kernel(buffer, starts, ends, folded=False)
    if not hard.any():
        return sketches
    places = np.flatnonzero(hard)
    redone, _ = _run_kernel(*hard_texts(buffer, starts, ends, places), folded=True)
    sketches.fingerprints[places] = redone.fingerprints
    trace_bounds, traces = _merge_rows(
        sketches.trace_bounds, sketches.traces, places, redone.trace_bounds, redone.traces
    )
    key_bounds, keys = _merge_rows(
        sketches.key_bounds, sketches.keys, places, redone.key_bounds, redone.keys
    )
    return Sketches(sketches.fingerprints, trace_bounds, traces, key_bounds, keys)


def _run_kernel(
    buffer: bytes, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], *, folded: bool
) -> tuple[Sketches, npt.NDArray[np.uint8]]:
    """One call of the kernel, and which blocks it left to the full normaliser."""
    n = len(starts)
    room = int((ends - starts).sum()) + n
    sketches = Sketches(
        fingerprints=np.empty((n, 2), dtype=np.uint64),
        trace_bounds=np.empty(n + 1, dtype=np.int64),
        traces=np.empty(room, dtype=np.uint16),
        key_bounds=np.empty(n + 1, dtype=np.int64),
        keys=np.empty(n * MAX_KEYS, dtype=np.uint64),
    )
    hard = np.zeros(n, dtype=np.uint8)
    kernel.sketch(
        buffer,
        starts,
        ends,
        folded,
        TABLES,
        KEY_SCHEME,
        sketches.fingerprints,
        sketches.trace_bounds,
        sketches.traces,
        sketches.key_bounds,
        sketches.keys,
        hard,
    )
    return sketches, hard


def _merge_rows(
    bounds: npt.NDArray[np.int64],
    values: npt.NDArray[T],
    places: npt.NDArray[np.intp],
    other_bounds: npt.NDArray[np.int64],
    other_values: npt.NDArray[T],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[T]]:
    """Ragged rows with those at `places` (empty so far) taken from another set, in order."""
    lengths = np.diff(bounds)
    lengths[places] = np.diff(other_bounds)
    merged_bounds = np.zeros(len(bounds), dtype=np.int64)
    np.cumsum(lengths, out=merged_bounds[1:])
    merged = np.empty(int(merged_bounds[-1]), dtype=values.dtype)
    is_other = np.zeros(len(lengths), dtype=bool)
    is_other[places] = True
    mask = np.repeat(is_other, lengths)
    merged[mask] = other_values[: other_bounds[-1]]
    merged[~mask] = values[: bounds[-1]]
    return merged_bounds, merged
