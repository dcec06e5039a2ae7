"""Which threshold suits: measured on labelled pairs, or read from how alike a sample's blocks are.

Whatever is counted as a repeat here is what an index calls one: the same sketches, the same kernel.
Knows nothing of files or of how the result is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dedup import kernel
from dedup.errors import SettingsError
from dedup.index import open_index
from dedup.kernel.kinds import VerdictKind
from dedup.labelled import Pair
from dedup.model import Page
from dedup.pages import PageBatch
from dedup.settings import Settings
from dedup.sketch import KEY_SCHEME, Sketches, sketch_texts
from dedup.verdict import rule_of

THRESHOLDS = tuple(round(0.3 + 0.05 * step, 2) for step in range(14))
"""From .3, where unrelated paragraphs begin, to .95."""

AS_GOOD = 0.005
"""F1 that is no reason to leave the default."""

CAREFUL = 0.99
"""Precision for who drops what is flagged, unseen."""

FEW_PAIRS, FEW_ALIKE = 100, 30
EXAMPLES = 3
SMOOTHED, DEEP = 0.1, 1.4
"""How far around a threshold similarities count, and by how much a hill is higher than a valley."""

ORIGINALS_PER_KEY = 4

_ALIKE = (VerdictKind.NEAR, VerdictKind.EXCERPT, VerdictKind.EXTENSION)
_NEVER = 2.0
"""A similarity that nothing reaches."""


@dataclass(frozen=True, slots=True)
class Point:
    """What a threshold does with labelled pairs.

    Attributes:
        threshold: the threshold.
        right: pairs called repeats that are labelled so.
        wrong: pairs called repeats that are not.
        missed: pairs labelled repeats that are not called so.
    """

    threshold: float
    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        """Share of what is called a repeat that is labelled so (1 where nothing is called so)."""
        called = self.right + self.wrong
        return self.right / called if called else 1.0

    @property
    def recall(self) -> float:
        """Share of what is labelled a repeat that is called so."""
        labelled = self.right + self.missed
        return self.right / labelled if labelled else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.right / max(1, 2 * self.right + self.wrong + self.missed)


@dataclass(frozen=True, slots=True)
class KeyRecall:
    """How often two blocks of some similarity share a key, so that an index compares them.

    Attributes:
        low: least similarity of the bin.
        high: similarity where the next bin begins.
        pairs: pairs measured.
        sharing: those of them that share a key.
        together: theory, 1 - (1 - s)^k, where one edit makes the difference: of windows as many
            stand in the other text (s) as of word pairs.
        scattered: the same where single words all over the text make it.
    """

    low: float
    high: float
    pairs: int
    sharing: int
    together: float
    scattered: float


@dataclass(frozen=True, slots=True)
class PairTuning:
    """What labelled pairs say.

    Attributes:
        pairs: how many there are.
        same: those labelled repeats.
        short: those with a text that is too short to be judged: never called repeats.
        points: what each threshold does.
        keys: how often pairs share a key, by similarity.
        recommended: the threshold that suits.
        reason: why, in a sentence.
        careful: the lowest threshold with a precision of .99, or None.
    """

    pairs: int
    same: int
    short: int
    points: tuple[Point, ...]
    keys: tuple[KeyRecall, ...]
    recommended: float
    reason: str
    careful: float | None


@dataclass(frozen=True, slots=True)
class SamplePoint:
    """What a threshold calls repeats in a sample."""

    threshold: float
    exact: int
    near: int
    excerpt: int


@dataclass(frozen=True, slots=True)
class AlikeBin:
    """Blocks whose most similar earlier block is as similar as this."""

    low: float
    high: float
    blocks: int


@dataclass(frozen=True, slots=True)
class Example:
    """Two blocks whose similarity is near a threshold, for a person to judge."""

    threshold: float
    similarity: float
    text: str
    earlier: str


@dataclass(frozen=True, slots=True)
class SampleTuning:
    """What a sample without labels says.

    Attributes:
        pages: pages judged.
        blocks: their blocks.
        short: those too short to be judged.
        points: what each threshold calls repeats.
        alike: how similar the most similar earlier block is, for distinct blocks that have one and
            are no excerpts or extensions: those do not depend on the threshold.
        keys: how often blocks share a key by similarity, in theory.
        recommended: the threshold that suits.
        reason: why, in a sentence.
        examples: pairs near that threshold and its neighbours.
        errors: pages that could not be judged, and why.
    """

    pages: int
    blocks: int
    short: int
    points: tuple[SamplePoint, ...]
    alike: tuple[AlikeBin, ...]
    keys: tuple[KeyRecall, ...]
    recommended: float
    reason: str
    examples: tuple[Example, ...]
    errors: tuple[tuple[str, str], ...]


# ---- labelled pairs ------------------------------------------------------------------------------


def tune_pairs(pairs: Sequence[Pair], settings: Settings | None = None) -> PairTuning:
    """Measure what each threshold does with labelled pairs.

    A pair counts as called a repeat when one of its texts is a repeat of the other in either order:
    labels rarely say which was first.

    Raises:
        SettingsError: the pairs are all labelled alike.
    """
    settings = settings or Settings()
    same = np.array([pair.same for pair in pairs], dtype=bool)
    if not same.any() or same.all():
        label = "repeats" if same.any() else "different"
        raise SettingsError(
            f"all {len(pairs):,} pairs are labelled {label}: give pairs of both kinds, or texts"
            " without labels"
        )
    sketches = _sketch([pair.a for pair in pairs] + [pair.b for pair in pairs])
    own, other = np.arange(len(pairs)), np.arange(len(pairs)) + len(pairs)
    tokens = sketches.tokens
    long_enough = np.minimum(tokens[own], tokens[other]) >= settings.min_words
    equal = (sketches.fingerprints[own] == sketches.fingerprints[other]).all(axis=1)
    sharing = _share_a_key(sketches, own, other)
    points = []
    for threshold in THRESHOLDS:
        rule = rule_of(replace(settings, threshold=threshold))
        kinds, *_ = _judge(rule, sketches, own, other)
        called = long_enough & (equal | (sharing & np.isin(kinds, _ALIKE)))
        points.append(
            Point(
                threshold,
                int((called & same).sum()),
                int((called & ~same).sum()),
                int((~called & same).sum()),
            )
        )
    _, similarity, _ = _judge(_with_threshold(settings, 0.0), sketches, own, other)
    judged = long_enough & ~equal
    recommended, reason = _recommend(points, settings.threshold)
    if (fewest := min(int(same.sum()), int((~same).sum()))) < FEW_PAIRS:
        reason += f"; with only {fewest} pairs of one kind, take it with care"
    return PairTuning(
        pairs=len(pairs),
        same=int(same.sum()),
        short=int((~long_enough).sum()),
        points=tuple(points),
        keys=key_recall(similarity[judged], sharing[judged]),
        recommended=recommended,
        reason=reason,
        careful=next((p.threshold for p in points if p.right and p.precision >= CAREFUL), None),
    )


def key_recall(
    similarity: npt.NDArray[np.float64], sharing: npt.NDArray[np.bool_]
) -> tuple[KeyRecall, ...]:
    """How often pairs share a key by similarity, measured, and in theory for the key scheme."""
    keys, words = int(KEY_SCHEME[2]), int(KEY_SCHEME[0]) // 8
    bins = []
    for low in THRESHOLDS[::2]:
        high = round(low + 0.1, 2)
        inside = (similarity >= low) & ((similarity < high) | (high >= 1))
        middle = (low + high) / 2
        # Of a text's word pairs this share stands in the other text; an edited word takes two of
        # them. A local minimum is one in both where its window stands, and no word beside it that
        # was edited makes another the lowest: about two words more.
        pairs = 2 * middle / (1 + middle)
        windows = ((1 + pairs) / 2) ** (words + 2)
        bins.append(
            KeyRecall(
                low,
                high,
                int(inside.sum()),
                int((inside & sharing).sum()),
                1 - (1 - pairs) ** keys,
                1 - (1 - windows) ** keys,
            )
        )
    return tuple(bins)


def _recommend(points: Sequence[Point], default: float) -> tuple[float, str]:
    best = max(point.f1 for point in points)
    as_good = [point for point in points if point.f1 >= best - AS_GOOD]
    chosen = min(as_good, key=lambda point: (abs(point.threshold - default), -point.threshold))
    at = points.index(chosen)
    if len(as_good) == 1:
        edge = {0: ", the lowest tried", len(points) - 1: ", the highest tried"}.get(at, "")
        reason = f"F1 is highest at {chosen.threshold:.2f}{edge}: {chosen.f1:.3f}"
    else:
        first, last = as_good[0].threshold, as_good[-1].threshold
        reason = (
            f"from {first:.2f} to {last:.2f} F1 is within {AS_GOOD} of the best, {best:.3f}, and"
            f" {chosen.threshold:.2f} is there the nearest to the {default:.2f} in use"
        )
    beside = []
    if at > 0 and (more := points[at - 1].wrong - chosen.wrong):
        beside.append(f"{points[at - 1].threshold:.2f} would flag {more} more wrongly")
    if at + 1 < len(points) and (more := points[at + 1].missed - chosen.missed):
        beside.append(f"{points[at + 1].threshold:.2f} would miss {more} more")
    return chosen.threshold, "; ".join([reason, " and ".join(beside)] if beside else [reason])


def _share_a_key(
    sketches: Sketches, own: npt.NDArray[np.int64], other: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    keys = [set(sketches.keys[slice(*span)].tolist()) for span in sketches.key_spans]
    pairs = zip(own.tolist(), other.tolist(), strict=True)
    return np.array([not keys[a].isdisjoint(keys[b]) for a, b in pairs], dtype=bool)


# ---- a sample without labels ---------------------------------------------------------------------


def tune_sample(pages: Sequence[Page], settings: Settings | None = None) -> SampleTuning:
    """Read from a sample how alike its blocks are, and where repeats part from the rest."""
    settings = settings or Settings()
    # Page ids may come twice in a sample; here every page counts.
    batch = PageBatch([replace(page, page=str(at)) for at, page in enumerate(pages)])
    points = []
    for threshold in THRESHOLDS:
        index = open_index("memory://", "tune", replace(settings, threshold=threshold))
        verdicts = index.check(batch.sketches, batch.names, batch.bounds, 1)
        index.close()
        counts = np.bincount(verdicts.kinds, minlength=len(VerdictKind)).tolist()
        kinds = (VerdictKind.EXACT, VerdictKind.NEAR, VerdictKind.EXCERPT)
        points.append(SamplePoint(threshold, *(counts[kind] for kind in kinds)))
    reports = list(batch.reports(verdicts))
    texts = [block for report in reports if not report.error for block in report.blocks]
    pairs = nearest_earlier(batch.sketches, settings)
    alike = _alike_bins(pairs.similarity)
    recommended, reason = _valley(pairs.similarity, settings.threshold)
    return SampleTuning(
        pages=len(pages),
        blocks=len(batch.sketches),
        short=counts[VerdictKind.SKIPPED],
        points=tuple(points),
        alike=alike,
        keys=key_recall(np.zeros(0), np.zeros(0, dtype=bool)),
        recommended=recommended,
        reason=reason,
        examples=tuple(
            Example(threshold, float(pairs.similarity[row]), texts[block].text, texts[earlier].text)
            for threshold, row in _near(pairs.similarity, recommended)
            for block, earlier in [(int(pairs.blocks[row]), int(pairs.earlier[row]))]
        ),
        errors=tuple(
            (pages[at].page, str(report.error)) for at, report in enumerate(reports) if report.error
        ),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """Distinct blocks and, for each, the earlier block most like it, in columns.

    Attributes:
        blocks: int64[n], the block.
        earlier: int64[n], the earlier one.
        similarity: float64[n], of the two.
    """

    blocks: npt.NDArray[np.int64]
    earlier: npt.NDArray[np.int64]
    similarity: npt.NDArray[np.float64]


def nearest_earlier(sketches: Sketches, settings: Settings) -> Nearest:
    """The most similar earlier block of each distinct block, among those that share a key.

    As in an index of all distinct blocks, a key leads to the first few that have it. Pairs of which
    one contains the other are left out.
    """
    _, firsts = np.unique(sketches.fingerprints, axis=0, return_index=True)
    judged = np.sort(firsts[sketches.tokens[firsts] >= settings.min_words])
    spans = sketches.key_spans[judged]
    counts = spans[:, 1] - spans[:, 0]
    owners = np.repeat(judged, counts)
    offsets = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    keys = sketches.keys[np.repeat(spans[:, 0], counts) + offsets]
    order = np.lexsort((owners, keys))
    keys, owners = keys[order], owners[order]
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))) if len(keys) else order
    group_start = np.repeat(starts, np.diff(np.append(starts, len(keys))))
    places = np.arange(len(keys))
    found = []
    for rank in range(ORIGINALS_PER_KEY):
        later = group_start + rank < places
        found.append(np.stack((owners[later], owners[(group_start + rank)[later]]), axis=1))
    pairs = np.unique(np.concatenate(found), axis=0)
    own, other = np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])
    kinds, *_ = _judge(_with_threshold(settings, _NEVER), sketches, own, other)
    apart = kinds == VerdictKind.NEW
    own, other = own[apart], other[apart]
    _, similarity, _ = _judge(_with_threshold(settings, 0.0), sketches, own, other)
    best = np.lexsort((other, -similarity, own))
    best = best[np.concatenate(([True], own[best][1:] != own[best][:-1]))] if len(best) else best
    return Nearest(own[best], other[best], similarity[best])


def _alike_bins(similarity: npt.NDArray[np.float64]) -> tuple[AlikeBin, ...]:
    edges = [*THRESHOLDS, 1.0]
    counts, _ = np.histogram(similarity, bins=edges)
    return tuple(
        AlikeBin(low, high, count)
        for low, high, count in zip(edges[:-1], edges[1:], counts.tolist(), strict=True)
    )


def _valley(similarity: npt.NDArray[np.float64], default: float) -> tuple[float, str]:
    """The threshold around which fewest pairs lie, between two hills of them; else the default."""
    # Of short texts only a few similarities are possible: what lies further away counts less.
    around = {
        threshold: float((1 - abs(similarity - threshold) / SMOOTHED).clip(0).sum())
        for threshold in THRESHOLDS
    }
    alike = int((similarity >= THRESHOLDS[0]).sum())
    if alike < FEW_ALIKE:
        return default, (
            f"too few blocks, {alike}, have an earlier one that is at all like them to tell from:"
            f" {default:.2f} stays"
        )
    valleys = []
    for at, threshold in enumerate(THRESHOLDS[2:-1], start=2):
        depth = around[threshold]
        sides = [
            max((around[t], t) for t in part) for part in (THRESHOLDS[:at], THRESHOLDS[at + 1 :])
        ]
        if all(count >= DEEP * depth + 3 for count, _ in sides):
            valleys.append((depth, abs(threshold - default), threshold, sides))
    if not valleys:
        return default, (
            f"similarities have no valley, so the sample alone gives no reason to leave"
            f" {default:.2f}: look at the pairs near it"
        )
    depth, _, threshold, ((left, low), (right, high)) = min(valleys)
    return threshold, (
        f"around {threshold:.2f} there are fewest, about {depth:,.0f} blocks against {left:,.0f}"
        f" around {low:.2f} and {right:,.0f} around {high:.2f}: there it matters least where"
        " exactly the threshold is"
    )


def _near(similarity: npt.NDArray[np.float64], recommended: float) -> list[tuple[float, int]]:
    """Rows of pairs near the recommended threshold and its neighbours, none twice."""
    taken: set[int] = set()
    found = []
    for threshold in (recommended, recommended - 0.1, recommended + 0.1):
        limit = round(threshold, 2)
        rows = np.argsort(abs(similarity - limit), kind="stable").tolist()
        near = [row for row in rows if row not in taken and abs(similarity[row] - limit) < 0.05]
        taken.update(near[:EXAMPLES])
        found += [(limit, row) for row in near[:EXAMPLES]]
    return sorted(found, key=lambda item: (item[0], similarity[item[1]]))


# ---- both ----------------------------------------------------------------------------------------


def _sketch(texts: Sequence[str]) -> Sketches:
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    bounds = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return sketch_texts(b"".join(encoded), bounds[:-1], bounds[1:])


def _with_threshold(settings: Settings, threshold: float) -> npt.NDArray[np.float64]:
    """The rule with a threshold that no setting can have: 0 tells the numbers of every pair."""
    rule = rule_of(settings)
    rule[0] = threshold
    return rule


def _judge(
    rule: npt.NDArray[np.float64],
    sketches: Sketches,
    own: npt.NDArray[np.int64],
    other: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Kind, similarity and containment of pairs of blocks."""
    kinds = np.zeros(len(own), np.uint8)
    similarity, containment = np.zeros(len(own)), np.zeros(len(own))
    columns = sketches.trace_spans, sketches.traces
    kernel.judge(rule, *columns, *columns, own, other, kinds, similarity, containment)
    return kinds, similarity, containment
