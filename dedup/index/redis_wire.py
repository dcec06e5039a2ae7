"""Commands as they go over the wire, packed, and replies of many values: thousands take time.

The Redis protocol (RESP): `*` and the number of words, then of each word `$`, its length and the
word. The client library does the same, word by word. Knows nothing of an index.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from dedup import kernel

WORD_ROOM = 45
"""Bytes that a number needs as a word, and a value beside its own, at most."""

Word: TypeAlias = bytes | int | str
Packed: TypeAlias = list[bytes | memoryview]
"""A command, in parts: they are laid together once, when it is sent."""


class Words(NamedTuple):
    """Words of a command, packed."""

    number: int
    data: bytes | memoryview


def pack_words(words: Iterable[Word]) -> Words:
    """A few words."""
    parts = []
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return Words(len(parts), b"".join(parts))


def pack_numbers(numbers: npt.NDArray[np.int64]) -> Words:
    """Numbers, int64[n], as words."""
    out = np.empty(WORD_ROOM * len(numbers), dtype=np.uint8)
    size = kernel.pack_words(numbers, out)
    return Words(len(numbers), out[:size].data)


def command(*words: Word, more: Sequence[Words] = ()) -> Packed:
    """A command of these words, and the packed ones behind them."""
    first = pack_words(words)
    count = first.number + sum(part.number for part in more)
    return [b"*%d\r\n" % count, first.data, *(part.data for part in more)]


def join_values(values: list[bytes | None]) -> tuple[bytes, npt.NDArray[np.int64]]:
    """Values in one, and int64[n + 1], where each starts in it, and the last one ends."""
    bounds = np.empty(len(values) + 1, dtype=np.int64)
    return kernel.join_values(values, bounds), bounds
