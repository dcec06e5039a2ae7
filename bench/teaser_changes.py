"""What web pages do to a block: one function a kind of change, each from a seeded source of chance.

A change takes the words of a real block and gives the changed text, or None where the block does
not suit (no number to change, one sentence only). Knows nothing of indexes or scores.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

MARKS = ("...", "…", " ...", " [...]", " […]")
MORE = (
    "... Read more",
    " … Read more",
    "… Continue reading",
    " [...] Weiterlesen",
    "… mehr",
    "... Lire la suite",
    " … Leer más",
    "... Show more",
)
LABELS_BEFORE = (
    "Premium ",
    "Updated 5 minutes ago ",
    "OPINION: ",
    "Exclusive | ",
    "By Jane Miller ",
    "12 March 2025 \N{EN DASH} ",
    "World News ",
    "LIVE ",
    "Video: ",
    "Editor's choice ",
)
LABELS_AFTER = (
    " Premium",
    " - The Site",
    " | The Daily Example",
    " 3 min read",
    " Updated 5 minutes ago",
    " (Reuters)",
    " By Jane Miller",
    " Published 12 March 2025, 10:32",
    " Sponsored",
    " #politics #economy",
)
_APOSTROPHE, _DASH = "\N{RIGHT SINGLE QUOTATION MARK}", "\N{EN DASH}"
_OTHER_MARKS = {"'": _APOSTROPHE, _APOSTROPHE: "'", '"': "“", "“": '"', "”": '"'} | {
    "-": _DASH,
    _DASH: "—",
    "—": " - ",
}
_SENTENCE = re.compile("(?<=[.!?;])[\"”\N{RIGHT SINGLE QUOTATION MARK}']?\\s+(?=\\S)")
_NEIGHBOURS = dict(
    zip("qwertyuiopasdfghjklzxcvbnm", "wqrewyutiopsafdghjklxzvcnbm"[:26], strict=True)
)
_OCR = (
    ("rn", "m"), ("m", "rn"), ("l", "1"), ("i", "l"), ("e", "c"), ("h", "b"), ("o", "0"),
    ("n", "u"), ("c", "e"), ("t", "f"), ("s", "f"), ("a", "o"), ("u", "n"), ("d", "cl"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where changes take other words from: the same corpus.

    Attributes:
        vocabulary: its words, as often as they stand there.
        names: its capitalised words in mid-sentence.
        paragraphs: other blocks of it.
    """

    vocabulary: Sequence[str]
    names: Sequence[str]
    paragraphs: Sequence[str]


Change = Callable[[random.Random, Sequence[str], Surroundings], str | None]


def is_name(words: Sequence[str], at: int) -> bool:
    """Whether a word is capitalised in mid-sentence, with lower-case words about it."""
    word = words[at]
    return (
        at > 0
        and word[:1].isupper()
        and word[1:].islower()
        and len(word) > 2
        and word.isalpha()
        and words[at - 1][-1:] not in ".!?:"
    )


def sentences_of(words: Sequence[str]) -> list[str]:
    """The sentences of a block."""
    return [sentence for sentence in _SENTENCE.split(" ".join(words)) if sentence]


# ---- cut -----------------------------------------------------------------------------------------


def _shortened(chance: random.Random, words: Sequence[str]) -> int | None:
    """A length to cut to: five words or more, a third to three quarters of the block."""
    length = max(5, int(len(words) * chance.uniform(0.33, 0.75)))
    return length if length <= 0.8 * len(words) else None


def cut(
    chance: random.Random, words: Sequence[str], _: Surroundings, endings: Sequence[str] = ("",)
) -> str | None:
    """The first words, and what shows that there is more."""
    length = _shortened(chance, words)
    return " ".join(words[:length]) + chance.choice(endings) if length else None


def cut_in_word(chance: random.Random, words: Sequence[str], _: Surroundings) -> str | None:
    """Cut after a number of characters, so inside a word."""
    length = _shortened(chance, words)
    if length is None or length >= len(words) or len(words[length]) < 3:
        return None
    piece = words[length][: chance.randint(1, len(words[length]) - 1)]
    return " ".join([*words[:length], piece]) + chance.choice(MARKS)


def cut_with_label(chance: random.Random, words: Sequence[str], around: Surroundings) -> str | None:
    """A label before the first words, "Read more" after them."""
    shortened = cut(chance, words, around, MORE)
    return shortened and chance.choice(LABELS_BEFORE) + shortened


def quote(chance: random.Random, words: Sequence[str], _: Surroundings) -> str | None:
    """Ten words or more from the middle, in quotation marks."""
    length = max(10, int(len(words) * chance.uniform(0.2, 0.7)))
    if length > 0.8 * len(words) - 2:
        return None
    start = chance.randint(1, len(words) - length - 1)
    left, right = chance.choice(("“”", '""', "„“", "«»"))
    return left + " ".join(words[start : start + length]) + right


# ---- words ---------------------------------------------------------------------------------------


def label_before(chance: random.Random, words: Sequence[str], _: Surroundings) -> str:
    """A label glued on before."""
    return chance.choice(LABELS_BEFORE) + " ".join(words)


def label_after(chance: random.Random, words: Sequence[str], _: Surroundings) -> str:
    """A label glued on after."""
    return " ".join(words) + chance.choice(LABELS_AFTER)


def numbers_changed(chance: random.Random, words: Sequence[str], _: Surroundings) -> str | None:
    """Every digit drawn anew, where at most a fifth of the words have digits."""
    places = [at for at, word in enumerate(words) if any(c.isdecimal() for c in word)]
    if not 1 <= len(places) <= max(1, len(words) // 5):
        return None
    changed = list(words)
    for at in places:
        while changed[at] == words[at]:
            changed[at] = "".join(
                str(chance.randrange(10)) if c.isdecimal() else c for c in words[at]
            )
    return " ".join(changed)


def names_changed(chance: random.Random, words: Sequence[str], around: Surroundings) -> str | None:
    """Names replaced by others, at most a tenth of the words."""
    places = [at for at in range(len(words)) if is_name(words, at)]
    if not places or not around.names:
        return None
    changed = list(words)
    for at in chance.sample(places, min(len(places), max(1, len(words) // 10))):
        changed[at] = chance.choice(around.names)
    return " ".join(changed)


def one_word_changed(
    chance: random.Random, words: Sequence[str], around: Surroundings
) -> str | None:
    """One word replaced by another."""
    places = [at for at, word in enumerate(words) if any(c.isalpha() for c in word)]
    if not places:
        return None
    changed = list(words)
    at = chance.choice(places)
    changed[at] = _other_word(chance, words[at], around)
    return " ".join(changed)


def _other_word(chance: random.Random, word: str, around: Surroundings) -> str:
    for _ in range(20):
        other = chance.choice(around.vocabulary)
        if other.casefold() != word.casefold():
            break
    return other


def words_edited(
    chance: random.Random, words: Sequence[str], around: Surroundings, share: float
) -> str:
    """A share of the words, one at least: three in five replaced, one deleted, one inserted."""
    changed: list[str | None] = list(words)
    for at in chance.sample(range(len(words)), max(1, round(share * len(words)))):
        action = chance.random()
        if action < 0.6:
            changed[at] = _other_word(chance, words[at], around)
        elif action < 0.8 and len(words) > 5:
            changed[at] = None
        else:
            changed[at] = f"{words[at]} {chance.choice(around.vocabulary)}"
    return " ".join(word for word in changed if word)


# ---- letters -------------------------------------------------------------------------------------


def typos(chance: random.Random, words: Sequence[str], _: Surroundings, share: float) -> str | None:
    """A typing error in a share of the words, one at least."""
    return _in_words(chance, words, share, _typo)


def scanned(
    chance: random.Random, words: Sequence[str], _: Surroundings, share: float
) -> str | None:
    """An error of optical character recognition in a share of the words, one at least."""
    return _in_words(chance, words, share, _misread)


def _in_words(
    chance: random.Random,
    words: Sequence[str],
    share: float,
    change: Callable[[random.Random, str], str],
) -> str | None:
    places = [at for at, word in enumerate(words) if sum(c.isalpha() for c in word) >= 3]
    wanted = max(1, round(share * len(words)))
    if len(places) < wanted:
        return None
    changed = list(words)
    for at in chance.sample(places, wanted):
        changed[at] = change(chance, words[at])
    return " ".join(changed)


def _typo(chance: random.Random, word: str) -> str:
    at = chance.randrange(len(word) - 1)
    match chance.randrange(4):
        case 0:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        case 1:
            return word[:at] + word[at + 1 :]
        case 2:
            return word[:at] + word[at] + word[at:]
        case _:
            near = _NEIGHBOURS.get(word[at].lower(), "e")
            return word[:at] + near + word[at + 1 :]


def _misread(chance: random.Random, word: str) -> str:
    if chance.random() < 0.15:
        at = chance.randrange(1, len(word))
        return word[:at] + " " + word[at:]
    for wrong in chance.sample(_OCR, len(_OCR)):
        if wrong[0] in word:
            return word.replace(*wrong, 1)
    return word[:-1]


# ---- form ----------------------------------------------------------------------------------------


def case_changed(chance: random.Random, words: Sequence[str], _: Surroundings) -> str:
    """Upper, lower or title case."""
    text = " ".join(words)
    return chance.choice((text.upper(), text.lower(), text.title()))


def punctuation_changed(chance: random.Random, words: Sequence[str], _: Surroundings) -> str:
    """Other quotation marks, apostrophes and dashes; some marks dropped, spaces doubled."""
    swaps = _OTHER_MARKS
    drop = chance.choice(("", ",", ".", ",."))
    text = "".join("" if c in drop else swaps.get(c, c) for c in " ".join(words))
    # A number without its point or comma is another number: leave these as they are.
    if any(a.isdecimal() and b.isdecimal() for a, b in zip(text, text[2:], strict=False)) and drop:
        text = "".join(swaps.get(c, c) for c in " ".join(words))
    return f"“{text.replace(' ', chance.choice((' ', '  ', chr(0xA0))))}”"


def markup_left(chance: random.Random, words: Sequence[str], _: Surroundings) -> str:
    """Markdown, tags and entities left over at a word or two."""
    changed = list(words)
    for at in chance.sample(range(len(words)), 1 + len(words) // 25):
        form = chance.choice(("**{}**", "<b>{}</b>", "{}&nbsp;", "_{}_", "&quot;{}&quot;", "[{}]"))
        changed[at] = form.format(changed[at])
    return " ".join(changed)


def invisible_characters(chance: random.Random, words: Sequence[str], _: Surroundings) -> str:
    """Soft hyphens, zero-width spaces and joiners inside a third of the words."""
    changed = list(words)
    for at in chance.sample(range(len(words)), 1 + len(words) // 3):
        inside = len(changed[at]) // 2
        sign = chance.choice("\u00ad\u200b\u2060\ufeff")
        changed[at] = changed[at][:inside] + sign + changed[at][inside:]
    return " ".join(changed)


# ---- sentences -----------------------------------------------------------------------------------


def sentence_dropped(chance: random.Random, words: Sequence[str], _: Surroundings) -> str | None:
    """Without one of its sentences, which is at most two fifths of it."""
    sentences = sentences_of(words)
    droppable = [at for at, s in enumerate(sentences) if 3 <= len(s.split()) <= 0.4 * len(words)]
    if not droppable:
        return None
    at = chance.choice(droppable)
    return " ".join(sentences[:at] + sentences[at + 1 :])


def sentence_added(chance: random.Random, words: Sequence[str], around: Surroundings) -> str | None:
    """With a sentence of another block, at most two fifths as long, before, inside or after it."""
    for _ in range(20):
        other = chance.choice(sentences_of(chance.choice(around.paragraphs).split()))
        if 3 <= len(other.split()) <= 0.4 * len(words):
            sentences = sentences_of(words)
            sentences.insert(chance.randint(0, len(sentences)), other)
            return " ".join(sentences)
    return None


def sentences_reordered(chance: random.Random, words: Sequence[str], _: Surroundings) -> str | None:
    """Two sentences or more, in another order."""
    sentences = sentences_of(words)
    if len(sentences) < 2 or min(len(s.split()) for s in sentences) < 3:
        return None
    order = list(sentences)
    while order == sentences:
        chance.shuffle(order)
        if len(set(sentences)) == 1:
            return None
    return " ".join(order)


def half(chance: random.Random, words: Sequence[str], _: Surroundings) -> str | None:
    """One half of a block that was split in two."""
    middle = len(words) // 2
    part = words[:middle] if chance.random() < 0.5 else words[middle:]
    return " ".join(part) if len(part) >= 5 else None


# ---- negatives made of a block -------------------------------------------------------------------


def other_facts(chance: random.Random, words: Sequence[str], around: Surroundings) -> str | None:
    """The same template with other facts, which are half to seven tenths of it."""
    filler = chance.choice(around.paragraphs).split()
    share = chance.uniform(0.5, 0.7)
    changed: list[str] = []
    at = taken = facts = 0
    while at < len(words):
        kept = chance.randint(1, 3) if len(words) < 15 else chance.randint(2, 6)
        changed += words[at : at + kept]
        at += kept
        due = max(1, round(share * min(len(words), at / (1 - share))) - facts)
        length = min(due, len(words) - at)
        changed += [filler[(taken + i) % len(filler)] for i in range(length)]
        taken, facts, at = taken + length, facts + length, at + length
    return " ".join(changed) if facts >= 0.45 * len(words) else None


CHANGES: Mapping[str, Change] = {
    "cut, clean": cut,
    "cut, “…”": partial(cut, endings=MARKS),
    "cut, “Read more”": partial(cut, endings=MORE),
    "cut in mid-word": cut_in_word,
    "cut, labels on both sides": cut_with_label,
    "quote from the middle": quote,
    "label before": label_before,
    "label after": label_after,
    "numbers and dates changed": numbers_changed,
    "names changed": names_changed,
    "one word changed": one_word_changed,
    "words edited, 5 %": partial(words_edited, share=0.05),
    "words edited, 10 %": partial(words_edited, share=0.1),
    "typos, 2 %": partial(typos, share=0.02),
    "typos, 5 %": partial(typos, share=0.05),
    "typos, 10 %": partial(typos, share=0.1),
    "typos, 15 %": partial(typos, share=0.15),
    "OCR noise, 5 %": partial(scanned, share=0.05),
    "OCR noise, 15 %": partial(scanned, share=0.15),
    "case": case_changed,
    "punctuation, quotes, dashes": punctuation_changed,
    "markup and entities left": markup_left,
    "invisible characters": invisible_characters,
    "sentence dropped": sentence_dropped,
    "sentence added": sentence_added,
    "sentences reordered": sentences_reordered,
    "split in two": half,
}
"""Changes that leave a repeat, by name. Merging two blocks is the benchmark's own."""
