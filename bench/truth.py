"""The truth by brute force: exact set-similarity and containment joins over all pairs of blocks.

Shingles are runs of words of the normalised text; a sparse matrix product counts what each pair
shares. Nothing is sampled, capped or hashed, so this is what every index is measured against. Takes
normalised texts; must not know who is measured, or by which thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

Shingler: TypeAlias = Callable[[str], set[tuple[str, str]]]

ROWS = 500
"""Rows of a product at a time: its memory stays in the hundreds of megabytes."""


def pairs_of(normalised: str) -> set[tuple[str, str]]:
    """The padded word 2-shingles of a normalised text."""
    return set(pairwise(["^", *normalised.split(" "), "$"]))


def plain_pairs_of(normalised: str) -> set[tuple[str, str]]:
    """Its word 2-shingles without pads."""
    return set(pairwise(normalised.split(" ")))


def similarity(first: str, second: str) -> float:
    """Jaccard similarity of the padded word 2-shingles of two normalised texts."""
    a, b = pairs_of(first), pairs_of(second)
    return len(a & b) / len(a | b)


def containment(first: str, second: str) -> float:
    """Share of the plain 2-shingles of the text with fewer that the other has (0: it has none)."""
    a, b = plain_pairs_of(first), plain_pairs_of(second)
    return len(a & b) / min(len(a), len(b)) if a and b else 0.0


def is_beginning(text: str, whole: str, at_least: int) -> bool:
    """Whether a longer text begins with one of so many words, but for a label before it.

    A label has up to three words, or up to five where what follows is twice as long.
    """
    words = text.split(" ")
    return any(
        len(words) - before >= max(at_least, 2 * before if before > 3 else 0)
        and f"{whole} ".startswith(" ".join([*words[before:], ""]))
        and len(words) - before < whole.count(" ") + 1
        for before in range(6)
    )


def similar_pairs(blocks: Sequence[str], threshold: float) -> npt.NDArray[np.float64]:
    """Every pair of a block and an earlier one at or above the threshold.

    Returns:
        float64[m, 3]: block, earlier block, Jaccard similarity of the padded 2-shingles.
    """
    found = [np.empty((0, 3))]
    for rows, columns, shared, own, its in _products(blocks, blocks, pairs_of):
        jaccard = shared / (own + its - shared)
        wanted = (columns < rows) & (jaccard >= threshold)
        found.append(np.stack((rows[wanted], columns[wanted], jaccard[wanted]), axis=1))
    return np.concatenate(found)


def contained_pairs(
    texts: Sequence[str], sources: Sequence[str], share: float, at_least: int
) -> npt.NDArray[np.float64]:
    """Every pair of a text and a source where one contains the other.

    Args:
        texts: normalised texts.
        sources: normalised texts to look for them in.
        share: of the plain 2-shingles of the one with fewer, so many are in the other, at least.
        at_least: and so many of them.

    Returns:
        float64[m, 4]: text, source, containment, and the 2-shingles of the text over the source's.
    """
    found = [np.empty((0, 4))]
    for rows, columns, shared, own, its in _products(texts, sources, plain_pairs_of):
        contained = shared / np.minimum(own, its)
        wanted = (contained >= share) & (shared >= at_least)
        columns_of_pair = (rows, columns, contained, own / its)
        found.append(np.stack([column[wanted] for column in columns_of_pair], axis=1))
    return np.concatenate(found)


def _products(
    texts: Sequence[str], sources: Sequence[str], shingle: Shingler
) -> Iterator[tuple[npt.NDArray[np.int64], ...]]:
    """Text, source, shared shingles, the text's and the source's, of all pairs that share any."""
    columns: dict[tuple[str, str], int] = {}
    mine = _shingle_matrix(texts, shingle, columns)
    its = mine if sources is texts else _shingle_matrix(sources, shingle, columns)
    mine.resize(mine.shape[0], len(columns))
    its.resize(its.shape[0], len(columns))
    sizes, its_sizes = (np.asarray(matrix.sum(axis=1)).ravel() for matrix in (mine, its))
    other = its.T.tocsr()
    for first in range(0, len(texts), ROWS):
        product = (mine[first : first + ROWS] @ other).tocoo()
        row = product.row.astype(np.int64) + first
        yield row, product.col.astype(np.int64), product.data, sizes[row], its_sizes[product.col]


def _shingle_matrix(
    texts: Sequence[str], shingle: Shingler, columns: dict[tuple[str, str], int]
) -> csr_matrix:
    """One row a text, one column a shingle, ones where the text has it."""
    rows: list[int] = []
    places: list[int] = []
    for row, text in enumerate(texts):
        pairs = shingle(text)
        rows += [row] * len(pairs)
        places += [columns.setdefault(pair, len(columns)) for pair in pairs]
    ones = np.ones(len(rows), dtype=np.int32)
    return csr_matrix((ones, (rows, places)), shape=(len(texts), len(columns)))
