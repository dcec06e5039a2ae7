"""Who is measured for accuracy: dedup and its peers behind one interface, with their settings.

A matcher takes normalised texts (so everybody gets dedup's Unicode normalisation, case folding and
tokens for free), numbers what is added to it from 0 on, and names for each text the blocks that it
shares a candidate with, scored. Which score is enough is its threshold: as documented, or the best
of a sweep. Must not know the truth.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import xxhash
from datasketch import LeanMinHash, MinHashLSH
from gaoya.minhash import MinHashStringIndex
from rensa import RMinHash, RMinHashLSH

from dedup.index.memory import MemoryIndex
from dedup.kernel.kinds import VerdictKind
from dedup.minhash import minhash_texts
from dedup.settings import Settings
from dedup.sketch import Sketches, sketch_texts
from dedup.verdict import Verdicts

SEED = 1
ID_BYTES, KEY_BYTES = 4, 8
"""What an entry of a table takes at least."""

Scored: TypeAlias = list[tuple[int, float]]
"""Candidates of a text: block and score."""


class Matcher(ABC):
    """An index of blocks that names candidates.

    Attributes:
        threshold: the score from which a candidate is a match.
        kept: how many blocks it holds.
        candidates: how many candidates its queries named.
        queries: how many queries there were.
    """

    def __init__(self, threshold: float = 0.0) -> None:
        self.threshold = threshold
        self.kept = self.candidates = self.queries = 0

    @abstractmethod
    def prepare(self, texts: Sequence[str]) -> Sequence[Any]:
        """Sketches of the texts, one each."""

    @abstractmethod
    def query(self, prepared: Any) -> Scored:
        """The candidates of a text."""

    @abstractmethod
    def insert(self, number: int, prepared: Any) -> None:
        """Keep a text under a number."""

    @abstractmethod
    def keys_a_block(self) -> float:
        """Index entries of a block."""

    @abstractmethod
    def bytes_a_block(self) -> float:
        """What a block takes at least: entries of 12 bytes and what verifies, no overhead."""

    def add(self, texts: Sequence[str]) -> None:
        """Keep all of these."""
        for number, prepared in enumerate(self.prepare(texts), start=self.kept):
            self.insert(number, prepared)
        self.kept += len(texts)

    def score(self, texts: Sequence[str]) -> list[Scored]:
        """The candidates of each text, with their scores."""
        return [self._counted(self.query(prepared)) for prepared in self.prepare(texts)]

    def stream(self, texts: Sequence[str]) -> list[list[int]]:
        """The matches of each text among the ones kept before it; it is kept where there is none.

        Blocks are numbered by their place in `texts`. For a fresh matcher.
        """
        found = []
        for number, prepared in enumerate(self.prepare(texts)):
            scored = self._counted(self.query(prepared))
            matches = [block for block, score in scored if score >= self.threshold]
            if not matches:
                self.insert(number, prepared)
                self.kept += 1
            found.append(matches)
        return found

    def _counted(self, scored: Scored) -> Scored:
        self.candidates += len(scored)
        self.queries += 1
        return scored


def columns_of(texts: Sequence[str]) -> tuple[bytes, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Texts as the kernel takes them: a buffer, starts and ends."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    bounds = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return b"".join(encoded), bounds[:-1], bounds[1:]


def shingles(text: str, width: int) -> list[str]:
    """The word shingles of a normalised text; all of it where it has fewer words."""
    words = text.split(" ")
    if len(words) <= width:
        return [text]
    return [" ".join(words[at : at + width]) for at in range(len(words) - width + 1)]


def hash_of(shingle: str) -> int:
    """A 64-bit hash."""
    return xxhash.xxh3_64_intdigest(shingle.encode("utf-8", "surrogatepass"))


# ---- dedup ---------------------------------------------------------------------------------------

BANDED = Settings(lsh="banded")
"""dedup with its other LSH family."""

POINTS = (VerdictKind.EXACT, VerdictKind.NEAR, VerdictKind.EXCERPT, VerdictKind.EXTENSION)
"""Verdicts that point at an original."""


class Dedup:
    """dedup itself, through its index in memory: verdicts instead of scores."""

    POSTINGS = 4  # ids that a key holds, as in the kernel

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.index = MemoryIndex("memory://", "default", self.settings)
        self.kept = 0

    def sketch(self, texts: Sequence[str]) -> Sketches:
        """Sketches with the keys of the settings' LSH family."""
        return sketch_texts(*columns_of(texts), self.settings.bands)

    def add(self, texts: Sequence[str]) -> Verdicts:
        """Check and add, each text as a page of its own that is named by its number."""
        names = [str(number) for number in range(self.kept, self.kept + len(texts))]
        self.kept += len(texts)
        sketches = self.sketch(texts)
        return self.index.check(sketches, names, np.arange(len(texts) + 1), 1)

    def match(self, texts: Sequence[str], most: int = 200) -> list[tuple[VerdictKind, int]]:
        """The verdict on each text and the block that it points at (-1: none)."""
        found: list[tuple[VerdictKind, int]] = []
        for first in range(0, len(texts), most):
            some = texts[first : first + most]
            verdicts = self.index.lookup(
                self.sketch(some),
                [f"text {at}" for at in range(len(some))],
                np.arange(len(some) + 1),
                2,
                self.settings,
            )
            found += verdicts_of(verdicts)
        return found


def verdicts_of(verdicts: Verdicts) -> list[tuple[VerdictKind, int]]:
    """Kind and original's number of each verdict (-1: none)."""
    return [
        (VerdictKind(kind), int(verdicts.page_names[page]) if kind in POINTS else -1)
        for kind, page in zip(verdicts.kinds.tolist(), verdicts.details[:, 0].tolist(), strict=True)
    ]


def candidates_of(sketches: Sketches, is_original: npt.NDArray[np.bool_]) -> float:
    """Candidates a block: a replay of the postings, each key with the first few originals."""
    postings: dict[int, list[int]] = {}
    named = 0
    for block, (start, end) in enumerate(sketches.key_spans.tolist()):
        keys = sketches.keys[start:end].tolist()
        named += len({original for key in keys for original in postings.get(key, ())})
        if is_original[block]:
            for key in keys:
                held = postings.setdefault(key, [])
                if len(held) < Dedup.POSTINGS:
                    held.append(block)
    return named / len(sketches)


# ---- bands of MinHash values ---------------------------------------------------------------------


class Banded(Matcher):
    """datasketch's MinHashLSH over its own MinHash values, which dedup's kernel makes faster.

    Args:
        width: words of a shingle.
        bands: bands of values.
        rows: values of a band.
        threshold: score from which a candidate counts.
        exact: the score is the Jaccard similarity of the shingles, else the estimate from values.
    """

    def __init__(
        self, width: int, bands: int, rows: int, threshold: float = 0.0, *, exact: bool = False
    ) -> None:
        super().__init__(threshold)
        self.width, self.bands, self.values, self.exact = width, bands, bands * rows, exact
        self._index = MinHashLSH(num_perm=self.values, params=(bands, rows))
        self._held: dict[int, tuple[LeanMinHash, set[int]]] = {}

    def prepare(self, texts: Sequence[str]) -> Sequence[tuple[LeanMinHash, set[int]]]:
        """See `Matcher.prepare`."""
        values = minhash_texts(*columns_of(texts), num_perm=self.values, width=self.width)
        return [
            (
                LeanMinHash(seed=SEED, hashvalues=row, scheme="affine32"),
                {hash_of(shingle) for shingle in shingles(text, self.width)}
                if self.exact
                else set(),
            )
            for row, text in zip(values, texts, strict=True)
        ]

    def query(self, prepared: tuple[LeanMinHash, set[int]]) -> Scored:
        """See `Matcher.query`."""
        sketch, own = prepared
        scored = []
        for number in sorted(self._index.query(sketch)):
            other, its = self._held[number]
            if self.exact:
                score = len(own & its) / len(own | its)
            else:
                score = float(np.mean(sketch.hashvalues == other.hashvalues))
            scored.append((number, score))
        return scored

    def insert(self, number: int, prepared: tuple[LeanMinHash, set[int]]) -> None:
        """See `Matcher.insert`."""
        self._index.insert(number, prepared[0], check_duplication=False)
        self._held[number] = prepared

    def keys_a_block(self) -> float:
        """See `Matcher.keys_a_block`."""
        return self.bands

    def bytes_a_block(self) -> float:
        """See `Matcher.bytes_a_block`."""
        verifier = 0.0
        if self.threshold > 0:
            sizes = [len(own) for _, own in self._held.values()]
            verifier = 8 * float(np.mean(sizes)) if self.exact else 4 * self.values
        return self.bands * (KEY_BYTES + ID_BYTES) + verifier


class Rensa(Matcher):
    """rensa's RMinHashLSH over RMinHash; the estimate verifies, as in its deduplicators."""

    def __init__(self, width: int, bands: int, threshold: float, values: int = 128) -> None:
        super().__init__(threshold)
        self.width, self.bands, self.values = width, bands, values
        self._index = RMinHashLSH(threshold=threshold, num_perm=values, num_bands=bands)
        self._held: dict[int, RMinHash] = {}

    def prepare(self, texts: Sequence[str]) -> Sequence[RMinHash]:
        """See `Matcher.prepare`."""
        sketches = []
        for text in texts:
            sketch = RMinHash(self.values, SEED)
            sketch.update(shingles(text, self.width))
            sketches.append(sketch)
        return sketches

    def query(self, prepared: RMinHash) -> Scored:
        """See `Matcher.query`."""
        numbers = sorted(set(self._index.query(prepared)))
        return [(number, prepared.jaccard(self._held[number])) for number in numbers]

    def insert(self, number: int, prepared: RMinHash) -> None:
        """See `Matcher.insert`."""
        self._index.insert(number, prepared)
        self._held[number] = prepared

    def keys_a_block(self) -> float:
        """See `Matcher.keys_a_block`."""
        return self.bands

    def bytes_a_block(self) -> float:
        """See `Matcher.bytes_a_block`."""
        return self.bands * (KEY_BYTES + ID_BYTES) + 4 * self.values


class Gaoya(Matcher):
    """gaoya's MinHashStringIndex: it verifies by its own estimate, and says no scores."""

    def __init__(self, width: int, bands: int, rows: int, threshold: float) -> None:
        super().__init__(threshold)
        self.bands, self.values = bands, bands * rows
        self._index = MinHashStringIndex(
            32, threshold, bands, rows, None, "word", False, (width, width)
        )

    def prepare(self, texts: Sequence[str]) -> Sequence[str]:
        """See `Matcher.prepare`."""
        return texts

    def query(self, prepared: str) -> Scored:
        """See `Matcher.query`."""
        return [(number, self.threshold) for number in sorted(self._index.query(prepared))]

    def insert(self, number: int, prepared: str) -> None:
        """See `Matcher.insert`."""
        self._index.insert_document(number, prepared)

    def keys_a_block(self) -> float:
        """See `Matcher.keys_a_block`."""
        return self.bands

    def bytes_a_block(self) -> float:
        """See `Matcher.bytes_a_block`."""
        return self.bands * (KEY_BYTES + ID_BYTES) + 4 * self.values


# ---- others --------------------------------------------------------------------------------------


class SharedGrams(Matcher):
    """As onion does: the share of a block's n-grams that were seen before, wherever.

    onion names no source; here a gram remembers the first block that had it, and the candidates are
    the blocks behind the grams.
    """

    def __init__(self, width: int, threshold: float) -> None:
        super().__init__(threshold)
        self.width = width
        self._first: dict[int, int] = {}

    def prepare(self, texts: Sequence[str]) -> Sequence[list[int]]:
        """See `Matcher.prepare`."""
        return [[hash_of(gram) for gram in shingles(text, self.width)] for text in texts]

    def query(self, prepared: list[int]) -> Scored:
        """See `Matcher.query`."""
        behind = Counter(self._first[gram] for gram in prepared if gram in self._first)
        share = behind.total() / len(prepared)
        return [(number, share) for number in sorted(behind)]

    def insert(self, number: int, prepared: list[int]) -> None:
        """See `Matcher.insert`."""
        for gram in prepared:
            self._first.setdefault(gram, number)

    def keys_a_block(self) -> float:
        """See `Matcher.keys_a_block`."""
        return len(self._first) / max(1, self.kept)

    def bytes_a_block(self) -> float:
        """See `Matcher.bytes_a_block`."""
        return self.keys_a_block() * KEY_BYTES


class SimHash(Matcher):
    """Charikar's SimHash, 64 bits: the majority of the features' bits; scored by equal bits."""

    BITS = 64

    def __init__(self, features: Callable[[str], Sequence[str]], most_different: int = 3) -> None:
        super().__init__(self.BITS - most_different)
        self._features = features
        self._held = np.zeros(1024, dtype=np.uint64)
        self._numbers: list[int] = []

    def prepare(self, texts: Sequence[str]) -> Sequence[np.uint64]:
        """See `Matcher.prepare`."""
        return [self._sketch(text) for text in texts]

    def _sketch(self, text: str) -> np.uint64:
        hashes = np.array([hash_of(feature) for feature in self._features(text)], dtype=np.uint64)
        bits = np.unpackbits(hashes.view(np.uint8).reshape(-1, 8), axis=1)
        majority = bits.sum(axis=0, dtype=np.int64) * 2 > len(hashes)
        return np.uint64(np.packbits(majority).view(np.uint64)[0])

    def query(self, prepared: np.uint64) -> Scored:
        """See `Matcher.query`."""
        held = self._held[: len(self._numbers)]
        equal = self.BITS - np.bitwise_count(held ^ prepared).astype(np.int64)
        places = np.flatnonzero(equal >= self.threshold)
        return [(self._numbers[at], float(equal[at])) for at in places.tolist()]

    def insert(self, number: int, prepared: np.uint64) -> None:
        """See `Matcher.insert`."""
        if len(self._numbers) == len(self._held):
            self._held = np.concatenate((self._held, np.zeros_like(self._held)))
        self._held[len(self._numbers)] = prepared
        self._numbers.append(number)

    def keys_a_block(self) -> float:
        """See `Matcher.keys_a_block`."""
        return 4  # tables of 16 bits each, as in Manku et al. 2007 for 3 bits

    def bytes_a_block(self) -> float:
        """See `Matcher.bytes_a_block`."""
        return 4 * (KEY_BYTES + ID_BYTES)


def characters(text: str) -> list[str]:
    """Runs of four characters, as the simhash package takes them."""
    joined = text.replace(" ", "")
    return [joined[at : at + 4] for at in range(max(1, len(joined) - 3))]


def word_pairs(text: str) -> list[str]:
    """Padded pairs of words."""
    return [f"{a} {b}" for a, b in pairwise(["^", *text.split(" "), "$"])]


# ---- their settings ------------------------------------------------------------------------------


class Setting(NamedTuple):
    """A matcher, how it is called in tables, and thresholds to try besides its own."""

    label: str
    make: Callable[[], Matcher]
    thresholds: Sequence[float] = ()


class Peer(NamedTuple):
    """A peer as documented, and the settings to sweep for its best."""

    documented: Setting
    sweep: Sequence[Setting]


_ESTIMATES = (0.0, 0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7)
_SHARES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
_BITS = tuple(range(64 - 22, 64, 2))


def _banded(shapes: Sequence[tuple[int, int, int]], *, exact: bool) -> list[Setting]:
    """Settings by width, bands and rows."""
    return [
        Setting(f"{w}-grams {b}x{r}", partial(Banded, w, b, r, exact=exact), _ESTIMATES)
        for w, b, r in shapes
    ]


PEERS: Mapping[str, Peer] = {
    "datasketch": Peer(
        Setting("words 5x25, t .9", partial(Banded, 1, 5, 25)),
        _banded(((1, 32, 4), (2, 32, 4), (2, 42, 3), (3, 42, 3)), exact=False),
    ),
    "rensa": Peer(
        Setting("words 16x8, t .8", partial(Rensa, 1, 16, 0.8)),
        [
            Setting(f"{w}-grams {b}x{128 // b}", partial(Rensa, w, b, 0.0), _ESTIMATES)
            for w, b in ((1, 32), (2, 32), (2, 64), (3, 64))
        ],
    ),
    "gaoya": Peer(
        Setting("words 20x5, t .75", partial(Gaoya, 1, 20, 5, 0.75)),
        [
            Setting(f"{w}-grams {b}x{r}, t {t}", partial(Gaoya, w, b, r, t), (t,))
            for w, b, r in ((1, 32, 4), (2, 42, 3))
            for t in (0.3, 0.4, 0.5, 0.6)
        ],
    ),
    "text-dedup": Peer(
        Setting("2-grams 50x4", partial(Banded, 2, 50, 4)),
        _banded(((1, 50, 4), (2, 50, 4), (3, 50, 4)), exact=True),
    ),
    "datatrove": Peer(
        Setting("5-grams 14x8", partial(Banded, 5, 14, 8)),
        [
            Setting(f"{w}-grams {b}x{r}", partial(Banded, w, b, r))
            for w in (1, 2, 3, 5)
            for b, r in ((14, 8), (20, 5), (30, 4))
        ],
    ),
    "onion": Peer(
        Setting("5-grams, share .5", partial(SharedGrams, 5, 0.5)),
        [Setting(f"{w}-grams", partial(SharedGrams, w, 0.5), _SHARES) for w in (2, 3, 4, 5, 7)],
    ),
    "SimHash": Peer(
        Setting("4 characters, 3 bits", partial(SimHash, characters, 3)),
        [
            Setting(name, partial(SimHash, features, 22), _BITS)
            for name, features in (
                ("4 characters", characters),
                ("words", str.split),
                ("word pairs", word_pairs),
            )
        ],
    ),
}
