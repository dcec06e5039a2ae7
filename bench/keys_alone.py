"""What are estimates worth, which are all that an index with `keep="keys"` has, beside brute force?

Blocks of four data sets, a page each, go into an index in Redis that keeps keys alone. Recall: of
those that have an earlier original at or above the threshold, the share that is flagged. Of those
flagged as near: the share whose original is that similar, and the share that repeats it one way or
another, by containment too; and how far the estimate is from the truth. Must not know how it is
made. `--half 0` is the half of the blocks to choose by, 1 (the default) the one to report on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common import arguments, describe, print_table, progress, run_fairly, save

THRESHOLDS = (0.5, 0.6, 0.7)


def measure(texts: Sequence[str], pairs: Any, url: str, threshold: float) -> dict[str, Any]:
    """One data set at one threshold."""
    import numpy as np  # noqa: PLC0415 - after the environment is fair
    from truth import containment, similarity  # noqa: PLC0415 - same

    from dedup import Deduper, Page  # noqa: PLC0415 - same

    near = {}
    pages = (Page(text, str(at), format="text") for at, text in enumerate(texts))
    with Deduper(url, namespace=f"{threshold}", keep="keys", threshold=threshold) as deduper:
        deduper.clear()
        for at, report in enumerate(deduper.check_many(pages)):
            repeat = report.blocks[0].repeat if report.repeats else None
            if repeat:
                near[at] = int(repeat.original.page), repeat.similarity
        deduper.clear()
    repeats_something = {
        int(at) for at, earlier, _ in pairs[pairs[:, 2] >= threshold] if earlier not in near
    }
    true = np.array([similarity(texts[at], texts[original]) for at, (original, _) in near.items()])
    inside = np.array([containment(texts[at], texts[other]) for at, (other, _) in near.items()])
    error = np.array([estimate for _, estimate in near.values()]) - true
    return {
        "blocks": len(texts),
        "flagged": len(near),
        "recall": len(repeats_something & near.keys()) / max(1, len(repeats_something)),
        "precision": float((true >= threshold).mean()),
        "repeats": float(((true >= threshold) | (inside >= 0.8)).mean()),
        "bias": float(error.mean()),
        "error": float(np.abs(error).mean()),
    }


def measure_all(folder: Path, url: str, *, count: int, half: int) -> dict[str, Any]:
    """Every data set."""
    from accuracy import SETS  # noqa: PLC0415 - after the environment is fair
    from accuracy_text import distinct_blocks  # noqa: PLC0415 - same
    from truth import similar_pairs  # noqa: PLC0415 - same

    result: dict[str, Any] = {}
    for name in SETS:
        progress(name)
        blocks = distinct_blocks(name, folder, 2 * count)[half::2]
        texts = [block.normalised for block in blocks]
        pairs = similar_pairs(texts, min(THRESHOLDS))
        result[name] = {str(t): measure(texts, pairs, url, t) for t in THRESHOLDS}
    return result


def print_result(result: Mapping[str, Any]) -> None:
    """A row a data set and threshold."""
    columns = ("recall", "precision", "repeats", "bias", "error")
    rows = [
        [name, threshold, str(found["flagged"]), *(f"{found[column]:.3f}" for column in columns)]
        for name, by in result.items()
        for threshold, found in by.items()
    ]
    head = ["set", "threshold", "flagged", "recall", "similar", "repeats", "bias", "error"]
    print_table('keep="keys"', head, rows)


def main() -> None:
    """Measure, print, save."""
    parser = arguments("keys_alone", __doc__)
    parser.add_argument("--half", type=int, choices=(0, 1), default=1, help="of the blocks")
    options: argparse.Namespace = parser.parse_args()
    if options.data is None:
        sys.exit("error: --data says where the real text is (see README.md)")
    run_fairly()
    from redis_index import server  # noqa: PLC0415 - imports redis

    with server(None) as url:
        count = 1_000 if options.quick else 6_000
        found = measure_all(options.data, url, count=count, half=options.half)
    print_result(found)
    save(describe(options) | {"sets": found}, options.json)


if __name__ == "__main__":
    main()
