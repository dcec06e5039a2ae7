"""What goes to a shared store and comes from it: native/wire_binding.h and words.h in Python.

Words of commands in the Redis protocol: `$`, the length, the word.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

import numpy as np
import numpy.typing as npt


def pack_words(numbers: npt.NDArray[np.int64], out: npt.NDArray[np.uint8]) -> int:
    """Numbers as words of a command in the Redis protocol.

    Args:
        numbers: int64[n], none below 0.
        out: uint8, gets the words; 45 bytes of room for each.

    Returns:
        How many bytes were written.
    """
    return write_words([b"%d" % number for number in numbers.tolist()], out)


def join_values(values: list[bytes | None], bounds: npt.NDArray[np.int64]) -> bytes:
    """Values back to back.

    Args:
        values: as a server tells them, None for those that are not there.
        bounds: int64[n + 1], gets where each starts, and the last one ends.
    """
    held = [value or b"" for value in values]
    bounds[:] = list(accumulate(map(len, held), initial=0))
    return b"".join(held)


def write_words(words: Iterable[bytes], out: npt.NDArray[np.uint8]) -> int:
    """Words as they go over the wire; how many bytes."""
    done = b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])
    out[: len(done)] = np.frombuffer(done, dtype=np.uint8)
    return len(done)


def read_words(data: bytes) -> list[bytes]:
    """The words of which a command consists."""
    words, at = list[bytes](), 0
    while at < len(data):
        start = data.index(b"\n", at) + 1
        stop = start + int(data[at + 1 : start])
        words.append(data[start:stop])
        at = stop + 2
    return words
