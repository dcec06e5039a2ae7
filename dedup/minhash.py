"""Blocks to MinHash values: the classic sketch of k permutations, bit for bit as datasketch's.

The values are those of `datasketch.MinHash(num_perm, seed, hashfunc=xxhash.xxh32_intdigest)`
(version 2, scheme `affine32`) updated with the word shingles of the normalised text, in UTF-8. The
classic LSH family takes padded pairs of words, the shingles by which blocks are compared, so that
what it promises at a similarity holds for the similarity that a verdict names. Knows nothing of
pages, verdicts or storage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import xxhash

from dedup import kernel
from dedup.bands import Bands, check_permutations
from dedup.errors import SettingsError
from dedup.normalise import TABLES, hard_texts

_UInt32s = npt.NDArray[np.uint32]
_UInt64s = npt.NDArray[np.uint64]

_BAND_MULTIPLIER = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True, slots=True, eq=False)
class MinHashes:
    """MinHash values of texts, for use beside dedup.

    The shingles are pairs of words of the normalised text with a pad at either end: of "One, two"
    the strings `^ one`, `one two` and `two $`. An index with `lsh="banded"` makes its keys of the
    same values.

    Attributes:
        values: uint32[n, num_perm].
        seed: of the permutations.
    """

    values: npt.NDArray[np.uint32]
    seed: int = 1

    @classmethod
    def of(cls, texts: Sequence[str], *, num_perm: int = 128, seed: int = 1) -> Self:
        """The values of some texts.

        Raises:
            SettingsError: `num_perm` or `seed` is out of range.
        """
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        bounds = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        columns = b"".join(encoded), bounds[:-1], bounds[1:]
        return cls(
            minhash_texts(*columns, num_perm=num_perm, seed=seed, width=2, padded=True), seed
        )

    def __len__(self) -> int:
        """How many texts."""
        return len(self.values)

    def to_datasketch(self) -> list[Any]:
        """A `datasketch.MinHash` for each text, equal to one that was updated with its shingles.

        Raises:
            SettingsError: datasketch is not installed, or is older than 2.0.
        """
        try:
            import datasketch  # noqa: PLC0415 - an extra, and slow to import
        except ImportError as error:
            raise SettingsError(
                "to_datasketch() needs datasketch: pip install 'datasketch>=2'"
            ) from error
        if not hasattr(datasketch.MinHash(1), "scheme"):
            raise SettingsError(
                "to_datasketch() needs datasketch 2, whose permutations these values are of: "
                "pip install 'datasketch>=2'"
            )
        drawn = permutations(self.values.shape[1], self.seed)
        return [
            datasketch.MinHash(
                seed=self.seed,
                hashfunc=xxhash.xxh32_intdigest,
                hashvalues=row,
                permutations=drawn,
                scheme="affine32",
            )
            for row in self.values
        ]


def band_keys(values: _UInt32s, bands: Bands) -> _UInt64s:
    """The LSH keys of MinHash values: a hash of each band's number and its values.

    Two blocks have a key in common where they have all values of a band in common, but for the
    collisions of a 64-bit hash: where `datasketch.MinHashLSH(params=(bands.count, bands.rows))`
    puts them into one bucket.

    Args:
        values: uint32[n, k], of which the first `bands.count * bands.rows` are used.
        bands: how they are cut.

    Returns:
        uint64[n, bands.count].
    """
    cut = values[:, : bands.count * bands.rows].reshape(len(values), bands.count, bands.rows)
    keys = np.empty(cut.shape[:2], dtype=np.uint64)
    keys[:] = np.arange(1, bands.count + 1, dtype=np.uint64)
    for row in range(bands.rows):
        keys = _mix((keys * _BAND_MULTIPLIER) ^ cut[:, :, row])
    return keys


def _mix(values: _UInt64s) -> _UInt64s:
    """The final mix of XXH64: a bijection that spreads every bit."""
    values = (values ^ values >> np.uint64(33)) * np.uint64(0xC2B2AE3D27D4EB4F)
    values = (values ^ values >> np.uint64(29)) * np.uint64(0x165667B19E3779F9)
    return values ^ values >> np.uint64(32)


@lru_cache(maxsize=16)
def permutations(num_perm: int, seed: int) -> tuple[_UInt32s, _UInt32s]:
    """The multipliers (odd) and addends of the permutations h -> a * h + b (mod 2^32).

    Drawn as datasketch draws them, so these are `MinHash(num_perm, seed).permutations`.

    Returns:
        uint32[num_perm] each; they are shared and cannot be written to.

    Raises:
        SettingsError: `num_perm` or `seed` is out of range.
    """
    check_permutations(num_perm, seed)
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
    padded: bool = False,
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
        padded: a block's tokens begin with the pad `^` and end with the pad `$`.

    Returns:
        uint32[n, num_perm].

    Raises:
        SettingsError: `num_perm`, `seed` or `width` is out of range.
    """
    if width < 1:
        raise SettingsError(f"width={width!r}: a shingle has 1 token or more")
    drawn = permutations(num_perm, seed)
    run = partial(_run_kernel, width=width, padded=padded, drawn=drawn)
    values, hard = run(buffer, starts, ends, folded=False)
    if hard.any():
        places = np.flatnonzero(hard)
        folded = hard_texts(buffer, starts, ends, places)
        values[places], _ = run(*folded, folded=True)
    return values


def _run_kernel(
    buffer: bytes,
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    *,
    width: int,
    padded: bool,
    drawn: tuple[_UInt32s, _UInt32s],
    folded: bool,
) -> tuple[_UInt32s, npt.NDArray[np.uint8]]:
    """One call of the kernel, and which blocks it left to the full normaliser."""
    values = np.empty((len(starts), len(drawn[0])), dtype=np.uint32)
    hard = np.zeros(len(starts), dtype=np.uint8)
    kernel.minhash(buffer, starts, ends, folded, TABLES, width, padded, *drawn, values, hard)
    return values, hard
