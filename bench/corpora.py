"""Text for the benchmarks: real blocks where they are at hand; else, and for millions, invented.

The invented text needs nothing but NumPy and a seed. Words have realistic lengths and frequencies
(Zipf), blocks realistic lengths; numbers and stock phrases turn up now and then. Knows nothing of
what is done with the blocks.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
SEED = 20_260_101

_BLANK_LINE = re.compile(r"\n\s*\n")
_SECTION = re.compile(r"\n\s*\n|\n(?=\s*(?:§|Sec\.|SEC\.|Sect\.|\d+\. ))")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Some blocks and where they are from."""

    blocks: list[str]
    source: str

    def describe(self) -> dict[str, str | int | float]:
        """What a reader of the results must know of the text."""
        sizes = [len(block.encode()) for block in self.blocks]
        return {
            "source": self.source,
            "blocks": len(self.blocks),
            "distinct": len(set(self.blocks)),
            "mean_bytes": sum(sizes) / len(sizes),
            "mean_words": sum(len(block.split()) for block in self.blocks) / len(self.blocks),
        }


# ---- real text -----------------------------------------------------------------------------------


def english(data: Path | None, count: int) -> Corpus:
    """Distinct ASCII blocks of 450 to 720 bytes, about 580 on average, in random order."""
    names = ("ota_terms", "civil_codes")
    found = _distinct(_real(data, names), lambda b: b.isascii() and 450 <= len(b) <= 720, count)
    if found:
        return Corpus(found, "real: " + ", ".join(names) + ", ASCII")
    return Corpus(Invented(mean_words=85, spread=0.12).blocks(count), "invented, ASCII")


def other_scripts(data: Path | None, count: int) -> Corpus:
    """Distinct blocks of 300 to 900 bytes that are not ASCII, of many languages and scripts."""
    names = ("udhr", "ud_pud", "ota_terms")

    def fits(block: str) -> bool:
        return not block.isascii() and 300 <= len(block.encode()) <= 900

    found = _distinct(_real(data, names), fits, count)
    if found:
        return Corpus(found, "real: " + ", ".join(names) + ", not ASCII")
    invented = Invented(mean_words=45, spread=0.12, letters="абвгдежзиклмнопрстуфхцчшыэюя")
    return Corpus(invented.blocks(count), "invented, Cyrillic")


def stream(data: Path | None, count: int, repeats: float = 0.15) -> Corpus:
    """Blocks as they come from a crawl, in their order, a share of them exact repeats.

    Re-crawled legal pages and codes that copied one another: real edits between the distinct
    blocks, real repeats of earlier ones. Of these most are left out, since re-crawls of one page
    hold far more of them than a crawl of many pages.
    """
    names = ("ota_terms", "civil_codes")
    halves = [_thinned(_real(data, (name,)), count // 2, repeats) for name in names]
    if all(halves):
        return Corpus([*halves[0], *halves[1]], "real: " + ", ".join(names) + ", in order")
    fresh = Invented().blocks(count)
    chance = np.random.default_rng(SEED)
    for at in (np.flatnonzero(chance.random(count - 100) < repeats) + 100).tolist():
        fresh[at] = fresh[int(chance.integers(at))]
    return Corpus(fresh, "invented, with exact repeats")


def _real(data: Path | None, names: Iterable[str]) -> Iterator[str]:
    """Blocks of the files that are there, white space made single spaces."""
    for name in names:
        path = (data or DATA) / f"{name}.jsonl.gz"
        if not path.exists():
            continue
        splitter = {"civil_codes": _SECTION, "udhr": re.compile("\n")}.get(name, _BLANK_LINE)
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                for block in splitter.split(json.loads(line)["text"]):
                    if text := " ".join(block.split()):
                        yield text


def _distinct(blocks: Iterable[str], fits: Callable[[str], bool], count: int) -> list[str]:
    """Distinct blocks that fit, in random order, at most `count`."""
    found = list(dict.fromkeys(block for block in blocks if fits(block)))
    order = np.random.default_rng(SEED).permutation(len(found))
    return [found[at] for at in order[:count].tolist()]


def _thinned(blocks: Iterable[str], count: int, repeats: float) -> list[str]:
    """The first blocks of 8 words or more, with repeats left out beyond their share."""
    seen: set[str] = set()
    taken: list[str] = []
    repeated = 0
    for block in blocks:
        if len(taken) == count:
            break
        if len(block.split()) < 8:
            continue
        if block not in seen:
            seen.add(block)
        elif repeated >= repeats * len(taken):
            continue
        else:
            repeated += 1
        taken.append(block)
    return taken


# ---- invented text -------------------------------------------------------------------------------


class Invented:
    """A source of endless invented blocks, the same in every run.

    Args:
        stream: sources that differ in this alone write different blocks in the same language.
        mean_words: words of a block on average.
        spread: standard deviation of the logarithm of the number of words.
        letters: what words are made of.
    """

    WORDS, NUMBERS = 60_000, 5_000
    NUMBER_SHARE, PHRASE_SHARE = 0.02, 0.9
    PHRASES, PHRASE_WORDS = 200_000, 7
    _DRAWS = 1 << 20

    def __init__(
        self,
        stream: int = 0,
        *,
        mean_words: float = 65,
        spread: float = 0.5,
        letters: str = "etaoinshrdlcumwfgypbvk",
    ) -> None:
        self._random = np.random.default_rng(SEED)
        self._mean_log = np.log(mean_words) - spread**2 / 2
        self._spread = spread
        self._make_words(letters)
        # Drawing from a long table of words is much faster than drawing by their probabilities.
        zipf = 1 / (np.arange(self.WORDS) + 2.7)
        words = self._random.choice(self.WORDS, self._DRAWS, p=zipf / zipf.sum())
        numbers = self.WORDS + self._random.integers(0, self.NUMBERS, self._DRAWS)
        is_number = self._random.random(self._DRAWS) < self.NUMBER_SHARE
        self._draws = np.where(is_number, numbers, words).astype(np.int32)
        self._phrases = self._draw(self.PHRASES * self.PHRASE_WORDS).reshape(self.PHRASES, -1)
        self._random = np.random.default_rng([SEED, stream])

    def _make_words(self, letters: str) -> None:
        """The vocabulary as rows of bytes: each word with a space, and again as a block's last."""
        weights = np.linspace(2, 0.3, len(letters))
        alphabet = np.array(list(letters))
        lengths = 2 + self._random.poisson(np.linspace(2, 7, self.WORDS)).clip(0, 11)
        drawn = self._random.choice(alphabet, int(lengths.sum()), p=weights / weights.sum())
        text = "".join(drawn.tolist())
        stops = np.cumsum(lengths).tolist()
        words = [text[a:b] for a, b in zip([0, *stops[:-1]], stops, strict=True)]
        words += [str(n) for n in self._random.integers(1, 10_000, self.NUMBERS).tolist()]
        rows = [f"{word} ".encode() for word in words] + [f"{word}.\n\n".encode() for word in words]
        self._lengths = np.array([len(row) for row in rows], dtype=np.int64)
        width = int(self._lengths.max())
        self._rows = np.frombuffer(
            b"".join(row.ljust(width, b"\0") for row in rows), dtype=np.uint8
        ).reshape(-1, width)

    def _draw(self, count: int) -> npt.NDArray[np.int32]:
        return self._draws[self._random.integers(0, self._DRAWS, count)]

    def text(self, count: int) -> str:
        """`count` fresh blocks in one text, blank lines between them."""
        lengths = self._random.lognormal(self._mean_log, self._spread, count)
        stops = np.cumsum(lengths.clip(8, 500).astype(np.int64))
        words = self._draw(int(stops[-1]))
        # Most blocks hold a phrase that others hold too, as blocks of one paper do: about one
        # candidate for each block at 300,000 blocks.
        places = self._random.permutation(count)[: int(count * self.PHRASE_SHARE)]
        ranks = (self.PHRASES ** self._random.random(len(places))).astype(np.int64) - 1
        starts = stops[places] - self.PHRASE_WORDS - 1
        words[starts[:, None] + np.arange(self.PHRASE_WORDS)] = self._phrases[ranks]
        words[stops - 1] += len(self._rows) // 2
        rows = self._rows[words]
        kept = np.arange(rows.shape[1]) < self._lengths[words][:, None]
        return rows[kept].tobytes().decode()

    def blocks(self, count: int) -> list[str]:
        """`count` fresh blocks."""
        return self.text(count).split("\n\n")[:-1]

    def pages(self, count: int, blocks: int = 20) -> Iterator[str]:
        """`count` fresh pages of so many blocks each."""
        while count > 0:
            some = min(count, 4000 // blocks)  # so many words stay in the processor's cache
            text = self.blocks(some * blocks)
            for first in range(0, len(text), blocks):
                yield "\n\n".join(text[first : first + blocks])
            count -= some
