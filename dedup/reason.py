"""The verdict on two texts and why, as a sentence for people.

Percents are rounded down, as everywhere: what is not quite enough never reads as enough. Knows
nothing of how the numbers came about, and makes none of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import ceil
from unicodedata import category

from dedup.evidence import Change, Explanation, Measured

QUOTED_WORDS = 6
"""Words quoted of a change."""

TOLD = 2
"""Changes told one by one."""

_AROUND = "PZCS"
"""Punctuation, space, controls, symbols: left out around a quote."""

_SMALL = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def reason_of(explanation: Explanation) -> str:
    """The sentence: what the verdict is, the numbers that decided, what differs."""
    sentence = f"{explanation.verdict}: {_REASONS[explanation.rule](explanation)}"
    labels = dict.fromkeys(
        _quoted(text.label) for text in (explanation.block, explanation.original) if text.label
    )
    if not labels or explanation.rule == "equal":
        return sentence
    return f"{sentence}; behind the ellipsis, {' and '.join(labels)} is not compared"


def percent(share: float) -> int:
    """Whole percents, rounded down."""
    return int(share * 100 + 1e-9)


def _too_short(explanation: Explanation) -> str:
    words = _counted(explanation.block.words, _unit(explanation.block))
    return f"a block of {words} is not judged, it takes {explanation.settings.min_words}"


def _original_too_short(explanation: Explanation) -> str:
    words = _counted(explanation.original.words, _unit(explanation.original))
    least = explanation.settings.min_words
    return f"a block of {words} is no original of anything, it takes {least}"


def _equal(explanation: Explanation) -> str:
    words = _counted(explanation.block.words, _unit(explanation.block))
    if explanation.block.text == explanation.original.text:
        return f"the texts are equal, {words}"
    return f"the same {words}; only case, punctuation or white space differ"


def _no_shared_key(explanation: Explanation) -> str:
    alike = f"alike, a similarity of {percent(explanation.similarity)}%"
    keys = f"{explanation.block.keys} and {explanation.original.keys} keys"
    return f"{alike}, but none of their {keys} is the same, so no index compares them"


def _similar(explanation: Explanation) -> str:
    return f"{_pairs(explanation)} {percent(explanation.settings.threshold)}% is enough" + _told(
        _compared(explanation)
    )


def _pairs(explanation: Explanation) -> str:
    pairs = _counted(explanation.all_pairs, f"{_unit(explanation.block)} pair")
    verb = "stands" if explanation.shared_pairs == 1 else "stand"
    return (
        f"{explanation.shared_pairs} of the {pairs} {verb} in both texts,"
        f" a similarity of {percent(explanation.similarity)}%, and"
    )


def _contained(explanation: Explanation) -> str:
    block, original = explanation.block, explanation.original
    unit = _unit(block)
    shared = explanation.inside_pairs
    if explanation.verdict == "extension":
        longer = _times_as_long(block.words, original.words)
        return (
            f"{shared} of the {_counted(original.pairs, f'{unit} pair')} of the original stand"
            f" in this block, which is {longer}; it is new, and not counted as a repeat"
        )
    text = (
        f"{shared} of its {_counted(block.pairs, f'{unit} pair')} stand in the original, which"
        f" is {_times_as_long(original.words, block.words)}"
    )
    return text + _left_over(explanation)


def _begins(explanation: Explanation) -> str:
    block, original = explanation.block, explanation.original
    common = explanation.beginning
    count = _counted(common, _unit(block))
    # Half a word may be left over behind what is common, or a label before it.
    which = "first" if explanation.changes[0].kind == "same" else "last"
    if explanation.verdict == "extension":
        longer = _times_as_long(max(block.words, common), common)
        return (
            f"it begins with the {which} {count} of the original, and is {longer}; it is new, and"
            " not counted as a repeat"
        )
    longer = _times_as_long(max(original.words, common), common)
    if block.words == common:
        return f"its {count} are how the original begins, which is {longer}"
    left_over = _left_over(explanation)
    return f"its {which} {count} are how the original begins, which is {longer}{left_over}"


def _unlike(explanation: Explanation) -> str:
    settings = explanation.settings
    text = f"{_pairs(explanation)} {percent(settings.threshold)}% is needed"
    shorter = min(explanation.block.pairs, explanation.original.pairs)
    unit = _unit(explanation.block)
    similarity, containment, shared, ratio = explanation.checks[4:8]
    if similarity.holds or not shorter:
        return text
    inside = percent(explanation.containment)
    pairs = f"{explanation.inside_pairs} of {_counted(shorter, f'{unit} pair')}"
    if not containment.holds:
        least = percent(settings.excerpt_containment)
        return f"{text}; no excerpt either: {pairs} ({inside}%) are inside, and {least}% is needed"
    if not shared.holds:
        least = ceil(shared.limit)
        return f"{text}; no excerpt either: {pairs} are inside, and it takes {least} of them"
    if not ratio.holds:
        share, most = percent(explanation.size_ratio), percent(settings.excerpt_ratio)
        return (
            f"{text}; no excerpt either: {pairs} are inside, but it is {share}% as long as the"
            f" other, and an excerpt is under {most}%"
        )
    return text


_REASONS: dict[str, Callable[[Explanation], str]] = {
    "too short": _too_short,
    "original too short": _original_too_short,
    "equal": _equal,
    "no shared key": _no_shared_key,
    "similar": _similar,
    "contained": _contained,
    "begins": _begins,
    "unlike": _unlike,
}


def _unit(measured: Measured) -> str:
    return "character" if measured.unspaced else "word"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _times_as_long(longer: int, shorter: int) -> str:
    times = longer / shorter if shorter else 0
    if round(times, 1) in (1.9, 2.0, 2.1):
        return "twice as long" if times == 2 else "about twice as long"
    return f"{times:.0f} times as long" if times >= 10 else f"{times:.1f} times as long"


def _compared(explanation: Explanation) -> Sequence[Change]:
    """The changes without the labels behind an ellipsis, which come last."""
    labels = bool(explanation.block.label) + bool(explanation.original.label)
    return explanation.changes[: len(explanation.changes) - labels]


def _told(changes: Iterable[Change]) -> str:
    """The changes in words, the first of them one by one."""
    # What stands elsewhere is told once: from the block.
    made = [c for c in changes if c.kind != "same" and (c.block or c.kind != "elsewhere")]
    told = []
    for change in made[:TOLD]:
        block, original = _quoted(change.block), _quoted(change.original)
        if change.block and change.original:
            told.append(f"{original} became {block}")
        elif change.kind == "elsewhere":
            told.append(f"{block} stands elsewhere")
        else:
            told.append(f"{block} was added" if change.block else f"{original} is gone")
    if len(made) > TOLD:
        told.append(f"{_counted(len(made) - TOLD, 'more change')}")
    if not told:
        return ""
    return "; " + (", ".join(told[:-1]) + " and " + told[-1] if len(told) > 1 else told[0])


def _left_over(explanation: Explanation) -> str:
    """What the excerpt has and the original has not."""
    parts = [change for change in _compared(explanation) if change.block]
    own = [change for change in parts if change.kind in ("replaced", "inserted")]
    if not own:
        return ""
    unit = _unit(explanation.block)
    quotes = [_quoted(change.block) for change in own[:TOLD]]
    if len(own) == 1 and own[0] in (parts[0], parts[-1]):
        where = "first" if own[0] is parts[0] else "last"
        words = own[0].words
        if words == 1:
            return f"; the {where} {unit}, {quotes[0]}, does not"
        number = _SMALL[words] if words < len(_SMALL) else f"{words:,}"
        return f"; the {where} {number} {unit}s, {quotes[0]}, do not"
    if len(own) > TOLD:
        return f"; {', '.join(quotes)} and {len(own) - TOLD} more do not"
    return f"; {' and '.join(quotes)} {'does' if len(own) == 1 else 'do'} not"


def _quoted(text: str) -> str:
    """The text in quotes, its first words alone where it is long."""
    edges = [at for at, char in enumerate(text) if category(char)[0] not in _AROUND]
    words = text[edges[0] : edges[-1] + 1].split() if edges else text.split()
    cut = words[:QUOTED_WORDS]
    quote = " ".join(cut)
    if len(quote) > 8 * QUOTED_WORDS:
        quote = quote[: 8 * QUOTED_WORDS].rstrip() + "…"
    elif len(cut) < len(words):
        quote += " …"
    return f"“{quote}”"
