"""The teaser benchmark: blocks for an index, and cases, each a repeat of known blocks or of none.

Made from real paragraphs (legal pages, codes, news) by a seeded generator, so everybody gets the
same ones; without the data, from invented text. `Case.sources` is the truth: the blocks that the
case was made from, or nothing where it is no repeat. What is done to a block: `teaser_changes.py`.

The blocks of the index are unlike one another, so that there is one right answer. Negatives are
filtered by an oracle that shares nothing with shingles: the words that they have in common, in
order, with the blocks that share most rare words with them.
"""

from __future__ import annotations

import random
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np
from accuracy_text import Block, distinct_blocks, missing
from corpora import Invented
from scipy.sparse import csr_matrix
from teaser_changes import CHANGES, MORE, Surroundings, cut, cut_in_word, is_name, other_facts
from truth import contained_pairs, similar_pairs

from dedup.normalise import normalise

SEED = 20_260_101
REPORTED, CHOSEN_ON = 0, 1
"""Halves of the sources: figures are reported on one, settings are chosen on the other."""
CORPORA = ("ota_terms", "civil_codes", "fundus_news")
LENGTHS = ((5, 9), (10, 19), (20, 39), (40, 80), (81, 1 << 30))
"""Classes of length in words, both ends included."""
MERGED = "merged with the next"
UNRELATED, HEADLINES, ROWS, FACTS = (
    "unrelated paragraph",
    "same event, other headline",
    "templated row",
    "same template, other facts",
)
INVENTED = "unrelated, invented"
UNKNOWN = "teaser of an unknown text"
OTHER_FACTS = 1 / 3
"""A row differs from all others of its template in this share of its words, at least: harder than
facts that are most of it."""
RELATED_WORDS, RELATED_RUN, RELATED_PHRASES, PHRASE = 0.5, 0.6, 0.5, 4
"""Two texts are related from this share of words in a common subsequence (of both), from this share
of the shorter one in one common run, or in common phrases of so many words."""


class Case(NamedTuple):
    """A block to check.

    Attributes:
        kind: what was done.
        text: as it stands on the page.
        sources: numbers of the blocks that it repeats; none for a negative.
    """

    kind: str
    text: str
    sources: tuple[int, ...] = ()


@dataclass
class Teasers:
    """The benchmark: the texts of the index, and the cases."""

    texts: list[str] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    source: str = ""


def length_class(words: int) -> str:
    """The name of the class of a length."""
    low, high = next((a, b) for a, b in LENGTHS if words <= b)
    return f"{low}+" if high == LENGTHS[-1][1] else f"{low}-{high}"


def make_teasers(
    folder: Path, *, a_class: int, others: int, seed: int = SEED, half: int = REPORTED
) -> Teasers:
    """The benchmark with so many sources of each length class, and other blocks in the index.

    Args:
        folder: where the data sets are.
        a_class: sources of each class of length.
        others: blocks in the index besides.
        seed: of every choice.
        half: `REPORTED` or `CHOSEN_ON`: publishers and services are in one of them.
    """
    chance = random.Random(seed)
    pool, held_out = _pool(folder, chance, half)
    blocks = _unlike(pool, a_class, others)
    made = Teasers([block.text for block in blocks])
    made.source = "invented" if missing(folder) else "real: " + ", ".join(CORPORA)
    sources = _sources(blocks, a_class)
    sample = chance.sample(held_out, min(len(held_out), 20 * a_class))
    strangers = _unrelated(made.texts, sample)
    around = _surroundings(blocks, strangers)
    for kind, change in CHANGES.items():
        for number in sources:
            block = blocks[number]
            rng = random.Random(f"{seed} {kind} {block.normalised}")
            text = change(rng, block.text.split(), around[_corpus(block)])
            if text and len(normalise(text).split()) >= 5 and text != block.text:
                made.cases.append(Case(kind, text, (number,)))
    made.cases += _merged(blocks, sources, seed)
    made.cases += _facts(blocks, sources, around, seed)
    made.cases += _headlines(blocks, strangers, sources, seed)
    made.cases += _rows(made.texts, chance, a_class)
    made.cases += [Case(UNRELATED, block.text) for block in strangers]
    made.cases += _unknown(strangers, around, seed)
    strange = Invented(stream=7, mean_words=30, spread=0.8).blocks(5 * a_class)
    made.cases += [Case(INVENTED, text) for text in strange]
    return made


# ---- blocks of the index -------------------------------------------------------------------------


def _corpus(block: Block) -> str:
    return block.document.partition(":")[0]


def _pool(folder: Path, chance: random.Random, half: int) -> tuple[list[Block], list[Block]]:
    """Blocks of a half in random order, and those of documents that the index never sees."""
    pools: dict[str, list[Block]] = {}
    held_out: dict[str, list[Block]] = {}
    if missing(folder):
        for stream, mean in enumerate((7, 14, 30, 60, 120)):
            texts = Invented(10 * half + stream, mean_words=mean, spread=0.3).blocks(3000)
            blocks = [Block(text, normalise(text), f"invented {mean}:") for text in texts]
            pools[str(mean)], held_out[str(mean)] = blocks[600:], blocks[:600]
    else:
        for name in CORPORA:
            for block in filter(_spaced, distinct_blocks(name, folder)):
                chosen = Block(block.text, block.normalised, f"{name}:{block.document}")
                if zlib.crc32(f"half {_owner(chosen)}".encode()) % 2 != half:
                    continue
                # Codes copied one another: none of their blocks is known to be unrelated.
                out = name != "civil_codes" and zlib.crc32(_owner(chosen).encode()) % 10 < 3
                (held_out if out else pools).setdefault(name, []).append(chosen)
    return _interleaved(pools, chance), _interleaved(held_out, chance)


def _interleaved(by_corpus: dict[str, list[Block]], chance: random.Random) -> list[Block]:
    """One of each in turn, in random order within each, until all are used up."""
    for blocks in by_corpus.values():
        chance.shuffle(blocks)
    rounds = zip_longest(*by_corpus.values())
    return [block for some in rounds for block in some if block]


def _owner(block: Block) -> str:
    """Who wrote it: the publisher, or the service (a path's first part)."""
    return block.document.partition(":")[2].partition("/")[0]


def _spaced(block: Block) -> bool:
    """Whether it is text in words: the edits here know words only."""
    letters = sum(c.isalpha() or c == " " for c in block.text)
    spaced = abs(len(block.text.split()) - block.words) <= 0.25 * block.words
    return spaced and letters >= 0.8 * len(block.text)


def _unlike(pool: Sequence[Block], a_class: int, others: int) -> list[Block]:
    """Blocks no two of which have much in common: the sources' classes first, then others."""
    wanted: Counter[str] = Counter()
    first: list[Block] = []
    rest: list[Block] = []
    for block in pool:
        name = length_class(block.words)
        wanted[name] += 1
        (first if wanted[name] <= 1.3 * a_class else rest).append(block)
    chosen = first + rest[: int(1.2 * others)]
    texts = [block.normalised for block in chosen]
    like = [similar_pairs(texts, 0.35)[:, :2], contained_pairs(texts, texts, 0.5, 4)[:, :2]]
    pairs = np.concatenate(like).astype(int)
    later = pairs.max(axis=1)[pairs[:, 0] != pairs[:, 1]]
    dropped = set(later.tolist())
    kept = [block for at, block in enumerate(chosen) if at not in dropped]
    return kept[: 5 * a_class + others]


def _sources(blocks: Sequence[Block], a_class: int) -> list[int]:
    """The first blocks of every length class."""
    taken: Counter[str] = Counter()
    sources = []
    for number, block in enumerate(blocks):
        name = length_class(block.words)
        taken[name] += 1
        if taken[name] <= a_class:
            sources.append(number)
    return sources


def _surroundings(blocks: Sequence[Block], strangers: Sequence[Block]) -> dict[str, Surroundings]:
    """Words and names of each corpus, and paragraphs of it that the index does not have."""
    found: dict[str, Surroundings] = {}
    for corpus in sorted({_corpus(block) for block in blocks}):
        words = [b.text.split() for b in blocks if _corpus(b) == corpus][:3000]
        names = [some[at] for some in words for at in range(len(some)) if is_name(some, at)]
        vocabulary = [word for some in words for word in some if word.isalpha()]
        genre = "ota_terms" if corpus == "civil_codes" else corpus  # law as well
        paragraphs = [block.text for block in strangers if _corpus(block) == genre]
        found[corpus] = Surroundings(vocabulary, names, paragraphs)
    return found


# ---- cases ---------------------------------------------------------------------------------------


def _merged(blocks: Sequence[Block], sources: Sequence[int], seed: int) -> Iterator[Case]:
    """A source and another block of half to one and a half its length in one paragraph."""
    for number in sources:
        rng = random.Random(f"{seed} {MERGED} {number}")
        for _ in range(50):
            other = rng.randrange(len(blocks))
            share = blocks[other].words / blocks[number].words
            if other != number and 0.5 <= share <= 1.5:
                text = f"{blocks[number].text} {blocks[other].text}"
                yield Case(MERGED, text, (number, other))
                break


def _facts(
    blocks: Sequence[Block],
    sources: Sequence[int],
    around: dict[str, Surroundings],
    seed: int,
) -> Iterator[Case]:
    """Sources whose facts, most of them, are others."""
    for number in sources:
        block = blocks[number]
        rng = random.Random(f"{seed} {FACTS} {number}")
        text = other_facts(rng, block.text.split(), around[_corpus(block)])
        if text and len(normalise(text).split()) >= 5:
            yield Case(FACTS, text)


def _unknown(
    strangers: Sequence[Block], around: dict[str, Surroundings], seed: int
) -> Iterator[Case]:
    """Paragraphs that the index has nothing of, cut before "Read more" or inside a word."""
    for block in strangers:
        rng = random.Random(f"{seed} {UNKNOWN} {block.normalised}")
        change = rng.choice((partial(cut, endings=MORE), cut_in_word))
        text = change(rng, block.text.split(), around[_corpus(block)])
        if text and len(normalise(text).split()) >= 5:
            yield Case(UNKNOWN, text)


def _headlines(
    blocks: Sequence[Block], strangers: Sequence[Block], sources: Sequence[int], seed: int
) -> Iterator[Case]:
    """The first words of a headline that the index knows, and the rest of another one."""
    news = [b for b in strangers if _corpus(b) != "ota_terms" and 6 <= b.words <= 16]
    if not news:
        return
    for number in sources:
        words = blocks[number].text.split()
        if not 6 <= len(words) <= 16 or _corpus(blocks[number]) == "civil_codes":
            continue
        rng = random.Random(f"{seed} {HEADLINES} {number}")
        shared = rng.randint(2, max(2, int(0.4 * len(words))))
        tail = rng.choice(news).text.split()
        tail = tail[-max(len(words) - shared, int(1.3 * shared) + 1) :]
        text = " ".join(words[:shared] + tail)
        if len(normalise(text).split()) >= 5 and len(tail) >= 1.3 * shared:
            yield Case(HEADLINES, text)


_CITIES = [
    "Berlin", "Munich", "Rome", "Paris", "Oslo", "Vienna", "Madrid", "Lisbon", "Athens",
    "Dublin", "Prague", "Warsaw", "Zagreb", "Lyon", "Turin", "Leeds", "Bergen", "Graz", "Porto",
    "Sofia", "Tallinn", "Riga", "Vilnius", "Ghent", "Basel", "Geneva", "Nantes", "Lille",
    "Cork", "Malaga",
]  # fmt: skip
_PEOPLE = [
    "Adams", "Baker", "Costa", "Dubois", "Evans", "Fischer", "Garcia", "Hansen", "Ivanov",
    "Jansen", "Keller", "Lopez", "Moreau", "Novak", "Olsen", "Petrov", "Quinn", "Rossi",
    "Silva", "Tanaka", "Urban", "Vidal", "Weber", "Young", "Zeller", "Brandt", "Conti", "Duarte",
]  # fmt: skip
_THINGS = [
    "lamp", "table", "chair", "carpet", "mirror", "bottle", "basket", "blanket", "clock",
    "vase", "shelf", "drawer", "bench", "stool", "desk", "kettle", "teapot", "plate", "spoon",
    "pillow", "curtain", "cabinet", "wardrobe", "mattress", "candle",
]  # fmt: skip
_ROWS = (
    "Flight {code} from {city} to {other} departs {hour}:{minute} gate {gate}",
    "{city} {number} {other} {goals} referee {name} {date} attendance {big}",
    "{name} {given} {thing} {number} pieces {date} order {big} {city}",
    "{thing} {other_thing} size {number} price {big} ships from {city}",
    "{date} {hour}:{minute} {city} {thing} auction lot {number} estimate {big} {name}",
    "{given} {name}, {number}, {city}, elected {date} with {big} votes for {other}",
    "The {thing} from {city} costs {number} euros and ships within {hour} days",
    "{name} of {city} wins in {other} after a goal in minute {minute}",
    "Results of the elections {year} in {city}, updated at {hour}:{minute}",
    "Read {number} reviews of the hotel {name} in {city}, from {big} euros",
    "Order {big} by {given} {name} is to be delivered to {city}",
    "Shop in {city}: open from {hour} to 18, phone {big}, manager {name}",
)


def _rows(texts: list[str], chance: random.Random, a_class: int) -> Iterator[Case]:
    """Rows of tables: as many go into the index as are checked."""

    def row(template: str) -> str:
        city, other = chance.sample(_CITIES, 2)
        thing, other_thing = chance.sample(_THINGS, 2)
        name, given = chance.sample(_PEOPLE, 2)
        year = chance.randrange(1990, 2026)
        return template.format(
            city=city,
            other=other,
            thing=thing,
            other_thing=other_thing,
            name=name,
            given=given,
            code=f"{chance.choice('ABKLS')}{chance.choice('AHKX')} {chance.randrange(100, 9999)}",
            gate=f"{chance.choice('ABCD')}{chance.randrange(1, 40)}",
            number=chance.randrange(1, 200),
            goals=chance.randrange(12),
            big=chance.randrange(1000, 90_000),
            hour=chance.randrange(24),
            year=year,
            minute=chance.randrange(10, 60),
            date=f"{chance.randrange(1, 29)}.{chance.randrange(1, 13)}.{year}",
        )

    each = max(10, a_class // 4)
    for template in _ROWS:
        held = [row(template) for _ in range(each)]
        texts += held
        others = [normalise(text).split() for text in held]
        for text in [row(template) for _ in range(2 * each)]:
            words = normalise(text).split()
            if all(_difference(words, other) >= OTHER_FACTS for other in others):
                yield Case(ROWS, text)


def _difference(first: Sequence[str], second: Sequence[str]) -> float:
    """The share of words that differ, place by place."""
    same = sum(a == b for a, b in zip(first, second, strict=False))
    return 1 - same / max(len(first), len(second))


# ---- the oracle for negatives --------------------------------------------------------------------


def _unrelated(texts: Sequence[str], blocks: Sequence[Block], nearest: int = 3) -> list[Block]:
    """The blocks that have nothing to do with the texts nearest in their rare words."""
    words = [normalise(text).split() for text in texts]
    others = [block.normalised.split() for block in blocks]
    counts = Counter(word for some in words for word in set(some))
    columns = {word: at for at, word in enumerate(counts)}
    weights = np.log(len(texts) / np.array(list(counts.values())))

    def matrix(rows: Sequence[Sequence[str]]) -> csr_matrix:
        places = [(r, columns[w]) for r, row in enumerate(rows) for w in set(row) if w in columns]
        row, column = np.array(places).T
        weighted = csr_matrix((weights[column], (row, column)), shape=(len(rows), len(columns)))
        norms = np.sqrt(weighted.multiply(weighted).sum(axis=1))
        return csr_matrix(weighted.multiply(1 / np.maximum(norms, 1e-9)))

    cosine = matrix(others) @ matrix(words).T.tocsr()
    kept = []
    for at, block in enumerate(blocks):
        row = cosine[at]
        near = row.indices[np.argsort(-row.data, kind="stable")[:nearest]].tolist()
        if not any(are_related(others[at], words[number]) for number in near):
            kept.append(block)
    return kept


def are_related(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether two texts share most of their words in order, or a long run."""
    matcher = SequenceMatcher(None, first, second, autojunk=False)
    blocks = [block.size for block in matcher.get_matching_blocks()]
    shorter = min(len(first), len(second))
    return (
        2 * sum(blocks) >= RELATED_WORDS * (len(first) + len(second))
        or max(blocks) >= RELATED_RUN * shorter
        or sum(size for size in blocks if size >= PHRASE) >= RELATED_PHRASES * shorter
    )
