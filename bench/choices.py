"""What the defaults should be: keys, thresholds and the rule of excerpts, one at a time.

Each choice is varied around the defaults; each variant runs on the teaser benchmark (F1 and false
repeats; on the half of the sources of which no figures are reported) and on two data sets (recall
over originals). Key schemes are those of `dedup.sketch`, which tells what the numbers mean. How
many ids a key holds is fixed in the kernel, so not varied.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from common import arguments, describe, print_table, progress, require_peers, run_fairly, save

SETS = ("civil_codes", "ota_terms")
CHOOSING = 7
"""Seed of the cases that are chosen on."""
KINDS = (
    "cut, clean",
    "cut, “Read more”",
    "quote from the middle",
    "one word changed",
    "words edited, 10 %",
    "typos, 15 %",
    "merged with the next",
)
"""The kinds of change that choices tell apart."""

LONG_WEIGHT, NEIGHBOURS, LONG_KEYS, HEAD_KEYS, SHORT_WEIGHT, SHORT_BELOW, SHORT_KEYS = range(7)
LEAST_LONG, MOST_SHORT, SPREAD = 7, 8, 9
SCHEMES: Mapping[str, Mapping[int, int]] = {
    "defaults": {},
    "windows of 4 words": {LONG_WEIGHT: 32},
    "windows of 6 words": {LONG_WEIGHT: 48},
    "no local minima": {NEIGHBOURS: 0},
    "minima among 1 on either side": {NEIGHBOURS: 1},
    "minima among 3 on either side": {NEIGHBOURS: 3},
    "6 of all minima": {LONG_KEYS: 6},
    "8 of all minima": {LONG_KEYS: 8},
    "10 of all minima": {LONG_KEYS: 10},
    "long blocks: the 8 smallest": {LONG_KEYS: 8, SPREAD: 1_000_000},
    "long blocks: about 6": {SPREAD: 6},
    "long blocks: about 8": {SPREAD: 8},
    "the first window no key": {HEAD_KEYS: 0},
    "the first 2 windows": {HEAD_KEYS: 2},
    "short windows of 2 words": {SHORT_WEIGHT: 16},
    "short windows of 4 words": {SHORT_WEIGHT: 32},
    "short windows below 24 words": {SHORT_BELOW: 192},
    "short windows below 40 words": {SHORT_BELOW: 320},
    "4 short windows": {SHORT_KEYS: 4},
    "8 short windows": {SHORT_KEYS: 8},
    "long keys not filled up": {LEAST_LONG: 0, MOST_SHORT: 32},
    "filled up to 6": {LEAST_LONG: 6},
    "filled up to 8": {LEAST_LONG: 8},
    "filled up to 7, short to 8": {MOST_SHORT: 8},
    "filled up to 7, short to 10": {MOST_SHORT: 10},
}
"""Changes to the key scheme."""

RULES: Mapping[str, Mapping[str, Any]] = {
    "threshold .4": {"threshold": 0.4},
    "threshold .45": {"threshold": 0.45},
    "threshold .55": {"threshold": 0.55},
    "threshold .6": {"threshold": 0.6},
    "threshold .7": {"threshold": 0.7},
    "containment .7": {"excerpt_containment": 0.7},
    "containment .75": {"excerpt_containment": 0.75},
    "containment .9": {"excerpt_containment": 0.9},
    "6 shared shingles": {"excerpt_shingles": 6},
    "12 shared shingles": {"excerpt_shingles": 12},
    "ratio .7": {"excerpt_ratio": 0.7},
    "ratio .9": {"excerpt_ratio": 0.9},
    "threshold .45, containment .7": {"threshold": 0.45, "excerpt_containment": 0.7},
}
"""Changes to the settings."""


@contextmanager
def key_scheme(changes: Mapping[int, int]) -> Iterator[None]:
    """With another key scheme in this process."""
    from dedup import sketch  # noqa: PLC0415 - loads NumPy, after the environment is fair

    before, most = sketch.KEY_SCHEME, sketch.MAX_KEYS
    changed = before.copy()
    for place, value in changes.items():
        changed[place] = value
    sketch.KEY_SCHEME = changed
    sketch.MAX_KEYS = int(changed[[LONG_KEYS, HEAD_KEYS, SHORT_KEYS]].sum())
    try:
        yield
    finally:
        sketch.KEY_SCHEME, sketch.MAX_KEYS = before, most


def measure(
    benchmark: Any, sets: Mapping[str, tuple[Sequence[str], Any]], rule: Mapping[str, Any]
) -> dict[str, Any]:
    """One variant: the teaser benchmark, and recall, keys and candidates on the data sets."""
    import accuracy_sets  # noqa: PLC0415 - the peers are imported once they are there
    import accuracy_teasers  # noqa: PLC0415 - same
    from accuracy_peers import Dedup  # noqa: PLC0415 - same

    from dedup.settings import Settings  # noqa: PLC0415 - loads NumPy

    settings = replace(Settings(), **rule)
    rows = benchmark.rows(accuracy_teasers.measure_dedup(benchmark, Dedup(settings)))
    found = {
        name: accuracy_sets.measure_dedup(texts, pairs, settings)
        for name, (texts, pairs) in sets.items()
    }
    return {
        "f1": rows["f1"]["all"],
        "false": max(rows["false"].values()),
        "kinds": {kind: rows["recall"][f"{kind} | all"] for kind in KINDS},
        "recall": {name: entry["from"]["0.6"]["found"] for name, entry in found.items()},
        "flagged": {name: entry["flagged"] for name, entry in found.items()},
        "keys": float(np.mean([entry["keys"] for entry in found.values()])),
        "candidates": float(np.mean([entry["candidates"] for entry in found.values()])),
    }


def main() -> None:
    """Measure, print, save."""
    parser = arguments("choices", __doc__)
    options: argparse.Namespace = parser.parse_args()
    require_peers()
    run_fairly()
    from accuracy_teasers import Benchmark  # noqa: PLC0415 - once the environment is fair
    from accuracy_text import distinct_blocks, missing  # noqa: PLC0415 - same
    from corpora import DATA  # noqa: PLC0415 - same
    from teasers import CHOSEN_ON, make_teasers  # noqa: PLC0415 - same
    from truth import similar_pairs  # noqa: PLC0415 - same

    folder: Path = (options.data or DATA).resolve()
    if missing(folder):
        sys.exit(f"error: {folder.name} has no {missing(folder)[0]}: say where it is with --data")
    count, a_class, others = (3_000, 40, 2_000) if options.quick else (15_000, 150, 10_000)
    teasers = make_teasers(folder, a_class=a_class, others=others, seed=CHOOSING, half=CHOSEN_ON)
    benchmark = Benchmark(teasers)
    sets = {}
    for name in SETS:
        texts = [block.normalised for block in distinct_blocks(name, folder, count)]
        sets[name] = (texts, similar_pairs(texts, 0.5))
    result: dict[str, Any] = describe(options) | {"schemes": {}, "rules": {}}
    for name, changes in SCHEMES.items():
        progress(name)
        with key_scheme(changes):
            result["schemes"][name] = measure(benchmark, sets, {})
    for name, rule in RULES.items():
        progress(name)
        result["rules"][name] = measure(benchmark, sets, rule)
    head = [
        "",
        "F1",
        "false",
        *KINDS,
        *(f"{name} >= .6" for name in SETS),
        "keys",
        "cand.",
        "flagged",
    ]
    for title, found in (("Keys", result["schemes"]), ("Rule", result["rules"])):
        rows = [
            [
                name,
                f"{entry['f1']:.4f}",
                f"{entry['false']:.4f}",
                *(f"{share:.3f}" for share in entry["kinds"].values()),
                *(f"{share:.4f}" for share in entry["recall"].values()),
                f"{entry['keys']:.1f}",
                f"{entry['candidates']:.2f}",
                " ".join(map(str, entry["flagged"].values())),
            ]
            for name, entry in found.items()
        ]
        print_table(title, head, rows)
    save(result, options.json)


if __name__ == "__main__":
    main()
