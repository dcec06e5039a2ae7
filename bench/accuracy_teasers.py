"""Scores on the teaser benchmark: who points at the true source, by kind of change and by length.

A positive is found when a source is among the blocks that are named for it (a verdict of dedup
names one; a peer may name many). F1 is as if there was a negative for each positive: the share of
negatives for which any block is named, of that length where the row is a length, counts as false
positives. Must not know how cases are made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from accuracy_peers import BANDED, PEERS, Dedup, Matcher, Peer, Scored, Setting
from common import progress
from teasers import LENGTHS, Teasers, length_class

from dedup.normalise import normalise
from dedup.settings import Settings

ALL = "all"
SWEEP = {
    f"t {threshold:g}, contained {share:g}": Settings(
        threshold=threshold, excerpt_containment=share
    )
    for threshold in (0.3, 0.35, 0.4, 0.45, 0.5, 0.6)
    for share in (0.7, 0.8)
}
"""dedup's settings, of which one is best; peers have theirs in `accuracy_peers.py`."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What was named for each case: bool[n] each.

    Attributes:
        found: a source is among the blocks named.
        flagged: any block was named.
    """

    found: npt.NDArray[np.bool_]
    flagged: npt.NDArray[np.bool_]


class Benchmark:
    """The cases with their texts normalised, and the masks of its rows."""

    def __init__(self, teasers: Teasers) -> None:
        self.teasers = teasers
        self.texts = [normalise(text) for text in teasers.texts]
        self.cases = [normalise(case.text) for case in teasers.cases]
        self.kinds = np.array([case.kind for case in teasers.cases])
        self.positive = np.array([bool(case.sources) for case in teasers.cases])
        self.lengths = np.array([length_class(text.count(" ") + 1) for text in self.cases])

    def outcome(self, named: Sequence[Sequence[int]]) -> Outcome:
        """Compare what was named for each case with the truth."""
        return Outcome(
            np.array(
                [
                    any(number in case.sources for number in numbers)
                    for numbers, case in zip(named, self.teasers.cases, strict=True)
                ]
            ),
            np.array([len(numbers) > 0 for numbers in named]),
        )

    def f1(
        self, outcome: Outcome, row: npt.NDArray[np.bool_], negatives: npt.NDArray[np.bool_]
    ) -> float:
        """F1 of the positives of a row against these negatives."""
        positives = row & self.positive
        found = int((outcome.found & positives).sum())
        wrong = int((outcome.flagged & ~outcome.found & positives).sum())
        missed = int(positives.sum()) - found
        false = outcome.flagged[negatives].mean() * positives.sum() if negatives.any() else 0.0
        return float(2 * found / (2 * found + missed + wrong + false)) if positives.any() else 0.0

    def overall(self, outcome: Outcome) -> float:
        """F1 of everything."""
        return self.f1(outcome, self.positive, ~self.positive)

    def rows(self, outcome: Outcome) -> dict[str, dict[str, float]]:
        """All figures: `f1` by kind and by length, `recall` by both, `false` by kind and length."""
        everything = np.ones(len(self.cases), dtype=bool)
        kinds = dict.fromkeys(self.kinds[self.positive].tolist())
        negative_kinds = dict.fromkeys(self.kinds[~self.positive].tolist())
        lengths = [length_class(low) for low, _ in LENGTHS]
        f1 = {ALL: self.overall(outcome)}
        recall: dict[str, float] = {}
        false: dict[str, float] = {}
        for kind in kinds:
            f1[kind] = self.f1(outcome, self.kinds == kind, ~self.positive)
        for length in lengths:
            row = self.lengths == length
            f1[length] = self.f1(outcome, row, row & ~self.positive)
        for name in (ALL, *kinds):
            for length in (ALL, *lengths):
                row = self.positive & (everything if name == ALL else self.kinds == name)
                row &= everything if length == ALL else self.lengths == length
                if row.any():
                    recall[f"{name} | {length}"] = float(outcome.found[row].mean())
        for name in negative_kinds:
            false[name] = float(outcome.flagged[self.kinds == name].mean())
        for length in lengths:
            row = (self.lengths == length) & ~self.positive
            if row.any():
                false[length] = float(outcome.flagged[row].mean())
        return {"f1": f1, "recall": recall, "false": false}

    def counts(self) -> dict[str, int]:
        """How many cases each row has."""
        both = np.char.add(np.char.add(self.kinds, " | "), self.lengths)
        rows = np.concatenate((self.kinds, self.lengths, both))
        names, counts = np.unique(rows, return_counts=True)
        return dict(zip(names.tolist(), counts.tolist(), strict=True))


def measure_dedup(benchmark: Benchmark, matcher: Dedup) -> Outcome:
    """dedup's outcome, from the texts as they stand; an extension names its original too."""
    matcher.add(benchmark.teasers.texts)
    verdicts = matcher.match([case.text for case in benchmark.teasers.cases])
    return benchmark.outcome([[number] if number >= 0 else [] for _, number in verdicts])


def measure_best(benchmark: Benchmark, chosen_on: Benchmark) -> dict[str, Any]:
    """dedup's outcome at the setting with the best F1 overall on other cases."""
    tried = {}
    for label, settings in SWEEP.items():
        progress(f"dedup, {label}")
        tried[label] = chosen_on.overall(measure_dedup(chosen_on, Dedup(settings)))
    best = max(tried, key=lambda label: tried[label])
    outcome = measure_dedup(benchmark, Dedup(SWEEP[best]))
    return {"setting": best, "tried": tried} | benchmark.rows(outcome)


def measure_peer(benchmark: Benchmark, name: str, peer: Peer) -> dict[str, Any]:
    """A peer as documented, at the setting of its sweep with the best F1 overall, and by row.

    `best` is one setting for all rows, as a user has one; `by_row` has for each row the F1 of the
    setting that is best for that row.
    """
    documented, _ = _scored(benchmark, peer.documented)
    threshold = documented.threshold
    result: dict[str, Any] = {
        "documented": {"setting": peer.documented.label}
        | benchmark.rows(_cut(benchmark, documented.scored, threshold))
    }
    best: tuple[float, str, Outcome] | None = None
    tried: dict[str, float] = {}
    by_row: dict[str, float] = {}
    for setting in peer.sweep:
        progress(f"{name}, {setting.label}")
        run, _ = _scored(benchmark, setting)
        for at in setting.thresholds or (run.threshold,):
            label = (
                f"{setting.label}, from {at:g}" if len(setting.thresholds) > 1 else setting.label
            )
            outcome = _cut(benchmark, run.scored, at)
            f1 = benchmark.rows(outcome)["f1"]
            by_row = {row: max(value, by_row.get(row, 0.0)) for row, value in f1.items()}
            tried[label] = f1[ALL]
            if best is None or tried[label] > best[0]:
                best = tried[label], label, outcome
    assert best
    result["best"] = {"setting": best[1]} | benchmark.rows(best[2])
    result["tried"], result["by_row"] = tried, by_row
    return result


@dataclass(frozen=True, slots=True)
class _Run:
    threshold: float
    scored: list[Scored]


def _scored(benchmark: Benchmark, setting: Setting) -> tuple[_Run, Matcher]:
    matcher = setting.make()
    matcher.add(benchmark.texts)
    return _Run(matcher.threshold, matcher.score(benchmark.cases)), matcher


def _cut(benchmark: Benchmark, scored: Sequence[Scored], threshold: float) -> Outcome:
    return benchmark.outcome(
        [[number for number, score in some if score >= threshold] for some in scored]
    )


def measure(
    teasers: Teasers, chosen_on: Teasers, peers: Mapping[str, Peer] = PEERS
) -> dict[str, Any]:
    """Everybody on the benchmark.

    dedup's best setting is the best on `chosen_on`; the peers' are the best on what is reported.
    """
    benchmark = Benchmark(teasers)
    progress("dedup on teasers")
    return {
        "source": teasers.source,
        "index": len(teasers.texts),
        "cases": benchmark.counts(),
        "dedup": benchmark.rows(measure_dedup(benchmark, Dedup())),
        "dedup_best": measure_best(benchmark, Benchmark(chosen_on)),
        "banded": benchmark.rows(measure_dedup(benchmark, Dedup(BANDED))),
        "peers": {name: measure_peer(benchmark, name, peer) for name, peer in peers.items()},
    }
