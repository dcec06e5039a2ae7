"""Real blocks for the accuracy benchmarks: distinct, of five words or more, from real pages.

Knows nothing of what is measured on them.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from dedup.decode import decode
from dedup.html import split_html
from dedup.normalise import normalise

FEWEST_WORDS = 5
_SECTION = r"\n\s*\n|\n(?=\s*(?:§|Sec\.|SEC\.|Sect\.|\d+\. ))"


class Block(NamedTuple):
    """A block as it stands on a page (white space made single spaces), and normalised."""

    text: str
    normalised: str
    document: str

    @property
    def words(self) -> int:
        """Tokens of the normalised text."""
        return self.normalised.count(" ") + 1


def distinct_blocks(name: str, folder: Path, count: int | None = None) -> list[Block]:
    """The first `count` blocks (None: all) of a data set that differ when normalised."""
    found: dict[str, Block] = {}
    for document, text in DATA_SETS[name](folder):
        normalised = normalise(text)
        if normalised.count(" ") >= FEWEST_WORDS - 1 and normalised not in found:
            found[normalised] = Block(" ".join(text.split()), normalised, document)
            if len(found) == count:
                break
    return list(found.values())


def lines_of(folder: Path, name: str) -> Iterator[dict[str, str]]:
    """The objects of a data set in JSON lines."""
    with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _split_texts(folder: Path, *, name: str, key: str, pattern: str) -> Iterator[tuple[str, str]]:
    splitter = re.compile(pattern)
    for line in lines_of(folder, name):
        for block in splitter.split(line["text"]):
            yield line[key], block


def _verses(folder: Path) -> Iterator[tuple[str, str]]:
    for line in lines_of(folder, "bible_pairs"):
        yield line["pair"], line["a"]
        yield line["pair"], line["b"]


def _pages(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted((folder / "fundus_news").glob("*.html.gz")):
        publisher = "__".join(path.name.split("__")[:2]).split("_2")[0]
        for block in split_html(decode(gzip.decompress(path.read_bytes())).text).texts:
            yield publisher, block


DATA_SETS: Mapping[str, Callable[[Path], Iterator[tuple[str, str]]]] = {
    "civil_codes": partial(_split_texts, name="civil_codes", key="id", pattern=_SECTION),
    "ota_terms": partial(_split_texts, name="ota_terms", key="path", pattern=r"\n\s*\n"),
    "bible_pairs": _verses,
    "fundus_news": _pages,
    "spdx_licenses": partial(_split_texts, name="spdx_licenses", key="id", pattern=r"\n\s*\n"),
}
"""Document and text of every block of a data set, in order, repeats included."""


def missing(folder: Path) -> list[str]:
    """The data sets that are not in the folder."""
    there = {
        name: (folder / (name if name == "fundus_news" else f"{name}.jsonl.gz")).exists()
        for name in DATA_SETS
    }
    return [name for name, exists in there.items() if not exists]
