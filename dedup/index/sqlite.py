"""An index in a SQLite file: the index in memory, and a log of what changed it.

What an operation changed is in the file before the operation returns, in one transaction. To open
an index is to do those changes again. Where the file could not take one, the index in memory is
made anew from the file, so that both always say the same. Format, and what can be lost:
docs/sqlite.md.
"""

from __future__ import annotations

import json
import os
import threading
import weakref
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt

from dedup.errors import IndexFailure, IndexFullError, SettingsError
from dedup.index.changes import Change
from dedup.index.header import header_of, refuse_others, settings_in
from dedup.index.memory import MemoryIndex
from dedup.index.sqlite_file import IndexFile, Log
from dedup.index.sqlite_lock import LockedError, WriterLock
from dedup.index.sqlite_rows import LONGEST_HEAD, change_of, row_of, tags_in
from dedup.index.sqlite_texts import FileTexts
from dedup.model import Original, PageEntry, PageList, Stats
from dedup.settings import Settings
from dedup.sketch import Sketches
from dedup.verdict import Verdicts

T = TypeVar("T")

MOST_DEAD = 2.0
"""A log is compacted when it has so many times the bytes that are needed."""
WORTH_COMPACTING = 1 << 24
"""Bytes of a log that are worth it."""
MINHASH_BYTES = 1 << 26
"""MinHash values of one row: far below the gigabyte that a row may have."""


class SqliteIndex:
    """See `Index`. The URL is `sqlite:///path`; with `?mode=ro` it is for lookups alone.

    An index for lookups has what the file has when it is opened, and does not hinder its writer.
    """

    is_remote = False

    def __init__(self, url: str, namespace: str, settings: Settings) -> None:
        path, read_only = place_of(url)
        self._url = url.partition("?")[0]
        self._namespace, self._settings = namespace, settings
        self._path = os.path.realpath(path)
        self._where = f"namespace {namespace!r} of {self._path}"
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._memory: MemoryIndex | None = None
        self._texts: FileTexts | None = None
        self._compact_from = WORTH_COMPACTING
        self._disk_bytes = 0
        self._file: IndexFile | None = IndexFile(self._path, read_only=read_only)
        # Also for whoever forgets to close it: when it is collected, or the process ends.
        self._let_go = weakref.finalize(self, _let_go, self._file, None, self._process)
        try:
            self._log = self._find_log(self._file, read_only=read_only)
            self._memory = self._load(self._file)
            self._disk_bytes = self._file.size()
        except BaseException:
            self._let_go()
            raise
        if read_only:
            self._file = None
            if self._texts is None:  # which are read when they are wanted
                self._let_go()

    @staticmethod
    def stored_settings(url: str, namespace: str) -> Settings | None:
        """The settings that the index there was made with; None where there is none."""
        path, _ = place_of(url)
        if not Path(path).exists() or not Path(path).stat().st_size:
            return None
        file = IndexFile(os.path.realpath(path), read_only=True)
        try:
            log = file.find(namespace)
        finally:
            file.close()
        return settings_in(log.header) if log else None

    def check(
        self, sketches: Sketches, pages: Sequence[str], bounds: npt.NDArray[np.int64], now: int
    ) -> Verdicts:
        """See `Index.check`."""
        return self._change(lambda memory: memory.check(sketches, pages, bounds, now))

    def lookup(
        self,
        sketches: Sketches,
        pages: Sequence[str],
        bounds: npt.NDArray[np.int64],
        now: int,
        settings: Settings,
    ) -> Verdicts:
        """See `Index.lookup`."""
        with self._lock:
            return self._current().lookup(sketches, pages, bounds, now, settings)

    def add_minhashes(
        self,
        values: npt.NDArray[np.uint32],
        pages: Sequence[str],
        bounds: npt.NDArray[np.int64],
        now: int,
    ) -> None:
        """See `Index.add_minhashes`."""
        most = max(1, MINHASH_BYTES // max(1, values[:1].nbytes))

        def add(memory: MemoryIndex) -> None:
            first = 0
            while first < len(pages):
                # As many pages as fit a row, and one at least.
                last = int(np.searchsorted(bounds, bounds[first] + most, side="right")) - 1
                last = min(max(last, first + 1), len(pages))
                rows = slice(int(bounds[first]), int(bounds[last]))
                part = bounds[first : last + 1] - bounds[first]
                memory.add_minhashes(values[rows], pages[first:last], part, now)
                first = last

        self._change(add)

    def forget(self, page: str) -> bool:
        """See `Index.forget`."""
        return self._change(lambda memory: memory.forget(page))

    def page(self, page: str, now: int) -> PageEntry | None:
        """See `Index.page`."""
        with self._lock:
            return self._current().page(page, now)

    def pages(self, prefix: str, after: str, limit: int) -> PageList:
        """See `Index.pages`."""
        with self._lock:
            return self._current().pages(prefix, after, limit)

    def most_repeated(self, limit: int, now: int, site: str | None = None) -> list[Original]:
        """See `Index.most_repeated`."""
        with self._lock:
            return self._current().most_repeated(limit, now, site)

    def stats(self) -> Stats:
        """See `Index.stats`. `bytes` is memory, `disk_bytes` the file."""
        with self._lock:
            found = self._current().stats()
            if self._file:
                self._disk_bytes = self._file.size()
            return replace(found, url=self._url, disk_bytes=self._disk_bytes)

    def clear(self) -> None:
        """See `Index.clear`."""
        with self._lock, self._changing() as (memory, file):
            memory.clear()
            self._rewrite(memory, file)

    def compact(self) -> None:
        """Write a log with what is there now in place of the one that led to it.

        Killed in the middle of that, the index is as it was. It does so by itself, too, when more
        than half of the log is of no use any more.
        """
        with self._lock, self._changing() as (memory, file):
            self._rewrite(memory, file)

    def close(self) -> None:
        """See `Index.close`."""
        with self._lock:
            self._file = self._memory = None
            self._let_go()

    def _find_log(self, file: IndexFile, *, read_only: bool) -> Log:
        """The log of the namespace, which this process alone may write from now on."""
        if not read_only and not file.find(self._namespace):
            file.make(self._namespace, json.dumps(header_of(self._settings)))
        log = file.find(self._namespace)
        if log is None:
            names = ", ".join(map(repr, file.namespaces())) or "none"
            raise IndexFailure(f"{self._path} has no namespace {self._namespace!r}: it has {names}")
        refuse_others(self._where, json.loads(log.header), self._settings, "another namespace")
        if read_only:
            return log
        try:
            writer = WriterLock(f"{self._path}-lock", log.id)
        except LockedError as holder:
            raise IndexFailure(
                f"{self._where} is open in {holder}: one at a time can write to it; for several, "
                "use an index in Redis (to look up only, add ?mode=ro to its URL)"
            ) from holder
        except OSError as error:
            raise IndexFailure(
                f"{self._path}: the lock beside it cannot be had ({error.strerror}): see to the "
                "permissions of the folder"
            ) from error
        self._let_go.detach()
        self._let_go = weakref.finalize(self, _let_go, file, writer, self._process)
        # It may have been written to before the lock was had.
        return file.find(self._namespace) or log

    def _load(self, file: IndexFile) -> MemoryIndex:
        """The index in memory that the log makes."""
        memory = MemoryIndex("memory://", self._namespace, self._settings)
        memory.texts = None  # the log says nothing of them
        heads = file.heads(self._log, LONGEST_HEAD)
        batch = -1

        def changes() -> Iterator[Change]:
            nonlocal batch
            for batch, row in enumerate(file.read(self._log)):  # noqa: B007 - for whoever asks
                yield change_of(row)

        try:
            memory.apply_all(changes(), sum(tags_in(*head) for head in heads))
        except (ValueError, TypeError, LookupError, zlib.error) as error:
            raise file.damaged(self._log, batch, f"cannot be ({error})") from error
        memory.journal = []
        if self._settings.keep == "text":
            memory.texts = self._texts = file.texts(self._log)
        return memory

    def _current(self) -> MemoryIndex:
        """The index in memory, as the file has it."""
        if self._memory is None:
            if self._file is None:
                raise IndexFailure(f"{self._where} was closed: open it again")
            self._refuse_child()
            self._memory = self._load(self._file)
        return self._memory

    def _refuse_child(self) -> None:
        if os.getpid() != self._process:
            raise IndexFailure(
                f"{self._where} was opened by process {self._process}, from which this one was "
                "forked: only that one can write to it"
            )

    def _change(self, operation: Callable[[MemoryIndex], T]) -> T:
        """Do an operation and write down what it changed."""
        with self._lock:
            with self._changing() as (memory, file):
                try:
                    result = operation(memory)
                except IndexFullError:
                    if not memory.journal:  # it was refused before anything was changed
                        self._memory = memory
                    raise
                journal, memory.journal = memory.journal or [], []
                if journal:
                    file.append(self._log, map(row_of, journal), self._texts)
            self._compact_where_worth_it()
            return result

    @contextmanager
    def _changing(self) -> Iterator[tuple[MemoryIndex, IndexFile]]:
        """The index in memory and its file, to change both. If that fails, the file is right."""
        if self._file is None and self._memory is not None:
            raise IndexFailure(f"{self._where} was opened for lookups alone (mode=ro)")
        self._refuse_child()
        memory = self._current()
        self._memory = None
        yield memory, self._file  # type: ignore[misc]  # it is there, or `_current` has raised
        self._memory = memory

    def _compact_where_worth_it(self) -> None:
        """Compact once most of the log is of no use, which pays for doing it."""
        if self._memory is None or self._log.size < self._compact_from:
            return
        needed = self._memory.live_bytes()
        self._compact_from = int(max(WORTH_COMPACTING, MOST_DEAD * needed))
        if self._log.size < self._compact_from:
            return
        try:
            with self._changing() as (memory, file):
                self._rewrite(memory, file)
        except IndexFailure:
            # There was no room for a second log: the first one goes on for a while.
            self._compact_from = 2 * self._log.size

    def _rewrite(self, memory: MemoryIndex, file: IndexFile) -> None:
        """Replace the log by what makes the index as it is."""
        file.replace(self._log, map(row_of, memory.kept()), self._texts)
        memory.journal = []


def _let_go(file: IndexFile, writer: WriterLock | None, process: int) -> None:
    """Close the file and release the lock."""
    if os.getpid() != process:
        return  # SQLite forbids to close what a parent has opened
    try:
        file.close()
    finally:
        if writer:
            writer.release()


def place_of(url: str) -> tuple[str, bool]:
    """The path that a URL names, and whether it is for reading alone.

    Raises:
        SettingsError: it names none, or asks for what there is not.
    """
    url, _, query = url.partition("?")
    path = unquote(url.removeprefix("sqlite://"))
    if not path.startswith("/") or path in ("/", "/:memory:") or path.endswith("/"):
        raise SettingsError(
            f"index {url!r}: write sqlite:///crawl.dedup, or sqlite:////data/crawl.dedup for a "
            "path from the root on; an index in memory is memory://"
        )
    if query not in ("", "mode=ro"):
        raise SettingsError(f"index {url!r}: all that can follow the path is ?mode=ro")
    return path.removeprefix("/"), query == "mode=ro"
