"""The SQLite file that has the logs of indexes: opening it, appending, reading, replacing a log.

Each is one transaction: it is done, or nothing is. Errors of SQLite become dedup's here. Knows rows
and headers, and nothing of what they say.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from xxhash import xxh3_64

from dedup.errors import IndexFailure, IndexFullError
from dedup.index.header import refuse_version
from dedup.index.sqlite_checkpoint import LARGEST_LOG, PAGE, Checkpoints
from dedup.index.sqlite_rows import Row
from dedup.index.sqlite_texts import TABLE as TEXTS_TABLE
from dedup.index.sqlite_texts import FileTexts

FORMAT_VERSION = 1
"""In the file's `user_version`."""
APPLICATION_ID = 0x64647570
"""`ddup`, in the file's `application_id`."""
PATIENCE = 60.0
"""Seconds to wait for whoever writes another namespace of the file."""


def is_index_file(header: bytes) -> bool:
    """Whether a file that begins so (72 bytes or more) is an index of dedup's."""
    is_sqlite = header.startswith(b"SQLite format 3\0")
    return is_sqlite and header[68:72] == APPLICATION_ID.to_bytes(4, "big")


@dataclass
class Log:
    """The log of one namespace, as it was when it was last looked at.

    Attributes:
        name: the namespace.
        id: its number in the file.
        header: the settings that it was made with, and the scheme of its keys, as JSON.
        batches: rows.
        checksum: that of the last one.
        size: bytes of all rows that were read or written; 0: it was not read yet.
    """

    name: str
    id: int
    header: str
    batches: int
    checksum: bytes
    size: int = 0

    @property
    def start(self) -> bytes:
        """What the checksums of its rows begin from."""
        return start_of(self.name, self.header)


class IndexFile:
    """An open file.

    Args:
        path: where it is.
        read_only: it is there, and is not changed.

    Raises:
        IndexFailure: it cannot be opened, or is no index of this format.
    """

    def __init__(self, path: str, *, read_only: bool) -> None:
        self.path = path
        self._read_only = read_only
        _refuse_place(path, read_only=read_only)
        with self._translated():
            self._connection = self._connect(read_only=read_only)
        self._checkpoints = Checkpoints(lambda: self._connect(read_only=False))
        try:
            with self._translated():
                self._begin(read_only=read_only)
        except BaseException:
            self._connection.close()
            raise

    def namespaces(self) -> list[str]:
        """The names of all namespaces."""
        with self._translated():
            rows = self._connection.execute("SELECT name FROM namespaces ORDER BY name")
            return [name for (name,) in rows]

    def find(self, namespace: str) -> Log | None:
        """The log of a namespace, if there is one."""
        query = "SELECT id, header, batches, checksum FROM namespaces WHERE name = ?"
        with self._translated():
            row = self._connection.execute(query, (namespace,)).fetchone()
        if row is None:
            return None
        try:
            log = Log(namespace, *row)
            json.loads(log.header)
        except (TypeError, ValueError) as error:
            raise IndexFailure(
                f"{self.path} is damaged: namespace {namespace!r} has no header; {_LOST}"
            ) from error
        return log

    def make(self, namespace: str, header: str) -> None:
        """Make the log of a namespace, unless there is one."""
        insert = "INSERT OR IGNORE INTO namespaces (name, header, checksum) VALUES (?, ?, ?)"
        with self._translated():
            self._connection.execute(insert, (namespace, header, start_of(namespace, header)))

    def read(self, log: Log) -> Iterator[Row]:
        """The rows of a log, each of which is known to be as it was written.

        Raises:
            IndexFailure: the file is damaged; says where, and what is whole.
        """
        query = (
            "SELECT kind, now, checksum, pages, data FROM log WHERE namespace = ? ORDER BY batch"
        )
        checksum, size, done = log.start, 0, 0
        try:
            for kind, now, stored, pages, data in self._connection.execute(query, (log.id,)):
                row = Row(kind, now, pages, data)
                checksum = checksum_of(checksum, row)
                if checksum != stored:
                    raise self.damaged(log, done, "has another checksum")
                size += _size(row)
                done += 1
                yield row
        except (sqlite3.Error, UnicodeError, TypeError, AttributeError) as error:
            if not _is_damage(error):
                raise self._failure(error) from error
            raise self.damaged(log, done, str(error)) from error
        if (done, checksum) != (log.batches, log.checksum):
            raise self.damaged(log, done, "is missing")
        log.size = size

    def heads(self, log: Log, length: int) -> list[tuple[str, bytes, int]]:
        """Of every row the kind, how its data begins, and its length, without reading the rest."""
        query = "SELECT kind, substr(data, 1, ?), length(data) FROM log WHERE namespace = ?"
        with self._translated():
            return self._connection.execute(query, (length, log.id)).fetchall()

    def damaged(self, log: Log, batch: int, why: str) -> IndexFailure:
        """What to tell of a log whose first so many batches are whole."""
        return IndexFailure(
            f"{self.path} is damaged: batch {batch + 1:,} of {log.batches:,} of namespace "
            f"{log.name!r} {why}; the {batch:,} before it are whole. {_LOST.capitalize()}"
        )

    def texts(self, log: Log) -> FileTexts:
        """The texts of a log's index, which keeps them."""
        with self._translated():
            if not self._read_only:
                for statement in TEXTS_TABLE.split(";\n"):
                    self._connection.execute(statement)
            follows = not self._read_only
            return FileTexts(self._connection, self._translated, log.id, follows=follows)

    def append(self, log: Log, rows: Iterable[Row], texts: FileTexts | None = None) -> None:
        """Write rows at the end of a log, and what was changed of its texts.

        Raises:
            IndexFullError: there is no room; nothing was written.
            IndexFailure: the file cannot be written to; nothing was.
        """
        before = log.size
        self._write(log, rows, texts, log.batches, log.checksum, before)
        with suppress(sqlite3.Error):  # it is written, whatever becomes of this
            self._checkpoints.wrote(log.size - before, self._connection)

    def replace(self, log: Log, rows: Iterable[Row], texts: FileTexts | None = None) -> None:
        """Write rows in place of a log, and give back the room that is left.

        Raises:
            IndexFullError: there is no room; the log is as it was.
            IndexFailure: the file cannot be written to; the log is as it was.
        """
        self._write(log, rows, texts, 0, log.start, 0, replace=True)
        self._checkpoints.wait()
        # What follows may fail, or be left to a later time: the log is whole either way.
        with suppress(sqlite3.OperationalError):
            # Steps are done as rows are asked for.
            self._connection.execute("PRAGMA incremental_vacuum").fetchall()
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def size(self) -> int:
        """Bytes of the file, with what is still in its write-ahead log."""
        sizes = 0
        for path in (self.path, f"{self.path}-wal"):
            with suppress(FileNotFoundError):
                sizes += Path(path).stat().st_size
        return sizes

    def close(self) -> None:
        """Close it; whoever closes it last moves the write-ahead log into it."""
        self._checkpoints.wait()
        with self._translated():
            self._connection.close()

    def _connect(self, *, read_only: bool) -> sqlite3.Connection:
        mode = _reader_mode(self.path) if read_only else "rwc"
        # Threads share it, one at a time.
        return sqlite3.connect(
            f"file:{quote(self.path)}?mode={mode}",
            uri=True,
            timeout=PATIENCE,
            isolation_level=None,
            check_same_thread=False,
        )

    def _begin(self, *, read_only: bool) -> None:
        run = self._connection.execute
        if not read_only:
            run("PRAGMA synchronous = NORMAL")
            run(f"PRAGMA wal_autocheckpoint = {LARGEST_LOG // PAGE}")
            if self._is_empty():
                self._make_tables()
        if read_only and self._is_empty():
            raise IndexFailure(f"there is no index in {self.path} yet: 'dedup check' makes one")
        if self._pragma("application_id") != APPLICATION_ID:
            raise IndexFailure(
                f"{self.path} is an SQLite database of something else: give another path"
            )
        refuse_version(self.path, self._pragma("user_version"), FORMAT_VERSION, "another path")
        if not read_only and run("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise IndexFailure(
                f"{self.path} lies where SQLite cannot have a write-ahead log (a network file "
                "system, perhaps): put it on a local disk"
            )

    def _is_empty(self) -> bool:
        return self._connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None

    def _pragma(self, name: str) -> int:
        value: int = self._connection.execute(f"PRAGMA {name}").fetchone()[0]
        return value

    def _make_tables(self) -> None:
        schema = (files("dedup.index") / "sqlite.sql").read_text(encoding="utf-8")
        run = self._connection.execute
        run("PRAGMA auto_vacuum = INCREMENTAL")
        run("PRAGMA journal_mode = WAL")
        with self._transaction():
            if self._is_empty():  # still: nobody else has made them
                for statement in schema.split(";\n"):
                    run(statement)
                run(f"PRAGMA application_id = {APPLICATION_ID}")
                run(f"PRAGMA user_version = {FORMAT_VERSION}")
        run("PRAGMA wal_checkpoint(TRUNCATE)")  # so that the file itself says what it is

    def _write(
        self,
        log: Log,
        rows: Iterable[Row],
        texts: FileTexts | None,
        batches: int,
        checksum: bytes,
        size: int,
        *,
        replace: bool = False,
    ) -> None:
        run = self._connection.execute
        insert = (
            "INSERT INTO log (namespace, kind, now, checksum, pages, data)"
            " VALUES (?, ?, ?, ?, ?, ?)"
        )
        update = "UPDATE namespaces SET batches = ?, checksum = ? WHERE id = ?"
        with self._translated(), self._transaction():
            if replace:
                run("DELETE FROM log WHERE namespace = ?", (log.id,))
            for row in rows:
                checksum = checksum_of(checksum, row)
                run(insert, (log.id, row.kind, row.now, checksum, row.pages, row.data))
                batches, size = batches + 1, size + _size(row)
            run(update, (batches, checksum, log.id))
            if texts:
                texts.write()
        if texts:
            texts.written()
        log.batches, log.checksum, log.size = batches, checksum, size

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All that is run within, or nothing of it."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.rollback()
            raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Errors of SQLite as dedup's."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> IndexFailure:
        name = getattr(error, "sqlite_errorname", "")
        kind, remedy = next(
            (kind, said) for start, kind, said in _REMEDIES if name.startswith(start)
        )
        return kind(f"{self.path} {remedy} ({error})")


_PERMISSIONS = "see to the permissions of it and of its folder"
_LOST = "take a copy from before, or remove it and check the pages again"
_REMEDIES: tuple[tuple[str, type[IndexFailure], str], ...] = (
    ("SQLITE_NOTADB", IndexFailure, "is no index of dedup's: give another path"),
    ("SQLITE_CORRUPT", IndexFailure, f"is damaged: {_LOST}"),
    ("SQLITE_FULL", IndexFullError, "has no room left on its disk, and is as it was before"),
    (
        "SQLITE_IOERR",
        IndexFailure,
        "is as it was before, and cannot be read or written: see to its disk and its limits",
    ),
    ("SQLITE_READONLY", IndexFailure, f"cannot be written to: {_PERMISSIONS}"),
    ("SQLITE_CANTOPEN", IndexFailure, f"cannot be opened: {_PERMISSIONS}"),
    ("SQLITE_BUSY", IndexFailure, "is in use by another program for too long"),
    ("SQLITE_TOOBIG", IndexFullError, "cannot take so much at once: check fewer pages at a time"),
    ("", IndexFailure, "cannot do what was asked"),
)
"""What to tell about an error of SQLite, by how its name begins."""


def start_of(namespace: str, header: str) -> bytes:
    """What the checksums of a log's rows begin from."""
    return checksum_of(b"", Row(namespace, 0, header, b""))


def checksum_of(before: bytes, row: Row) -> bytes:
    """The checksum of a row that comes after one with the checksum `before`."""
    digest = xxh3_64(before)
    for part in (row.kind.encode(), row.now.to_bytes(8, "big"), row.pages.encode(), row.data):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


def _size(row: Row) -> int:
    return len(row.data) + len(row.pages)


def _is_damage(error: Exception) -> bool:
    """Whether what went wrong while reading is due to what stands in the file."""
    if not isinstance(error, sqlite3.Error):
        return True
    name = getattr(error, "sqlite_errorname", "")
    # Columns of another kind, and texts that are none, are errors without a name.
    return name == "" or name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR"))


def _reader_mode(path: str) -> str:
    """How SQLite is to open a file that will not be changed."""
    is_free = not Path(f"{path}-lock").exists()
    if is_free and os.access(Path(path).parent, os.W_OK) and os.access(path, os.W_OK):
        return "rw"  # so that what SQLite keeps beside it goes when it is closed
    # Without what a writer keeps beside it there is no writer, and SQLite need not look for one.
    return "ro" if Path(f"{path}-wal").exists() else "ro&immutable=1"


def _refuse_place(path: str, *, read_only: bool) -> None:
    """Refuse a path where no file can be."""
    place = Path(path)
    if place.is_dir():
        raise IndexFailure(f"{path} is a folder: name a file in it")
    if not place.parent.is_dir():
        raise IndexFailure(f"{path}: there is no folder {str(place.parent)!r}: make it first")
    if read_only and not place.exists():
        raise IndexFailure(f"there is no index at {path}: 'dedup check' makes one")
    if place.exists() and not place.is_file():
        raise IndexFailure(f"{path} is no regular file: give another path")
    if place.exists() and not os.access(path, os.R_OK):
        raise IndexFailure(f"{path} cannot be read: see to its permissions")
    if not read_only and place.exists() and not os.access(path, os.W_OK):
        raise IndexFailure(f"{path} cannot be written to: see to its permissions")
