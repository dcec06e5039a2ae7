"""Recall and precision on real data sets, against the exact join.

Recall is counted over originals: of the blocks that brute force finds an earlier kept block for, at
a similarity, the share that was matched with any. Everybody keeps what it did not match, so the
truth differs a little from one to the next. Precision: of the blocks matched, the share that has a
block among its matches that is really similar, from dedup's threshold on. Must not know where the
blocks are from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from accuracy_peers import (
    BANDED,
    Dedup,
    Matcher,
    Peer,
    Setting,
    candidates_of,
    verdicts_of,
)
from common import progress
from truth import contained_pairs, containment, is_beginning, similar_pairs, similarity

from dedup.kernel.kinds import VerdictKind
from dedup.normalise import normalise
from dedup.settings import Settings

BINS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Where the bins of similarity begin; the last one includes 1."""
FLAGGED = (VerdictKind.EXACT, VerdictKind.NEAR, VerdictKind.EXCERPT)
CUTS = {"cut to 25 %": 0.25, "cut to 40 %": 0.4, "first 20 words": 0.0}
CUT_FROM, CUT_TO = 40, 20
"""Blocks of so many words are cut, to so many at least."""


def recall_over(
    pairs: npt.NDArray[np.float64], flagged: npt.NDArray[np.bool_], kept: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    """Recall by bin of the highest similarity with a kept block, and from each threshold on."""
    pairs = pairs[kept[pairs[:, 1].astype(int)]]
    highest = np.zeros(len(flagged))
    np.maximum.at(highest, pairs[:, 0].astype(int), pairs[:, 2])
    bins: dict[str, dict[str, float | int | None]] = {}
    cumulative: dict[str, dict[str, float | int | None]] = {}
    for low, high in zip(BINS, (*BINS[1:], 1.01), strict=True):
        some, more = (highest >= low) & (highest < high), highest >= low
        for found, mask in ((bins, some), (cumulative, more)):
            count = int(mask.sum())
            share = float(flagged[mask].mean()) if count else None
            found[str(low)] = {"blocks": count, "found": share}
    return {"bins": bins, "from": cumulative}


def measure_dedup(
    texts: Sequence[str], pairs: npt.NDArray[np.float64], settings: Settings | None = None
) -> dict[str, Any]:
    """dedup on a data set: all figures, truncated teasers included."""
    matcher = Dedup(settings)
    verdicts = matcher.add(texts)
    flagged = np.isin(verdicts.kinds, FLAGGED)
    kept = np.isin(verdicts.kinds, (VerdictKind.NEW, VerdictKind.EXTENSION))
    points = verdicts_of(verdicts)
    near = [at for at, (kind, _) in enumerate(points) if kind == VerdictKind.NEAR]
    true = np.array([similarity(texts[at], texts[points[at][1]]) for at in near])
    excerpts = [at for at, (kind, _) in enumerate(points) if kind == VerdictKind.EXCERPT]
    contained = np.array(
        [_is_excerpt(texts[at], texts[points[at][1]], matcher.settings) for at in excerpts]
    )
    sketches = matcher.sketch(texts)
    rule = matcher.settings
    originals = [text for text, original in zip(texts, kept.tolist(), strict=True) if original]
    return recall_over(pairs, flagged, kept) | {
        "flagged": int(flagged.sum()),
        "near": len(near),
        "excerpts": len(excerpts),
        "precision": _share(true >= rule.threshold),
        "excerpt_precision": _share(contained),
        "largest_error": float(np.abs(true - verdicts.similarity[near]).max(initial=0)),
        "keys": sketches.key_count / len(texts),
        "candidates": candidates_of(sketches, kept),
        "bytes": matcher.index.stats().bytes / max(1, int(kept.sum())),
        "cuts": {name: _cuts(matcher, texts, originals, share) for name, share in CUTS.items()},
    }


def _is_excerpt(text: str, original: str, rule: Settings) -> bool:
    """Whether the original contains the text, or begins with it but for a label."""
    words = rule.excerpt_shingles // 2 + 1
    contained = containment(text, original) >= rule.excerpt_containment
    return contained or is_beginning(text, original, words)


def _share(true: npt.NDArray[np.bool_]) -> float | None:
    return float(true.mean()) if len(true) else None


def _cuts(
    matcher: Dedup, texts: Sequence[str], originals: Sequence[str], share: float
) -> dict[str, float | int | None]:
    """Blocks cut and labelled: how many are found, of those that some original contains."""
    cut = []
    for text in texts:
        words = text.split(" ")
        length = max(CUT_TO, int(share * len(words)))
        if len(words) >= CUT_FROM and length < 0.75 * len(words):
            cut.append(" ".join(words[:length]) + " … Read more")
    cut = cut[:: max(1, len(cut) // 2000)]
    found = np.array([kind in FLAGGED for kind, _ in matcher.match(cut)], dtype=bool)
    rule = matcher.settings
    inside = contained_pairs(
        [normalise(text) for text in cut],
        originals,
        rule.excerpt_containment,
        rule.excerpt_shingles,
    )
    findable = found.copy()
    findable[inside[inside[:, 3] < rule.excerpt_ratio, 0].astype(int)] = True
    return {"teasers": int(findable.sum()), "found": _share(found[findable])}


def measure_peer(
    texts: Sequence[str], pairs: npt.NDArray[np.float64], matcher: Matcher, threshold: float
) -> dict[str, Any]:
    """A peer on a data set."""
    matches = matcher.stream(texts)
    flagged = np.array([len(found) > 0 for found in matches])
    similar = {(int(a), int(b)) for a, b, j in pairs.tolist() if j >= threshold}
    right = [
        any((at, number) in similar for number in found)
        for at, found in enumerate(matches)
        if found
    ]
    return recall_over(pairs, flagged, ~flagged) | {
        "flagged": int(flagged.sum()),
        "precision": float(np.mean(right)) if right else None,
        "keys": matcher.keys_a_block(),
        "candidates": matcher.candidates / max(1, matcher.queries),
        "bytes": matcher.bytes_a_block(),
    }


# ---- the best setting of a peer ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Best:
    """The setting of a sweep with the best F1, and how good all were."""

    setting: Setting
    threshold: float
    tried: Mapping[str, float]

    @property
    def label(self) -> str:
        """What it is called."""
        return f"{self.setting.label}, from {self.threshold:g}"

    def make(self) -> Matcher:
        """A fresh matcher."""
        matcher = self.setting.make()
        matcher.threshold = self.threshold
        return matcher


def choose(peer: Peer, samples: Sequence[Sequence[str]], threshold: float) -> Best:
    """The best setting to find what is similar from a threshold on, on samples of data sets."""
    totals: dict[tuple[int, float], list[float]] = {}
    truths = [similar_pairs(texts, threshold) for texts in samples]
    for at, setting in enumerate(peer.sweep):
        for texts, pairs in zip(samples, truths, strict=True):
            matcher = setting.make()
            matcher.add(texts)
            scored = matcher.score(texts)
            best = [
                max((score for number, score in some if number < row), default=-1.0)
                for row, some in enumerate(scored)
            ]
            wanted = np.zeros(len(texts), dtype=bool)
            wanted[pairs[:, 0].astype(int)] = True
            for score in setting.thresholds or (matcher.threshold,):
                flagged = np.array(best) >= score
                both = int((flagged & wanted).sum())
                f1 = 2 * both / max(1, int(flagged.sum()) + int(wanted.sum()))
                totals.setdefault((at, score), []).append(f1)
    means = {key: float(np.mean(found)) for key, found in totals.items()}
    place, score = max(means, key=lambda key: means[key])
    tried = {f"{peer.sweep[at].label}, from {s:g}": f1 for (at, s), f1 in means.items()}
    return Best(peer.sweep[place], score, tried)


def measure(
    texts: Sequence[str], peers: Mapping[str, tuple[Peer, Best]], threshold: float
) -> dict[str, Any]:
    """Everybody on a data set."""
    pairs = similar_pairs(texts, BINS[0])
    result: dict[str, Any] = {
        "blocks": len(texts),
        "mean_words": float(np.mean([text.count(" ") + 1 for text in texts])),
        "dedup": measure_dedup(texts, pairs),
        "banded": measure_dedup(texts, pairs, BANDED),
        "peers": {},
    }
    for name, (peer, best) in peers.items():
        progress(name)
        documented = peer.documented
        result["peers"][name] = {
            "documented": {"setting": documented.label}
            | measure_peer(texts, pairs, documented.make(), threshold),
            "best": {"setting": best.label} | measure_peer(texts, pairs, best.make(), threshold),
        }
    return result
