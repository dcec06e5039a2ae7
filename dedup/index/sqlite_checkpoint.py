"""Moving a write-ahead log into its file beside the writer, who need not wait for the disk.

SQLite starts the log from its beginning once all of it is in the file. A checkpoint in a thread
moves what is there; what was written meanwhile is little, and the writer moves it itself. Knows
nothing of what is written.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress

ENOUGH_BYTES = 1 << 26
"""Of a log that is worth a checkpoint."""
LARGEST_LOG = 4 * ENOUGH_BYTES
"""From here on the writer waits: the disk is too slow for it."""
PAGE = 4096
PAGES_A_COMMIT = 6
"""That a commit writes besides what it is about: the head, the first page, maps."""


class Checkpoints:
    """The checkpoints of one writer.

    Args:
        connect: opens another connection to the file.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._thread: threading.Thread | None = None
        self._written = 0

    def wrote(self, size: int, writer: sqlite3.Connection) -> None:
        """So many bytes were committed: see whether it is time."""
        self._written += size + PAGES_A_COMMIT * PAGE
        if self._thread is None:
            if self._written >= ENOUGH_BYTES:
                self._written = 0
                self._thread = threading.Thread(target=self._run, name="dedup-checkpoint")
                self._thread.start()
        elif not self._thread.is_alive():
            self.wait()
            self._move(writer)

    def wait(self) -> None:
        """Wait for a checkpoint that is under way."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        # Without it the log grows on, and is moved by the writer in the end.
        with suppress(sqlite3.Error):
            connection = self._connect()
            try:
                self._move(connection)
            finally:
                connection.close()

    @staticmethod
    def _move(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
