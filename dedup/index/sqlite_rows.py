"""Changes of an index as rows of a log, and back: bytes in, bytes out, no file.

`docs/sqlite.md` describes the rows for people. Numbers are little-endian.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dedup.index.changes import (
    Change,
    Checked,
    Compacted,
    Forgotten,
    Originals,
    OriginalsKept,
    PagesKept,
    Swept,
)

_ORIGINALS = ("<u8", "<u4", "<u2", "u1", "<u4")
_CHECKED = ("<u4", "<u4", "<u4", *_ORIGINALS)
_PAGES = ("<u4", "<u4", "<u4", "<u4", "<u4")
_ALIGNED = 8
_FILL = [bytes(length) for length in range(_ALIGNED)]


class Row(NamedTuple):
    """A row of the log.

    Attributes:
        kind: what was changed.
        now: when, in seconds since 1970; 0 where that makes no difference.
        pages: page ids, in JSON.
        data: columns.
    """

    kind: str
    now: int
    pages: str
    data: bytes


LONGEST_HEAD = 4 * len(_CHECKED)
"""Bytes in which `data` says how long its columns are."""


def tags_in(kind: str, head: bytes, length: int) -> int:
    """About how many tags a row has, by how its `data` begins and how long it is."""
    types = {"check": _CHECKED, "originals": (*_ORIGINALS, "u1")}.get(kind)
    if types is None or len(head) < 4 * len(types):
        return 0
    lengths = np.frombuffer(head[: 4 * len(types)], "<u4")
    return min(int(lengths[types.index("u1") + 1]), length) // 4  # it was not looked at yet


def row_of(change: Change) -> Row:
    """The row of a change."""
    match change:
        case Checked(now, before, pages, bounds, entries, originals):
            columns = [np.array([before]), np.diff(bounds), entries, *originals]
            return Row("check", now, _names(pages), _pack(columns, _CHECKED))
        case Forgotten(page):
            return Row("forget", 0, _names([page]), b"")
        case Swept(now):
            return Row("sweep", now, "[]", b"")
        case Compacted():
            return Row("renumber", 0, "[]", b"")
        case PagesKept(names, counts, checked, entries, free, swept):
            columns = [counts, checked, entries, free, np.array([swept])]
            return Row("pages", 0, _names(names), _pack(columns, _PAGES))
        case OriginalsKept(originals, fields):
            # Neighbours differ little in these, so they hardly take room.
            packed = zlib.compress(fields.T.astype("<u4").tobytes(), 1)
            columns = [*originals, np.frombuffer(packed, np.uint8)]
            return Row("originals", 0, "[]", _pack(columns, (*_ORIGINALS, "u1")))


def change_of(row: Row) -> Change:
    """The change of a row.

    Raises:
        ValueError: the row is none that `row_of` makes.
    """
    match row.kind:
        case "check":
            before, counts, entries, *rest = _unpack(row.data, _CHECKED)
            bounds = np.append(0, np.cumsum(counts, dtype=np.int64))
            names = json.loads(row.pages)
            return Checked(row.now, int(before[0]), names, bounds, entries, Originals(*rest))
        case "forget":
            return Forgotten(*json.loads(row.pages))
        case "sweep":
            return Swept(row.now)
        case "renumber":
            return Compacted()
        case "pages":
            counts, checked, entries, free, swept = _unpack(row.data, _PAGES)
            names = json.loads(row.pages)
            return PagesKept(names, counts, checked, entries, free, int(swept[0]))
        case "originals":
            *originals, packed = _unpack(row.data, (*_ORIGINALS, "u1"))
            fields = np.frombuffer(zlib.decompress(packed.tobytes()), "<u4").reshape(6, -1).T
            return OriginalsKept(Originals(*originals), np.ascontiguousarray(fields))
        case _:
            raise ValueError(f"no change is called {row.kind!r}")


def _names(pages: Sequence[str | None]) -> str:
    return json.dumps(pages if isinstance(pages, list) else list(pages), separators=(",", ":"))


def _pack(columns: Sequence[npt.NDArray[Any]], types: Sequence[str]) -> bytes:
    """Columns with the bytes of each (u32) before all of them, each filled up to 8 bytes."""
    parts = [
        np.asarray(column, dtype=kind).tobytes()
        for column, kind in zip(columns, types, strict=True)
    ]
    pieces = [np.array([len(part) for part in parts], dtype="<u4").tobytes(), *parts]
    return b"".join(filled for piece in pieces for filled in (piece, _FILL[-len(piece) % _ALIGNED]))


def _unpack(data: bytes, types: Sequence[str]) -> list[npt.NDArray[Any]]:
    """What `_pack` was given."""
    at = 4 * len(types)
    lengths = np.frombuffer(data[:at], "<u4").tolist()
    columns = []
    for length, kind in zip(lengths, types, strict=True):
        at += -at % _ALIGNED
        column = np.frombuffer(data, kind, length // np.dtype(kind).itemsize, at)
        columns.append(column.astype(column.dtype.newbyteorder("="), copy=False))
        at += length
    return columns
