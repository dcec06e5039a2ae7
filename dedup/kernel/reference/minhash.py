"""k-permutation MinHash values: native/minhash.h in NumPy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xxhash

from dedup.kernel.reference.tokens import Tables, tokenise


def minhash(
    buffer: bytes,
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    folded: bool,  # noqa: FBT001 - the C function's positional signature
    tables: Tables,
    width: int,
    padded: bool,  # noqa: FBT001 - same
    a: npt.NDArray[np.uint32],
    b: npt.NDArray[np.uint32],
    minima: npt.NDArray[np.uint32],
    hard: npt.NDArray[np.uint8],
) -> int:
    """MinHash values of the `width`-shingles of `n` blocks, by datasketch's `affine32` scheme.

    A shingle is `width` tokens joined by spaces (all of them, where a block has fewer); its XXH32
    is mixed and permuted to a * h + b. A block without tokens keeps the largest value everywhere.

    Args:
        buffer: UTF-8, lone surrogates passed through.
        starts: int64[n], byte offset of each block in the buffer.
        ends: int64[n], offset after it.
        folded: the texts went through the full normaliser, so none is hard.
        tables: INDEX, ENTRIES, EXPANSIONS, PAIRS of `dedup.kernel.unicode`.
        width: tokens of a shingle, 1 or more.
        padded: a block's tokens begin with the pad ^ and end with the pad $.
        a: uint32[k], odd multipliers.
        b: uint32[k], addends.
        minima: uint32[n, k], gets the values.
        hard: uint8[n], gets 1 where only the full normaliser can fold the block.

    Returns:
        How many blocks are hard.
    """
    rows = minima.reshape(len(starts), len(a))
    for i, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        tokens = tokenise(bytes(buffer[start:end]), tables, folded=folded)
        hard[i] = tokens is None
        words = [token.text for token in tokens or ()]
        if padded and words:
            words = [b"^", *words, b"$"]
        span = min(width, len(words))
        shingles = [b" ".join(words[s : s + span]) for s in range(len(words) - span + 1) if span]
        rows[i] = 0xFFFFFFFF
        if shingles:
            hashes = _mix(np.array([xxhash.xxh32_intdigest(s) for s in shingles], dtype=np.uint32))
            rows[i] = (hashes[:, None] * a + b).min(axis=0)
    return int(hard.sum())


def _mix(hashes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """MurmurHash3's 32-bit finaliser."""
    hashes = (hashes ^ hashes >> np.uint32(16)) * np.uint32(0x85EBCA6B)
    hashes = (hashes ^ hashes >> np.uint32(13)) * np.uint32(0xC2B2AE35)
    return hashes ^ hashes >> np.uint32(16)
