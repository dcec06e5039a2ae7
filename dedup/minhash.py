"""Blocks to MinHash values: the classic sketch of k permutations, bit for bit as datasketch's.

The values are those of `datasketch.MinHash(num_perm, seed, hashfunc=xxhash.xxh32_intdigest)`
(version 2, scheme `affine32`) updated with the word shingles of the normalised text. What is made
of them, bands, comparisons or an export, is decided elsewhere; knows nothing of pages, verdicts or
storage.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from dedup import kernel
from dedup.errors import SettingsError
from dedup.normalise import TABLES, hard_texts

_UInt32s = npt.NDArray[np.uint32]

MOST_PERMUTATIONS = 1 << 16
"""Far more than an estimate can use, and few enough that a mistake cannot fill the memory."""


@lru_cache(maxsize=16)
def permutations(num_perm: int, seed: int) -> tuple[_UInt32s, _UInt32s]:
    """The multipliers (odd) and addends of the permutations h -> a * h + b (mod 2^32).

    Drawn as datasketch draws them, so these are `MinHash(num_perm, seed).permutations`.

    Returns:
        uint32[num_perm] each; they are shared and cannot be written to.

    Raises:
        SettingsError: `num_perm` or `seed` is out of range.
    """
    if not 1 <= num_perm <= MOST_PERMUTATIONS:
        raise SettingsError(f"num_perm={num_perm!r}: give a number from 1 to {MOST_PERMUTATIONS}")
    if not 0 <= seed < 1 << 32:
        raise SettingsError(f"seed={seed!r}: give a number from 0 to {(1 << 32) - 1}")
    generator = np.random.RandomState(seed)  # the legacy generator: its stream is frozen for good
    a = generator.randint(0, 1 << 31, num_perm, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    b = generator.randint(0, 1 << 32, num_perm, dtype=np.uint32)
    a.flags.writeable = b.flags.writeable = False
    return a, b


def minhash_texts(
    buffer: bytes,
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    *,
    num_perm: int = 128,
    seed: int = 1,
    width: int = 3,
) -> _UInt32s:
    """MinHash values of the blocks `buffer[starts[i]:ends[i]]`.

    A shingle is `width` tokens joined by one space, or all of them where a block has fewer. A block
    without tokens has the largest value everywhere, as an empty `MinHash` has.

    Args:
        buffer: the texts in UTF-8, lone surrogates passed through.
        starts: int64[n], byte offset of each block in the buffer.
        ends: int64[n], offset after it.
        num_perm: values a block.
        seed: of the permutations.
        width: tokens of a shingle.

    Returns:
        uint32[n, num_perm].

    Raises:
        SettingsError: `num_perm`, `seed` or `width` is out of range.
    """
    if width < 1:
        raise SettingsError(f"width={width!r}: a shingle has 1 token or more")
    drawn = permutations(num_perm, seed)
    values, hard = _run_kernel(buffer, starts, ends, width=width, drawn=drawn, folded=False)
    if hard.any():
        places = np.flatnonzero(hard)
        folded = hard_texts(buffer, starts, ends, places)
        values[places], _ = _run_kernel(*folded, width=width, drawn=drawn, folded=True)
    return values


def _run_kernel(
    buffer: bytes,
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    *,
    width: int,
    drawn: tuple[_UInt32s, _UInt32s],
    folded: bool,
) -> tuple[_UInt32s, npt.NDArray[np.uint8]]:
    """One call of the kernel, and which blocks it left to the full normaliser."""
    values = np.empty((len(starts), len(drawn[0])), dtype=np.uint32)
    hard = np.zeros(len(starts), dtype=np.uint8)
    kernel.minhash(buffer, starts, ends, folded, TABLES, width, *drawn, values, hard)
    return values, hard
