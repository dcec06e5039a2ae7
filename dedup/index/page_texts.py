"""The texts of a page's originals, packed, for an index that keeps texts.

A store has one value a page, by the page's number: where its originals stand on it, and their
texts. Each check of a page replaces its value, so what is there is what the page owns now. Knows
nothing of where a store is.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dedup.errors import IndexFailure
from dedup.index.job import Job
from dedup.index.tables import REPEAT_ENTRY
from dedup.kernel.kinds import VerdictKind
from dedup.sketch import Sketches

LEVEL = 1
"""Of zlib: texts are short, and packed while a crawl waits."""


class TextStore(Protocol):
    """The values by page number; a dict is one."""

    def get(self, number: int, /) -> bytes | None:
        """That of a page, or None."""
        ...

    def __setitem__(self, number: int, packed: bytes, /) -> None:
        """Set that of a page."""
        ...

    def pop(self, number: int, default: None, /) -> object:
        """Remove that of a page, if it has any."""
        ...

    def clear(self) -> None:
        """Remove all."""
        ...


def take_texts(
    store: TextStore, job: Job, sketches: Sketches, numbers: Sequence[int]
) -> dict[int, str]:
    """The texts of the originals that a check has found, by block; the store gets those it added.

    Args:
        store: as it was before the check.
        job: the check, done.
        sketches: of its blocks.
        numbers: of its pages. One may come several times: what is found by pages in between has the
            text that was there then.
    """
    bounds = job.bounds.tolist()
    last: dict[int, tuple[int, int]] = {}  # the blocks of each page, as it was seen last
    texts = {}
    stored = cache(lambda number: unpack(store.get(number)))
    found = _found(job)
    for number, first, end in zip(numbers, bounds, bounds[1:], strict=False):
        last[number] = first, end
        while found and found[-1][0] < end:
            block, owner, position = found.pop()
            if owner in last:
                texts[block] = _text(sketches, last[owner][0] + position)
            elif (text := stored(owner).get(position)) is not None:
                texts[block] = text
    is_owned = (job.entries > 0) & (job.entries < REPEAT_ENTRY)
    for number, (first, end) in last.items():
        positions = np.flatnonzero(is_owned[first:end]).tolist()
        if positions:
            store[number] = pack(positions, [sketches.text(first + at) for at in positions])
        else:
            store.pop(number, None)
    return texts


def found_texts(
    store: TextStore | None, job: Job, sketches: Sketches, numbers: Sequence[int]
) -> dict[int, str]:
    """The texts of the originals that a lookup has found, by block (see `take_texts`)."""
    texts: dict[int, str] = {}
    if store is None:
        return texts
    stored = cache(lambda number: unpack(store.get(number)))
    first_of = job.bounds.tolist()
    for block, owner, position in _found(job):
        at = int(np.searchsorted(job.bounds, block, side="right")) - 1
        if owner == numbers[at]:  # a block repeats another one of its page
            texts[block] = _text(sketches, first_of[at] + position)
        elif (text := stored(owner).get(position)) is not None:
            texts[block] = text
    return texts


def pack(positions: Sequence[int], texts: Sequence[bytes]) -> bytes:
    """Positions and texts (UTF-8 with lone surrogates): their number, positions, lengths, texts."""
    head = np.array([len(positions), *positions, *map(len, texts)], dtype="<u4")
    return zlib.compress(head.tobytes() + b"".join(texts), LEVEL)


def unpack(packed: bytes | None) -> dict[int, str]:
    """The texts by position.

    Raises:
        IndexFailure: they are not what `pack` has made.
    """
    if packed is None:
        return {}
    try:
        plain = zlib.decompress(packed)
        (count,) = np.frombuffer(plain, "<u4", 1).tolist()
        head = np.frombuffer(plain, "<u4", 2 * count, 4).tolist()
        ends = (4 + 8 * count + np.cumsum([0, *head[count:]])).tolist()
        return {
            position: plain[start:end].decode("utf-8", "surrogatepass")
            for position, start, end in zip(head[:count], ends, ends[1:], strict=False)
        }
    except (zlib.error, ValueError) as error:
        raise IndexFailure(
            f"texts of the index are damaged ({error}): take a copy from before, or remove it and"
            " check the pages again"
        ) from error


def _found(job: Job) -> list[tuple[int, int, int]]:
    """Of each block with an original: the block, the original's page number and position."""
    blocks = np.flatnonzero(job.kinds >= VerdictKind.EXACT)[::-1]
    places: npt.NDArray[np.uint32] = job.details[blocks, :2]
    return [(block, *place) for block, place in zip(blocks.tolist(), places.tolist(), strict=True)]


def _text(sketches: Sketches, block: int) -> str:
    return sketches.text(block).decode("utf-8", "surrogatepass")
