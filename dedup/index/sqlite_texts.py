"""The texts of one namespace of a file, by page number (`page_texts.TextStore`).

What is changed waits until it is written, in the transaction of the operation that changed it.
Each value says when it was written: a reader passes over what is newer than the index it has read.
Knows nothing of what is in a value.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager

TABLE = """
CREATE TABLE IF NOT EXISTS texts (
    id    INTEGER PRIMARY KEY, -- namespaces.id * 2^32 + the page's number
    stamp INTEGER NOT NULL,    -- of the operation that wrote it: those before have lower ones
    data  BLOB NOT NULL        -- as dedup/index/page_texts.py packs it
) STRICT;
CREATE INDEX IF NOT EXISTS texts_by_stamp ON texts (stamp)
"""
"""Made in a file whose index is the first to keep texts."""

SHIFT = 32


class FileTexts:
    """The texts of a namespace.

    Args:
        connection: to the file.
        translated: a context in which errors of SQLite become dedup's.
        namespace: its number in the file.
        follows: whether what is written later is read.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        translated: Callable[[], AbstractContextManager[None]],
        namespace: int,
        *,
        follows: bool,
    ) -> None:
        self._connection = connection
        self._translated = translated
        self._first = namespace << SHIFT
        self._process = os.getpid()
        self._changed: dict[int, bytes | None] = {}
        self._cleared = False
        self._newest = None if follows else self._stamp()

    def get(self, number: int, /) -> bytes | None:
        """See `TextStore`."""
        if number in self._changed or self._cleared:
            return self._changed.get(number)
        if os.getpid() != self._process:
            return None  # SQLite forbids to use what a parent has opened
        query = "SELECT stamp, data FROM texts WHERE id = ?"
        stamp, data = self._connection.execute(query, (self._first + number,)).fetchone() or (
            0,
            None,
        )
        return None if self._newest is not None and stamp > self._newest else data

    def __setitem__(self, number: int, packed: bytes, /) -> None:
        """See `TextStore`."""
        self._changed[number] = packed

    def pop(self, number: int, _default: None, /) -> None:
        """See `TextStore`."""
        self._changed[number] = None

    def clear(self) -> None:
        """See `TextStore`."""
        self._changed.clear()
        self._cleared = True

    def write(self) -> None:
        """Write what was changed; a transaction is open."""
        run = self._connection.executemany
        if self._cleared:
            everything = (self._first, self._first + (1 << SHIFT))
            self._connection.execute("DELETE FROM texts WHERE id >= ? AND id < ?", everything)
        stamp = self._stamp() + 1
        changed = [(self._first + number, data) for number, data in self._changed.items()]
        run("DELETE FROM texts WHERE id = ?", [(row,) for row, data in changed if data is None])
        run(
            "INSERT OR REPLACE INTO texts VALUES (?, ?, ?)",
            [(row, stamp, data) for row, data in changed if data is not None],
        )

    def written(self) -> None:
        """What was changed is in the file."""
        self._changed.clear()
        self._cleared = False

    def _stamp(self) -> int:
        """That of the latest value."""
        return int(
            self._connection.execute("SELECT ifnull(max(stamp), 0) FROM texts").fetchone()[0]
        )
