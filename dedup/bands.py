"""Bands of MinHash values: how many of how many, for a recall that is wished.

The classic LSH family (Indyk and Motwani 1998; Leskovec, Rajaraman and Ullman, chapter 3): the
values of a block are cut into bands of `rows` values, and a band is one key. Two blocks of Jaccard
similarity s share a given band with the probability s^r, so they share one of b bands with
1 - (1 - s^r)^b. Numbers alone: knows nothing of texts, and needs no NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, log, log1p

from dedup.errors import SettingsError

MOST_PERMUTATIONS = 1 << 16
"""Far more than an estimate can use, and few enough that a mistake cannot fill the memory."""

MOST_BANDS = 128
"""Keys of a block at most: what the kernel allows (MAX_KEYS in native/index.h)."""


@dataclass(frozen=True, slots=True)
class Bands:
    """The bands of a block.

    Attributes:
        count: bands, the b of the formula: a key each.
        rows: values of a band, its r.
        num_perm: permutations that are drawn; the first `count * rows` are used.
        seed: of the permutations.
    """

    count: int
    rows: int
    num_perm: int
    seed: int


def check_permutations(num_perm: int, seed: int) -> None:
    """Refuse what cannot be drawn.

    Raises:
        SettingsError: `num_perm` or `seed` is out of range, or no whole number.
    """
    if not _is_whole(num_perm) or not 1 <= num_perm <= MOST_PERMUTATIONS:
        raise SettingsError(f"num_perm={num_perm!r}: give a number from 1 to {MOST_PERMUTATIONS}")
    if not _is_whole(seed) or not 0 <= seed < 1 << 32:
        raise SettingsError(f"seed={seed!r}: give a number from 0 to {(1 << 32) - 1}")


@lru_cache(maxsize=64)
def choose_bands(threshold: float, recall: float, num_perm: int) -> tuple[int, int]:
    """The most precise bands that keep a recall at the threshold.

    More rows make a key rarer, so unlike blocks share fewer. Chosen are the most rows for which so
    many bands as the recall takes, the fewest b with 1 - (1 - threshold^rows)^b >= recall, have
    room: b * rows <= num_perm and b <= MOST_BANDS. datasketch's default weighs all similarities
    alike instead, which finds four in ten of the pairs that lie at the threshold.

    Args:
        threshold: the Jaccard similarity at which the recall is wished, over 0 and up to 1.
        recall: probability that two blocks that similar share a key, over 0 and under 1.
        num_perm: values of a block.

    Returns:
        Bands and rows.

    Raises:
        SettingsError: even bands of one value are too few: names the remedies.
    """
    found = None
    for rows in range(1, num_perm + 1):
        shared = threshold**rows
        bands = 1 if shared >= 1 else ceil(log(1 - recall) / log1p(-shared)) if shared else num_perm
        if bands * rows > num_perm or bands > MOST_BANDS:
            break  # more rows only ask for more bands
        found = bands, rows
    if found is None:
        needed = ceil(log(1 - recall) / log1p(-threshold))
        limit = f"num_perm={num_perm}" if num_perm < MOST_BANDS else f"{MOST_BANDS} bands at most"
        raise SettingsError(
            f"recall={recall!r}: from threshold={threshold!r} on that takes {needed} bands, and "
            f"there is {limit}: wish for less recall, raise the threshold or take lsh='bottom'"
        )
    return found


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
