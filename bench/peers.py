"""The libraries to compare with, each as its documentation shows and as fast as we could make it.

Sketchers take texts; finders take blocks in order, say which repeat an earlier one, and keep the
others. All of them get the same shingles of the lower-cased words; punctuation, Unicode and HTML,
which dedup deals with in the same time, are not asked of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import count, pairwise
from typing import TypeAlias

import numpy as np
import xxhash
from datasketch import MinHash, MinHashLSH
from gaoya.minhash import MinHashStringIndex
from rensa import CMinHash, CMinHashDeduplicator, RMinHash, RMinHashDeduplicator, RMinHashLSH

NUM_PERM = 128
SEED = 1

Sketcher: TypeAlias = Callable[[Sequence[str]], object]
Finder: TypeAlias = Callable[[Sequence[str]], list[bool]]


def shingles(text: str, width: int = 3) -> list[str]:
    """The word shingles of a text, in the fastest way that Python has for it."""
    words = text.lower().split()
    if len(words) <= width:
        return [" ".join(words)]
    if width == 2:
        return [f"{a} {b}" for a, b in pairwise(words)]
    assert width == 3
    return [f"{a} {b} {c}" for a, b, c in zip(words, words[1:], words[2:], strict=False)]


# ---- sketches ------------------------------------------------------------------------------------


def datasketch_loop(texts: Sequence[str]) -> object:
    """As datasketch's README shows: a MinHash a document, an update a shingle."""
    sketches = []
    for text in texts:
        minhash = MinHash(num_perm=NUM_PERM)
        for shingle in shingles(text):
            minhash.update(shingle.encode("utf8"))
        sketches.append(minhash)
    return sketches


def datasketch_generator(texts: Sequence[str]) -> object:
    """Its generator for many documents: permutations are drawn once."""
    sets = ([shingle.encode("utf8") for shingle in shingles(text)] for text in texts)
    return list(MinHash.generator(sets, num_perm=NUM_PERM))


def datasketch_best(texts: Sequence[str]) -> object:
    """Its best: shared permutations, a batch update a document, and xxHash instead of SHA-1."""
    return [_datasketch_minhash(shingles(text)) for text in texts]


_TEMPLATE = MinHash(num_perm=NUM_PERM, seed=SEED, hashfunc=xxhash.xxh32_intdigest)


def _datasketch_minhash(tokens: Iterable[str]) -> MinHash:
    minhash = _TEMPLATE.copy()
    minhash.update_batch([token.encode("utf8") for token in tokens])
    return minhash


def rensa_r_loop(texts: Sequence[str]) -> object:
    """An RMinHash a document."""
    sketches = []
    for text in texts:
        minhash = RMinHash(NUM_PERM, SEED)
        minhash.update(shingles(text))
        sketches.append(minhash)
    return sketches


def rensa_r_batch(texts: Sequence[str]) -> object:
    """Its digest matrix, from a generator: faster than from a list, which is collected later."""
    sets = (shingles(text) for text in texts)
    return RMinHash.digest_matrix_from_token_sets(sets, NUM_PERM, SEED)


def rensa_rho_batch(texts: Sequence[str]) -> object:
    """Its rho matrix, which samples tokens: a weaker sketch, so not quite the same job."""
    sets = (shingles(text) for text in texts)
    return RMinHash.digest_matrix_from_token_sets_rho(sets, NUM_PERM, SEED)


def rensa_c_loop(texts: Sequence[str]) -> object:
    """A CMinHash a document (faster than its batch calls here)."""
    sketches = []
    for text in texts:
        minhash = CMinHash(NUM_PERM, SEED)
        minhash.update(shingles(text))
        sketches.append(minhash)
    return sketches


_EMPTY = MinHashStringIndex(32, 0.6, 32, 4, None, "word", True, (3, 3))


def gaoya_empty_query(texts: Sequence[str]) -> object:
    """Queries of an empty index: gaoya has no call that only sketches, and these find nothing."""
    return _EMPTY.par_bulk_query(texts)


SKETCHERS: dict[str, Sketcher] = {
    "datasketch, plain loop": datasketch_loop,
    "datasketch, generator": datasketch_generator,
    "datasketch, best": datasketch_best,
    "rensa RMinHash, loop": rensa_r_loop,
    "rensa RMinHash, batch": rensa_r_batch,
    "rensa CMinHash, loop": rensa_c_loop,
    "rensa rho, batch (samples)": rensa_rho_batch,
    "gaoya, query of empty index": gaoya_empty_query,
}


def datasketch_values(normalised: Iterable[str], width: int = 3) -> np.ndarray:
    """The values that datasketch gives to normalised texts, to check ours against."""
    return np.array(
        [
            _datasketch_minhash(
                " ".join(words[at : at + width]) for at in range(max(1, len(words) - width + 1))
            ).hashvalues
            for words in (text.split(" ") for text in normalised)
        ]
    )


# ---- finding repeats -----------------------------------------------------------------------------

THRESHOLD, WIDTH = 0.6, 2
"""dedup's own threshold, and the shingles that it is defined on."""
BANDS = 32
"""Of 4 values each: half of the pairs at J = .36 become candidates, 99 % at .6."""


def rensa_r_deduplicator() -> Finder:
    """RMinHashDeduplicator: adds what is new in one call, tokens in, an estimate verifies."""
    keeper = RMinHashDeduplicator(
        threshold=THRESHOLD, num_perm=NUM_PERM, use_lsh=True, num_bands=BANDS, seed=SEED
    )
    return _rensa_finder(keeper)


def rensa_c_deduplicator() -> Finder:
    """CMinHashDeduplicator: the same."""
    return _rensa_finder(CMinHashDeduplicator(threshold=THRESHOLD, num_perm=NUM_PERM, seed=SEED))


def _rensa_finder(keeper: RMinHashDeduplicator | CMinHashDeduplicator) -> Finder:
    held = 0

    def find(blocks: Sequence[str]) -> list[bool]:
        nonlocal held
        added = keeper.add_pairs(
            (str(at), shingles(block, WIDTH)) for at, block in enumerate(blocks, start=held)
        )
        held += len(blocks)
        return [not new for new in added]

    return find


def rensa_r_lsh() -> Finder:
    """RMinHashLSH: query, then insert what has no candidate; nothing is verified."""
    index = RMinHashLSH(threshold=THRESHOLD, num_perm=NUM_PERM, num_bands=BANDS)

    def repeats(at: int, block: str) -> bool:
        minhash = RMinHash(NUM_PERM, SEED)
        minhash.update(shingles(block, WIDTH))
        found = bool(index.query(minhash))
        if not found:
            index.insert(at, minhash)
        return found

    return _one_by_one(repeats)


def gaoya_comparable() -> Finder:
    """MinHashStringIndex with the same threshold, shingles and bands as the others."""
    return _gaoya_finder(
        MinHashStringIndex(32, THRESHOLD, BANDS, 4, None, "word", True, (WIDTH, WIDTH))
    )


def gaoya_defaults() -> Finder:
    """MinHashStringIndex as it comes: single words, 20 bands of 5, threshold .75."""
    return _gaoya_finder(MinHashStringIndex())


def _gaoya_finder(index: MinHashStringIndex) -> Finder:
    def repeats(at: int, block: str) -> bool:
        found = bool(index.query(block))
        if not found:
            index.insert_document(at, block)
        return found

    return _one_by_one(repeats)


def datasketch_lsh() -> Finder:
    """MinHashLSH with shared permutations, batch updates and xxHash: query, insert what is new."""
    index = MinHashLSH(num_perm=NUM_PERM, params=(BANDS, NUM_PERM // BANDS))

    def repeats(at: int, block: str) -> bool:
        minhash = _datasketch_minhash(shingles(block, WIDTH))
        found = bool(index.query(minhash))
        if not found:
            index.insert(at, minhash, check_duplication=False)
        return found

    return _one_by_one(repeats)


def _one_by_one(repeats: Callable[[int, str], bool]) -> Finder:
    """A finder that asks of each block, with a number of its own, whether it repeats one before."""
    numbers = count()

    def find(blocks: Sequence[str]) -> list[bool]:
        return [repeats(at, block) for block, at in zip(blocks, numbers, strict=False)]

    return find


FINDERS: dict[str, Callable[[], Finder]] = {
    "rensa RMinHashDeduplicator": rensa_r_deduplicator,
    "rensa CMinHashDeduplicator": rensa_c_deduplicator,
    "rensa RMinHashLSH": rensa_r_lsh,
    "gaoya, same threshold": gaoya_comparable,
    "gaoya, defaults": gaoya_defaults,
    "datasketch, best": datasketch_lsh,
}
