"""Commands as they go over the wire, packed: for those whose thousands of words take time.

The Redis protocol (RESP): `*` and the number of words, then of each word `$`, its length and the
word. The client library does the same, word by word. Knows nothing of an index.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from dedup import kernel

WORD_ROOM = 45
"""Bytes that a number needs as a word, and a value beside its own, at most."""

Word: TypeAlias = bytes | int | str


class Words(NamedTuple):
    """Words of a command, packed."""

    number: int
    data: bytes


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
    return Words(len(numbers), out[:size].tobytes())


def command(*words: Word, more: Iterable[Words] = ()) -> bytes:
    """A command of these words, and the packed ones behind them."""
    parts = [pack_words(words), *more]
    count = sum(part.number for part in parts)
    return b"".join([b"*%d\r\n" % count, *(part.data for part in parts)])
