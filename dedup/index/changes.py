"""What an operation changed in an index, as plain arrays: decisions, to be done again elsewhere.

`MemoryIndex` writes them down and does them again; whoever keeps them (`sqlite.py`) need not know
how verdicts are found. An index that the same changes were made to in the same order is the same.
Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from dedup.sketch import Sketches

T = TypeVar("T", bound=np.generic)

VALUES_FLAG = np.uint32(0x80000000)
"""In `tokens`: the body is MinHash values, and this is twice their number."""


class Originals(NamedTuple):
    """Originals as they are added, in order.

    Attributes:
        fingerprints: uint64[m], low half of each; 0 where there is no text.
        tokens: uint32[m], values of 16 bits that verify it; with VALUES_FLAG MinHash values.
        bodies: uint16, these values, back to back.
        tag_counts: uint8[m], keys of each, that of its fingerprint included.
        tags: uint32, the low 32 bits of these keys (1 for 0), back to back.
    """

    fingerprints: npt.NDArray[np.uint64]
    tokens: npt.NDArray[np.uint32]
    bodies: npt.NDArray[np.uint16]
    tag_counts: npt.NDArray[np.uint8]
    tags: npt.NDArray[np.uint32]


class Checked(NamedTuple):
    """Pages were checked one after the other, or got MinHash values.

    Attributes:
        now: seconds since 1970.
        before: originals last seen earlier had expired (0: none).
        pages: their ids, in order.
        bounds: int64[p + 1], the entries of each page.
        entries: uint32[n], of each block: an original that the page owns, or REPEAT_ENTRY and one
            that it repeats; 0: skipped.
        originals: those that were added.
    """

    now: int
    before: int
    pages: Sequence[str]
    bounds: npt.NDArray[np.int64]
    entries: npt.NDArray[np.uint32]
    originals: Originals


class Forgotten(NamedTuple):
    """A page was forgotten."""

    page: str


class Swept(NamedTuple):
    """What had expired was released."""

    now: int


class Compacted(NamedTuple):
    """The originals were numbered anew, without the released ones."""


class PagesKept(NamedTuple):
    """The pages that a compacted index knows, all or the next of them, by their numbers.

    Attributes:
        names: their ids; None: the number is free.
        counts: uint32[p], entries of each.
        checked: uint32[p], when each was last checked (seconds since 1970).
        entries: uint32, back to back.
        free: uint32, numbers to be given out again, the last one first.
        swept: when the last sweep was (seconds since 1970).
    """

    names: Sequence[str | None]
    counts: npt.NDArray[np.uint32]
    checked: npt.NDArray[np.uint32]
    entries: npt.NDArray[np.uint32]
    free: npt.NDArray[np.uint32]
    swept: int


class OriginalsKept(NamedTuple):
    """Originals of a compacted index, all or the next of them, in order.

    Attributes:
        originals: with the keys under which they are found.
        fields: uint32[m, 6], page number, position, first_seen, last_seen, seen and pages of each.
    """

    originals: Originals
    fields: npt.NDArray[np.uint32]


Change: TypeAlias = Checked | Forgotten | Swept | Compacted | PagesKept | OriginalsKept


def added_originals(sketches: Sketches, rows: npt.NDArray[np.intp]) -> Originals:
    """The originals that these blocks became."""
    # For one page this is as long as it takes to judge it: hence few and plain steps.
    spans, key_spans = sketches.trace_spans[rows], sketches.key_spans[rows]
    prints = sketches.fingerprints[rows]
    lengths = spans[:, 1] - spans[:, 0]
    counts = key_spans[:, 1] - key_spans[:, 0]
    keys = gather(sketches.keys, key_spans[:, 0], counts)
    # Tags of the keys, then that of the fingerprint before those of each block.
    firsts = counts.cumsum() - counts
    tags = np.empty(len(keys) + len(rows), dtype=np.uint32)
    is_key = np.ones(len(tags), dtype=np.bool_)
    firsts += np.arange(len(rows))
    is_key[firsts] = False
    tags[is_key] = keys  # their low halves
    tags[firsts] = prints[:, 1]
    tags[tags == 0] = 1
    return Originals(
        prints[:, 0].copy(),
        lengths.astype(np.uint32),
        gather(sketches.traces, spans[:, 0], lengths),
        (counts + 1).astype(np.uint8),
        tags,
    )


def added_values(values: npt.NDArray[np.uint32], keys: npt.NDArray[np.uint64]) -> Originals:
    """The originals that rows of MinHash values became."""
    tags = keys.astype(np.uint32).ravel()
    tags[tags == 0] = 1
    return Originals(
        np.zeros(len(values), dtype=np.uint64),
        np.full(len(values), VALUES_FLAG | np.uint32(2 * values.shape[1])),
        np.ascontiguousarray(values).ravel().view(np.uint16),
        np.full(len(values), keys.shape[1], dtype=np.uint8),
        tags,
    )


def body_lengths(tokens: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    """16-bit values of each body."""
    return (tokens & ~VALUES_FLAG).astype(np.int64)


def slice_originals(originals: Originals, first: int, last: int) -> Originals:
    """Some of the originals in a row."""
    if (first, last) == (0, len(originals.tokens)):
        return originals
    fingerprints, tokens, bodies, tag_counts, tags = originals
    lengths = np.append(0, np.cumsum(body_lengths(tokens[:last])))
    postings = np.append(0, np.cumsum(tag_counts[:last].astype(np.int64)))
    return Originals(
        fingerprints[first:last],
        tokens[first:last],
        bodies[lengths[first] : lengths[last]],
        tag_counts[first:last],
        tags[postings[first] : postings[last]],
    )


def gather(
    values: npt.NDArray[T], starts: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]
) -> npt.NDArray[T]:
    """`values[start : start + count]` of every row, back to back."""
    if not len(starts):
        return values[:0]
    # Most rows begin where the one before ends: those are copied together.
    ends = starts + counts
    breaks = (starts[1:] != ends[:-1]).nonzero()[0]
    if not len(breaks):
        return values[starts[0] : ends[-1]]
    firsts = [int(starts[0]), *starts[breaks + 1].tolist()]
    lasts = [*ends[breaks].tolist(), int(ends[-1])]
    return np.concatenate([values[a:b] for a, b in zip(firsts, lasts, strict=True)])
