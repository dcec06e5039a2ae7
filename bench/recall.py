"""Does dedup find what brute force finds, and nothing below its threshold?

The truth is the exact join: the Jaccard similarity of the padded word 2-shingles of every pair of
blocks, from their normalised texts, by a sparse matrix product. Recall is counted over originals:
of the blocks that have an earlier original at or above the threshold, the share that was flagged.
Precision: of the blocks flagged as near, the share whose similarity to the original that the report
names is at or above the threshold. Also: how many truncated teasers of the blocks are found.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from common import arguments, describe, print_table, progress, run_fairly, save
from scipy.sparse import csr_matrix

from dedup.index.memory import MemoryIndex
from dedup.normalise import normalise
from dedup.settings import Settings
from dedup.sketch import Sketches, sketch_texts
from dedup.verdict import VerdictKind, Verdicts

DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
SPLIT = {
    "civil_codes": r"\n\s*\n|\n(?=\s*(?:§|Sec\.|SEC\.|Sect\.|\d+\. ))",
    "ota_terms": r"\n\s*\n",
}
THRESHOLDS = (0.6, 0.7, 0.8, 0.9)
FLAGGED = (VerdictKind.EXACT, VerdictKind.NEAR, VerdictKind.EXCERPT)
TEASERS = {"cut to 25 %": 0.25, "cut to 40 %": 0.4, "first 20 words": 0.0}


def distinct_blocks(path: Path, pattern: str, count: int) -> list[str]:
    """The first distinct blocks of five words or more."""
    found: dict[str, None] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            for block in re.split(pattern, json.loads(line)["text"]):
                text = normalise(block)
                if text.count(" ") >= 4 and text not in found:
                    found[text] = None
                    if len(found) == count:
                        return list(found)
    return list(found)


def sketch(blocks: list[str]) -> Sketches:
    """Sketches of the blocks."""
    encoded = [block.encode("utf-8", "surrogatepass") for block in blocks]
    bounds = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return sketch_texts(b"".join(encoded), bounds[:-1], bounds[1:])


def shingle_matrix(blocks: list[str]) -> csr_matrix:
    """One row a block, one column a padded word 2-shingle, ones where it has it."""
    columns: dict[tuple[str, str], int] = {}
    rows: list[int] = []
    places: list[int] = []
    for row, block in enumerate(blocks):
        words = ["^", *block.split(" "), "$"]
        shingles = {columns.setdefault(pair, len(columns)) for pair in itertools.pairwise(words)}
        rows += [row] * len(shingles)
        places += shingles
    ones = np.ones(len(rows), dtype=np.int32)
    return csr_matrix((ones, (rows, places)), shape=(len(blocks), len(columns)))


def similar_pairs(blocks: list[str], threshold: float) -> Iterator[npt.NDArray[np.float64]]:
    """Every (block, earlier block, similarity) at or above the threshold."""
    matrix = shingle_matrix(blocks)
    sizes = np.asarray(matrix.sum(axis=1)).ravel()
    other = matrix.T.tocsr()
    for first in range(0, len(blocks), 500):
        product = (matrix[first : first + 500] @ other).tocoo()
        row, column = product.row + first, product.col
        similarity = product.data / (sizes[row] + sizes[column] - product.data)
        wanted = (column < row) & (similarity >= threshold)
        yield np.stack((row[wanted], column[wanted], similarity[wanted]), axis=1)


def similarity(first: str, second: str) -> float:
    """Jaccard similarity of the padded word 2-shingles of two normalised texts."""
    a, b = (set(itertools.pairwise(["^", *text.split(" "), "$"])) for text in (first, second))
    return len(a & b) / len(a | b)


def judge(index: MemoryIndex, blocks: list[str], prefix: str) -> Verdicts:
    """Each block checked as a page of its own."""
    names = [f"{prefix}{at}" for at in range(len(blocks))]
    return index.check(sketch(blocks), names, np.arange(len(blocks) + 1), 1)


def measure(blocks: list[str]) -> dict[str, Any]:
    """Recall by threshold, precision at the default one, and teasers found."""
    index = MemoryIndex(Settings())
    verdicts = judge(index, blocks, "")
    flagged = np.isin(verdicts.kinds, FLAGGED)
    is_original = np.isin(verdicts.kinds, (VerdictKind.NEW, VerdictKind.EXTENSION))
    pairs = np.concatenate(list(similar_pairs(blocks, min(THRESHOLDS))))
    pairs = pairs[is_original[pairs[:, 1].astype(int)]]
    result: dict[str, Any] = {"blocks": len(blocks), "recall": {}}
    for threshold in THRESHOLDS:
        wanted = np.unique(pairs[pairs[:, 2] >= threshold, 0].astype(int))
        result["recall"][str(threshold)] = {
            "blocks": len(wanted),
            "found": float(flagged[wanted].mean()) if len(wanted) else None,
        }
    near = np.flatnonzero(verdicts.kinds == VerdictKind.NEAR)
    true = [
        similarity(blocks[at], blocks[int(verdicts.page_names[verdicts.details[at, 0]])])
        for at in near.tolist()
    ]
    result["near"] = len(near)
    result["precision"] = float(np.mean(np.array(true) >= Settings().threshold))
    result["largest_error"] = float(np.abs(np.array(true) - verdicts.similarity[near]).max())
    originals = [blocks[at] for at in np.flatnonzero(is_original).tolist()]
    result["teasers"] = {
        name: teasers(index, blocks, originals, share) for name, share in TEASERS.items()
    }
    return result


def teasers(
    index: MemoryIndex, blocks: list[str], originals: list[str], share: float
) -> dict[str, float | int]:
    """Blocks of 40 words or more, cut and labelled: how many are found, of those that can be.

    A teaser can be found where some original contains it: brute force over all of them says.
    """
    cut_texts = []
    for block in blocks:
        words = block.split(" ")
        length = max(20, int(share * len(words)))
        if len(words) >= 40 and length < 0.75 * len(words):
            cut_texts.append(" ".join(words[:length]) + " … Read more")
    cut_texts = cut_texts[:: max(1, len(cut_texts) // 2000)]
    verdicts = index.lookup(
        sketch(cut_texts),
        [f"teaser {at}" for at in range(len(cut_texts))],
        np.arange(len(cut_texts) + 1),
        2,
        Settings(),
    )
    found = np.isin(verdicts.kinds, FLAGGED)
    findable = found | contained(cut_texts, originals)
    return {"teasers": int(findable.sum()), "found": float(found[findable].mean())}


def contained(texts: list[str], sources: list[str]) -> npt.NDArray[np.bool_]:
    """Whether some longer source contains each text, by the rule of `excerpt`, by brute force."""
    rule = Settings()
    columns: dict[tuple[str, str, str], int] = {}

    def matrix(blocks: list[str]) -> csr_matrix:
        rows: list[int] = []
        places: list[int] = []
        for row, block in enumerate(blocks):
            words = normalise(block).split(" ")
            triples = {
                columns.setdefault(triple, len(columns))
                for triple in zip(words, words[1:], words[2:], strict=False)
            }
            rows += [row] * len(triples)
            places += triples
        ones = np.ones(len(rows), dtype=np.int32)
        return csr_matrix((ones, (rows, places)), shape=(len(blocks), 4_000_000))

    mine, its = matrix(texts), matrix(sources)
    sizes, its_sizes = (np.asarray(m.sum(axis=1)).ravel() for m in (mine, its))
    found = np.zeros(len(texts), dtype=bool)
    product = (mine @ its.T.tocsr()).tocoo()
    enough = (product.data >= rule.excerpt_shingles) & (
        product.data >= rule.excerpt_containment * sizes[product.row]
    )
    longer = sizes[product.row] < rule.excerpt_ratio * its_sizes[product.col]
    found[product.row[enough & longer]] = True
    return found


def main() -> None:
    """Measure, print, save."""
    parser = arguments("recall", __doc__)
    options: argparse.Namespace = parser.parse_args()
    run_fairly()
    folder = options.data or DATA
    missing = [name for name in SPLIT if not (folder / f"{name}.jsonl.gz").exists()]
    if missing:
        sys.exit(f"error: no {missing[0]}.jsonl.gz in {folder}: say where it is with --data")
    result: dict[str, Any] = describe(options) | {"sets": {}}
    rows = []
    for name, pattern in SPLIT.items():
        progress(name)
        path = folder / f"{name}.jsonl.gz"
        found = measure(distinct_blocks(path, pattern, 5_000 if options.quick else 25_000))
        result["sets"][name] = found
        rows.append(
            [
                name,
                *(f"{found['recall'][str(t)]['found']:.4f}" for t in THRESHOLDS),
                f"{found['precision']:.4f}",
                f"{found['largest_error']:.5f}",
                *(f"{found['teasers'][t]['found']:.4f}" for t in TEASERS),
            ]
        )
    recall = [f"J >= {t}" for t in THRESHOLDS]
    print_table(
        "dedup against brute force",
        ["set", *recall, "precision", "error", *(f"teaser, {t}" for t in TEASERS)],
        rows,
    )
    save(result, options.json)


if __name__ == "__main__":
    main()
