"""Blocks to sketches: fingerprint, token trace and LSH keys of a batch of texts.

A sketch is all that an index needs of a text. An LSH family is only a function from a text to its
keys: `bottom`, whose key scheme was chosen by measurement and stands here, or `banded`
(`minhash.py`); fingerprint and trace are the same. The loops are the kernel's. Knows nothing of
pages, verdicts or storage.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from dedup import kernel
from dedup.bands import Bands
from dedup.minhash import band_keys, minhash_texts
from dedup.normalise import TABLES, hard_texts

T = TypeVar("T", bound=np.generic)

KEY_SCHEME = np.array([40, 2, 9, 3, 24, 192, 6, 7, 9, 7], dtype=np.int64)
"""Weight of a long window (5 words of 8, or 8 characters of 5), neighbours on either side among
which a local minimum is lowest, keys of all local minima, keys of the start besides (the first
window, then minima), weight of a short window (3 words, pads included), weight below which a block
has short keys (24 words), and how many of them; the number of long keys up to which minima among
direct neighbours fill up, and the number of keys up to which short ones do; and about how many
local minima a long block has: they are lowest among more neighbours there, so that they are evenly
spread and a quote of any part has one. docs/decisions.md tells how it won."""

_COUNTS = [2, 3, 6]
"""Where the scheme says how many keys."""

MAX_KEYS = int(KEY_SCHEME[_COUNTS].sum())
"""Keys of one block, at most."""

_NO_KEYS = KEY_SCHEME * np.array([1, 1, 0, 0, 1, 1, 0, 0, 1, 1])
"""The scheme that leaves keys to others."""


@dataclass(frozen=True, slots=True, eq=False)
class Sketches:
    """Sketches of `n` blocks, in columns.

    Attributes:
        fingerprints: uint64[n, 2], low and high half of XXH3-128 of the normalised text.
        trace_spans: int64[n, 2], where each trace starts and ends in `traces`.
        traces: uint16, 16 bits of each token's hash, in order, without a label behind an ellipsis
            ("... Read more": up to three words), and with a 1, which is no token, at the end of a
            text that says that it goes on. From them follow the shingles, the exact similarity and
            containment, and the keys of the family `bottom`.
        key_spans: int64[n, 2], where each block's keys start and end in `keys`.
        keys: uint64, the LSH keys: the smallest hashes of the block's shingles, or its bands.
        minhashes: uint32[n, num_perm], the MinHash values behind the bands (`bottom`: [n, 0]).
        buffer: the texts, in UTF-8 with lone surrogates, for an index that keeps them.
        text_bounds: int64[n] twice, where each text starts and ends in `buffer`.

    Rows need not lie in `traces` and `keys` in the order of the blocks.
    """

    fingerprints: npt.NDArray[np.uint64]
    trace_spans: npt.NDArray[np.int64]
    traces: npt.NDArray[np.uint16]
    key_spans: npt.NDArray[np.int64]
    keys: npt.NDArray[np.uint64]
    minhashes: npt.NDArray[np.uint32]
    buffer: bytes = b""
    text_bounds: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        """How many blocks."""
        return len(self.fingerprints)

    @property
    def tokens(self) -> npt.NDArray[np.int64]:
        """int64[n], tokens of each block; what says that it goes on counts as one."""
        return self.trace_spans[:, 1] - self.trace_spans[:, 0]

    @property
    def key_count(self) -> int:
        """Keys of all blocks."""
        return int((self.key_spans[:, 1] - self.key_spans[:, 0]).sum())

    def trace(self, block: int) -> npt.NDArray[np.uint16]:
        """The trace of one block."""
        return self.traces[slice(*self.trace_spans[block])]

    def text(self, block: int) -> bytes:
        """The text of one block, in UTF-8 with lone surrogates."""
        if self.text_bounds is None:
            return b""
        starts, ends = self.text_bounds
        return self.buffer[starts[block] : ends[block]]


def sketch_texts(
    buffer: bytes,
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    bands: Bands | None = None,
) -> Sketches:
    """Sketches of the blocks `buffer[starts[i]:ends[i]]` (UTF-8 with lone surrogates).

    With `bands`, keys are those of the family `banded`, else of `bottom`.
    """
    scheme = KEY_SCHEME if bands is None else _NO_KEYS
    sketches, hard = _run_kernel(buffer, starts, ends, scheme, folded=False)
    if hard.any():
        places = np.flatnonzero(hard)
        redone, _ = _run_kernel(*hard_texts(buffer, starts, ends, places), scheme, folded=True)
        sketches.fingerprints[places] = redone.fingerprints
        traces = _replace(
            places, sketches.trace_spans, sketches.traces, redone.trace_spans, redone.traces
        )
        keys = _replace(places, sketches.key_spans, sketches.keys, redone.key_spans, redone.keys)
        sketches = replace(sketches, traces=traces, keys=keys)
    if bands is None:
        return sketches
    values = minhash_texts(
        *(buffer, starts, ends),
        num_perm=bands.num_perm,
        seed=bands.seed,
        width=2,
        padded=True,
    )
    firsts = np.arange(len(values)) * bands.count
    key_spans = np.stack((firsts, firsts + bands.count), axis=1)
    keys = band_keys(values, bands).ravel()
    return replace(sketches, key_spans=key_spans, keys=keys, minhashes=values)


def keys_of_traces(
    traces: npt.NDArray[np.uint16], spans: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """`key_spans` and `keys` (family `bottom`) of stored traces: those that their blocks had."""
    key_spans = np.empty((len(spans), 2), dtype=np.int64)
    keys = np.empty(len(spans) * MAX_KEYS, dtype=np.uint64)
    kernel.trace_keys(traces, spans, KEY_SCHEME, key_spans, keys)
    return key_spans, keys


def _run_kernel(
    buffer: bytes,
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    scheme: npt.NDArray[np.int64],
    *,
    folded: bool,
) -> tuple[Sketches, npt.NDArray[np.uint8]]:
    """One call of the kernel, and which blocks it left to the full normaliser."""
    n = len(starts)
    room = int((ends - starts).sum()) + n
    sketches = Sketches(
        fingerprints=np.empty((n, 2), dtype=np.uint64),
        trace_spans=np.empty((n, 2), dtype=np.int64),
        traces=np.empty(room, dtype=np.uint16),
        key_spans=np.empty((n, 2), dtype=np.int64),
        keys=np.empty(n * int(scheme[_COUNTS].sum()), dtype=np.uint64),
        minhashes=np.empty((n, 0), dtype=np.uint32),
        buffer=buffer,
        text_bounds=(starts, ends),
    )
    hard = np.zeros(n, dtype=np.uint8)
    kernel.sketch(
        buffer,
        starts,
        ends,
        folded,
        TABLES,
        scheme,
        sketches.fingerprints,
        sketches.trace_spans,
        sketches.traces,
        sketches.key_spans,
        sketches.keys,
        hard,
    )
    return sketches, hard


def _replace(
    places: npt.NDArray[np.intp],
    spans: npt.NDArray[np.int64],
    values: npt.NDArray[T],
    new_spans: npt.NDArray[np.int64],
    new_values: npt.NDArray[T],
) -> npt.NDArray[T]:
    """Values with new ones appended for the rows at `places`, whose spans are set to them."""
    used, new_used = int(spans[-1, 1]), int(new_spans[-1, 1])
    spans[places] = new_spans + used
    return np.concatenate((values[:used], new_values[:new_used]))
