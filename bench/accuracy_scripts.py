"""Every script: are small edits found as in English, and are different languages told apart?

The Universal Declaration of Human Rights, a page a language, and sentences of Universal
Dependencies for four scripts. In scripts without spaces, a word is taken to be a run of some
characters. Must not know how anything is found.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
from accuracy_peers import Dedup, verdicts_of
from accuracy_text import lines_of

from dedup.kernel.kinds import VerdictKind
from dedup.normalise import normalise

LANGUAGES: Mapping[str, tuple[str, str | None, int]] = {
    "English": ("eng", None, 0),
    "German": ("deu", None, 0),
    "Russian": ("rus", None, 0),
    "Arabic": ("arb", "ar", 0),
    "Hindi": ("hin", "hi", 0),
    "Korean": ("kor", None, 0),
    "Chinese": ("cmn_hans", "zh", 2),
    "Japanese": ("jpn", None, 2),
    "Thai": ("tha", "th", 3),
}
"""Id in the Declaration, language of the sentences, and characters of a word (0: it has spaces)."""
SHARES = (0.0, 0.05, 0.1)
"""Words edited: one, and these shares."""
ALIKE = 0.6
"""Two texts are really alike from this share of equal characters in order on."""
ROUNDS = 4
"""Edits of every block: there are few blocks in some languages."""


def measure(folder: Path) -> dict[str, Any]:
    """Edits found by language, and repeats between languages."""
    declarations = {
        line["id"]: [text for text in map(str.strip, line["text"].split("\n")) if text]
        for line in lines_of(folder, "udhr")
    }
    sentences: dict[str, list[str]] = {}
    for line in lines_of(folder, "ud_pud"):
        sentences.setdefault(line["lang"], []).append(line["text"])
    return {
        "languages": _between(declarations),
        "edits": {
            name: _edits(declarations[udhr], word)
            | ({"sentences": _edits(sentences[pud], word)} if pud else {})
            for name, (udhr, pud, word) in LANGUAGES.items()
        },
    }


# ---- edits ---------------------------------------------------------------------------------------


def _edits(texts: Sequence[str], word: int) -> dict[str, Any]:
    """The share of edited blocks that point at where they are from."""
    distinct = {normalise(text): text for text in texts}
    blocks = {key: text for key, text in distinct.items() if key.count(" ") >= 7}
    matcher = Dedup()
    verdicts = matcher.add(list(blocks.values()))
    originals = [
        at for at, (kind, _) in enumerate(verdicts_of(verdicts)) if kind == VerdictKind.NEW
    ]
    sources = list(blocks.values())
    vocabulary = [piece for text in sources for piece in _words(text, word)]
    result: dict[str, Any] = {"blocks": len(originals)}
    for share in SHARES:
        found = []
        for turn in range(ROUNDS):
            chance = random.Random(f"{turn} {share}")
            edited = [_edit(chance, sources[at], word, share, vocabulary) for at in originals]
            points = matcher.match(edited)
            found += [original == at for at, (_, original) in zip(originals, points, strict=True)]
        result[f"{share:.0%}" if share else "one word"] = float(np.mean(found))
    return result


def _words(text: str, word: int) -> list[str]:
    if not word:
        return text.split()
    return [text[at : at + word] for at in range(0, len(text), word)]


def _edit(
    chance: random.Random, text: str, word: int, share: float, vocabulary: Sequence[str]
) -> str:
    """Words replaced (three in five), deleted or inserted (one in five each)."""
    words: list[str] = _words(text, word)
    for at in chance.sample(range(len(words)), min(len(words), max(1, round(share * len(words))))):
        action = chance.random()
        other = chance.choice(vocabulary)
        if action < 0.6:
            words[at] = other
        elif action < 0.8 and len(words) > 5:
            words[at] = ""
        else:
            words[at] += f" {other}" if not word else other
    return ("" if word else " ").join(words)


# ---- between languages ---------------------------------------------------------------------------


def _between(declarations: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Repeats whose original is in another language, and whether they are really alike."""
    texts = [text for some in declarations.values() for text in some]
    of = [name for name, some in declarations.items() for _ in some]
    points = verdicts_of(Dedup().add(texts))
    kinds: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    unlike = []
    for at, (kind, original) in enumerate(points):
        if original < 0 or of[at] == of[original]:
            continue
        kinds[kind.name.lower()] += 1
        pairs[of[original], of[at]] += 1
        likeness = _likeness(texts[at], texts[original])
        if likeness < ALIKE:
            unlike.append(
                {
                    "languages": [of[original], of[at]],
                    "kind": kind.name.lower(),
                    "likeness": likeness,
                    "texts": [texts[original][:300], texts[at][:300]],
                }
            )
    return {
        "blocks": len(texts),
        "judged": sum(kind != VerdictKind.SKIPPED for kind, _ in points),
        "languages": len(declarations),
        "kinds": dict(kinds),
        "pairs": [[*pair, count] for pair, count in pairs.most_common()],
        "unlike": unlike,
    }


def _likeness(first: str, second: str) -> float:
    """Equal characters in order, of the shorter text: 1 where it is inside the other."""
    a, b = normalise(first), normalise(second)
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    same = sum(block.size for block in matcher.get_matching_blocks() if block.size >= 3)
    return same / max(1, min(len(a), len(b)))
