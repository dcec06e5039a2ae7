"""Why two texts are judged as they are: the numbers, the rule that decided, the words that differ.

The verdict is an index's own on these two texts, similarity and containment are the kernel's, and
counts are of its twin's shingles; nothing is measured by rules of another kind. Knows nothing of
pages, files or how an explanation is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from dedup import kernel
from dedup.align import Step, align, matched_range
from dedup.evidence import Change, ChangeKind, Check, Explanation, Measured, Outcome, Rule
from dedup.index import open_index
from dedup.kernel.kinds import VerdictKind
from dedup.kernel.reference.judge import Rule as Limits
from dedup.kernel.reference.judge import beginning as common_beginning
from dedup.kernel.reference.judge import shingles
from dedup.kernel.reference.tokens import (
    PAD_END,
    PAD_START,
    TRACE_UNSPACED,
    UNSPACED_WEIGHT,
    WORD_WEIGHT,
    tokens_of,
)
from dedup.reason import reason_of
from dedup.settings import Settings
from dedup.sketch import Sketches, sketch_texts
from dedup.verdict import rule_of
from dedup.words import Words, split_words

_OUTCOMES: dict[int, Outcome] = {
    VerdictKind.SKIPPED: "skipped",
    VerdictKind.NEW: "new",
    VerdictKind.EXACT: "exact",
    VerdictKind.NEAR: "near",
    VerdictKind.EXCERPT: "excerpt",
    VerdictKind.EXTENSION: "extension",
}


def explain(block: str, original: str, *, settings: Settings | None = None) -> Explanation:
    """Why the block is, or is not, a repeat of the original.

    Both are taken for one block each, whatever they hold. Who stands first matters: the same two
    texts are an `excerpt` one way and an `extension` the other.

    Args:
        block: the text to be judged.
        original: the text that was seen before.
        settings: what the verdict depends on besides; None: the defaults.
    """
    settings = settings or Settings()
    sketches = _sketch(settings, block, original)
    similarity, containment = (float(column[0]) for column in _similarity(sketches))
    traces = [sketches.trace(at).tolist() for at in (0, 1)]
    mine, its = (list(tokens_of(trace)) for trace in traces)
    ends = [len(trace) == len(tokens) for trace, tokens in zip(traces, (mine, its), strict=True)]
    pairs, its_pairs = shingles(mine), shingles(its)
    padded, its_padded = (shingles([PAD_START, *trace, PAD_END]) for trace in (mine, its))
    keys, its_keys = (sketches.keys[slice(*span)] for span in sketches.key_spans)
    shorter, longer = sorted((len(pairs), len(its_pairs)))
    size_ratio = shorter / longer if longer else 1.0
    inside = len(pairs & its_pairs)
    limits = Limits(*rule_of(settings).tolist())
    few = similarity >= limits.few_similarity
    beginning = _beginning(limits, mine, its, ends)
    weight = UNSPACED_WEIGHT if _is_unspaced(mine) else WORD_WEIGHT
    shared_keys = len(np.intersect1d(keys, its_keys))
    equal = bool((sketches.fingerprints[0] == sketches.fingerprints[1]).all())
    checks = (
        # What says that a text goes on counts as a word here.
        _at_least("words of the block", len(traces[0]), settings.min_words),
        _at_least("words of the original", len(traces[1]), settings.min_words),
        _at_least("equal normalised texts", int(equal), 1),
        _at_least("shared keys", shared_keys, 1),
        _at_least("similarity", similarity, settings.threshold),
        _at_least("containment", containment, settings.excerpt_containment),
        _at_least("shared pairs", inside, limits.few_shingles if few else limits.shingles),
        Check(
            "size ratio",
            size_ratio,
            "<",
            settings.excerpt_ratio,
            shorter < settings.excerpt_ratio * longer,
        ),
        Check(
            "words of a beginning",
            beginning,
            ">=",
            WORD_WEIGHT * (limits.few_shingles + all(ends)) / weight,
            beginning > 0,
        ),
    )
    words, its_words = split_words(block), split_words(original)
    matched = matched_range(sketches.trace(0)[: len(mine)], sketches.trace(1)[: len(its)])
    found = Explanation(
        verdict=_verdict(sketches, settings),
        rule=_rule(checks),
        block=_measured(words, mine, len(pairs), len(keys)),
        original=_measured(its_words, its, len(its_pairs), len(its_keys)),
        similarity=similarity,
        containment=containment,
        shared_pairs=len(padded & its_padded),
        all_pairs=len(padded | its_padded),
        inside_pairs=inside,
        beginning=beginning,
        shared_keys=shared_keys,
        size_ratio=size_ratio,
        checks=checks,
        matched=matched,
        matched_span=_span(its_words, matched),
        changes=tuple(_changes(words, its_words, len(mine), len(its))),
        settings=settings,
    )
    return replace(found, reason=reason_of(found))


def _sketch(settings: Settings, *texts: str) -> Sketches:
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    bounds = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return sketch_texts(b"".join(encoded), bounds[:-1], bounds[1:], settings.bands)


def _similarity(
    sketches: Sketches,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Similarity and containment of the first with each of the others, from the kernel that judges.

    It tells them of what it calls near, and at a threshold of 0 that is everything.
    """
    rule = rule_of(Settings())
    rule[0] = 0
    count = len(sketches) - 1
    own, other = np.zeros(count, np.int64), np.arange(1, count + 1)
    kinds = np.zeros(count, np.uint8)
    similarity, containment = np.zeros(count), np.zeros(count)
    columns = sketches.trace_spans, sketches.traces
    kernel.judge(rule, *columns, *columns, own, other, kinds, similarity, containment)
    return similarity, containment


def _verdict(sketches: Sketches, settings: Settings) -> Outcome:
    """What an index that saw the original says of the block."""
    index = open_index("memory://", "explain", settings)
    # The original comes first, so it is the second of the two sketches that is checked first.
    kinds = [
        index.check(_row(sketches, at), [name], np.array([0, 1]), 1).kinds[0]
        for at, name in ((1, "original"), (0, "block"))
    ]
    index.close()
    return _OUTCOMES[int(kinds[1])]


def _row(sketches: Sketches, at: int) -> Sketches:
    row = slice(at, at + 1)
    return Sketches(
        np.ascontiguousarray(sketches.fingerprints[row]),
        np.ascontiguousarray(sketches.trace_spans[row]),
        sketches.traces,
        np.ascontiguousarray(sketches.key_spans[row]),
        sketches.keys,
        np.ascontiguousarray(sketches.minhashes[row]),
    )


def _at_least(name: str, value: float, limit: float) -> Check:
    return Check(name, value, ">=", limit, value >= limit)


def _rule(checks: tuple[Check, ...]) -> Rule:
    """Which rule decides, in the order of the design."""
    long_enough, original_long_enough, equal, found, similar, *contained, begins = (
        check.holds for check in checks
    )
    table: tuple[tuple[bool, Rule], ...] = (
        (not long_enough, "too short"),
        (not original_long_enough, "original too short"),
        (equal, "equal"),
        (not similar and not all(contained) and not begins, "unlike"),
        (not found, "no shared key"),
        (similar, "similar"),
        (begins and not all(contained), "begins"),
    )
    return next((rule for decides, rule in table if decides), "contained")


def _measured(words: Words, trace: list[int], pairs: int, keys: int) -> Measured:
    label = words.text[words.cuts()[len(trace)] :] if len(trace) < len(words.tokens) else ""
    return Measured(words.text, len(trace), pairs, keys, _is_unspaced(trace), label)


def _is_unspaced(trace: list[int]) -> bool:
    return sum(value >= TRACE_UNSPACED for value in trace) * 2 > len(trace)


def _beginning(limits: Limits, block: list[int], original: list[int], ends: list[bool]) -> int:
    """Tokens of the one with which the other begins, where that makes an excerpt."""
    shared = len(shingles(block) & shingles(original))
    if shared >= limits.few_shingles - (not all(ends)):
        for text, whole, is_end in ((block, original, ends[0]), (original, block, ends[1])):
            common = common_beginning(limits, text, whole, ends=is_end)
            if common:
                return common[1] - common[0]
    return 0


def _span(words: Words, matched: tuple[int, int] | None) -> tuple[int, int] | None:
    if matched is None:
        return None
    return words.spans[matched[0]][0], words.spans[matched[1] - 1][1]


def _changes(block: Words, original: Words, compared: int, its_compared: int) -> Iterator[Change]:
    """The alignment, in characters: each word with the punctuation that goes with it.

    Tokens beyond those that are compared are labels behind an ellipsis: they come last.
    """
    numbers: dict[str, int] = {}
    mine, its = (
        [numbers.setdefault(token, len(numbers)) for token in words.tokens[:count]]
        for words, count in ((block, compared), (original, its_compared))
    )
    cuts, its_cuts = block.cuts(), original.cuts()
    if not mine or not its:  # punctuation alone, or nothing
        if block.text or original.text:
            step = Step("changed", 0, len(block.text), 0, len(original.text))
            counts = len(mine), len(its)
            yield Change(_change_kind(step), block.text, original.text, 0, 0, *counts)
        return
    for step in align(mine, its):
        start, end = cuts[step.start], cuts[step.end]
        its_start, its_end = its_cuts[step.original_start], its_cuts[step.original_end]
        if start < end or its_start < its_end:
            yield Change(
                _change_kind(step),
                block.text[start:end],
                original.text[its_start:its_end],
                start,
                its_start,
                step.end - step.start,
                step.original_end - step.original_start,
            )
    at, its_at = cuts[compared], its_cuts[its_compared]
    end = len(block.text)
    if compared < len(block.tokens):
        yield Change("inserted", block.text[at:], "", at, its_at, len(block.tokens) - compared, 0)
    if its_compared < len(original.tokens):
        words = len(original.tokens) - its_compared
        yield Change("deleted", "", original.text[its_at:], end, its_at, 0, words)


def _change_kind(step: Step) -> ChangeKind:
    if step.kind != "changed":
        return step.kind
    if step.start == step.end:
        return "deleted"
    return "inserted" if step.original_start == step.original_end else "replaced"


def most_alike(block: str, others: Sequence[str]) -> int:
    """Which of the others (at least one) is most like the block: by similarity, then containment.

    The first of those that are equally like it.
    """
    sketches = _sketch(Settings(), block, *others)
    similarity, containment = _similarity(sketches)
    return int(np.lexsort((-containment, -similarity))[0])
