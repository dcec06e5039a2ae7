"""Short blocks: headlines of five to nine words with one word changed, and headlines never seen.

From news pages, headings and items of legal pages, sentences of Universal Dependencies that are
short enough, and invented up to the wished number. Must not know how anything is found.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from accuracy_peers import Dedup, verdicts_of
from accuracy_text import distinct_blocks, lines_of, missing
from corpora import Invented
from teasers import SEED

from dedup.kernel.kinds import VerdictKind
from dedup.normalise import normalise
from dedup.settings import Settings

FEWEST, MOST = 5, 9
EXAMPLES = 40


class _Plain(Invented):
    """Invented text without its stock phrases, which would be most of a headline."""

    PHRASE_SHARE = 0.0


def headlines(folder: Path, count: int) -> tuple[list[str], dict[str, int]]:
    """Distinct headlines in random order, and how many are from where."""
    found: dict[str, str] = {}
    if not missing(folder):
        for name in ("fundus_news", "ota_terms"):
            for block in distinct_blocks(name, folder):
                letters = sum(c.isalpha() or c == " " for c in block.text)
                words = abs(len(block.text.split()) - block.words)
                if (
                    FEWEST <= block.words <= MOST
                    and words <= 1
                    and letters >= 0.8 * len(block.text)
                ):
                    found[block.normalised] = name
        for line in lines_of(folder, "ud_pud"):
            text = normalise(line["text"])
            if FEWEST <= len(text.split(" ")) <= MOST and len(line["text"].split()) >= FEWEST:
                found[text] = "ud_pud"
    source = _Plain(stream=11, mean_words=10, spread=0.6)
    while len(found) < count:
        for text in map(normalise, source.blocks(4000)):
            if FEWEST <= text.count(" ") + 1 <= MOST and len(found) < count:
                found.setdefault(text, "invented")
    texts = list(found)
    random.Random(SEED).shuffle(texts)
    names = list(found.values())
    return texts[:count], {name: names.count(name) for name in dict.fromkeys(names)}


def is_variant(first: str, second: str) -> bool:
    """Whether one word makes the difference, or one headline is inside the other."""
    a, b = first.split(" "), second.split(" ")
    if f" {first} " in f" {second} " or f" {second} " in f" {first} ":
        return True
    return edit_distance(a, b) <= 1


def edit_distance(first: Sequence[str], second: Sequence[str]) -> int:
    """Words to insert, delete or replace (Levenshtein 1966)."""
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, start=1):
        before, row[0] = row[0], i
        for j, b in enumerate(second, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def measure(folder: Path, count: int, settings: Settings | None = None) -> dict[str, Any]:
    """Half of the headlines are known: the others are checked, and the known ones with a change."""
    texts, sources = headlines(folder, count)
    half = len(texts) // 2
    known, unseen = texts[:half], texts[half:]
    matcher = Dedup(settings)
    kinds = [kind for kind, _ in verdicts_of(matcher.add(known))]
    originals = [at for at, kind in enumerate(kinds) if kind == VerdictKind.NEW]
    vocabulary = [word for text in known for word in text.split(" ")]
    chance = random.Random(SEED)
    changed = []
    for at in originals:
        words = known[at].split(" ")
        place = chance.randrange(len(words))
        words[place] = chance.choice([w for w in chance.sample(vocabulary, 5) if w != words[place]])
        changed.append(" ".join(words))
    points = matcher.match(changed)
    found = np.array([o == at for at, (_, o) in zip(originals, points, strict=True)])
    lengths = np.array([len(known[at].split(" ")) for at in originals])
    flagged = [
        (text, o) for text, (_, o) in zip(unseen, matcher.match(unseen), strict=True) if o >= 0
    ]
    false = [(text, known[o]) for text, o in flagged if not is_variant(text, known[o])]
    return {
        "headlines": len(texts),
        "sources": sources,
        "found": float(found.mean()),
        "found_by_words": {
            str(n): float(found[lengths == n].mean())
            for n in range(FEWEST, MOST + 1)
            if (lengths == n).any()
        },
        "unseen": len(unseen),
        "flagged_unseen": len(flagged) / len(unseen),
        "false_unseen": len(false) / len(unseen),
        "examples": [[text, known[o]] for text, o in flagged[:EXAMPLES]],
    }
