"""One writer of each namespace of a file: a lock that goes with the process that holds it.

A file beside the index, `…-lock`, has 16 bytes for each namespace: the holder locks them and writes
its process id there. It is there while somebody holds a lock. The system lets go of a process's
locks when it ends, however it ends; its children do not have them. Knows nothing of what is locked.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from contextlib import suppress
from pathlib import Path

_BYTES = 16


class LockedError(Exception):
    """Somebody else holds the lock; the argument is who, where that is known."""


class WriterLock:
    """Held from when it is made until `release`.

    Args:
        path: the file that has the locks; made where there is none.
        slot: which of them.

    Raises:
        LockedError: it is held already, by another process or by this one.
        OSError: the file cannot be made.
    """

    def __init__(self, path: str, slot: int) -> None:
        self._path, self._slot = path, slot
        with _changing:
            # A process's locks do not hinder itself, and closing any descriptor of the file drops
            # them all: so there is one descriptor a file, and a table of what is held.
            file, held = _files.get(path, (None, frozenset()))
            if slot in held:
                raise LockedError("this process")
            if file is None:
                file = _open(path, slot)
            else:
                _lock(file, slot)
            os.pwrite(file, f"{os.getpid():<{_BYTES - 1}}\n".encode(), slot * _BYTES)
            _files[path] = (file, held | {slot})

    def release(self) -> None:
        """Let go, and remove the file where nobody uses it."""
        with _changing:
            file, held = _files.get(self._path, (None, frozenset()))
            if file is None or self._slot not in held:
                return  # it is another process's, from which this one was forked
            os.pwrite(file, b" " * (_BYTES - 1), self._slot * _BYTES)
            if held != {self._slot}:
                fcntl.lockf(file, fcntl.LOCK_UN, _BYTES, self._slot * _BYTES)
                _files[self._path] = (file, held - {self._slot})
                return
            with suppress(OSError):  # others have locks of their own in it
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                Path(self._path).unlink()
            os.close(file)
            del _files[self._path]


_files: dict[str, tuple[int, frozenset[int]]] = {}
"""Of each file in which this process holds locks: the descriptor, and which."""
_changing = threading.Lock()


def _open(path: str, slot: int) -> int:
    """The file, with one lock taken."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _lock(file, slot)
        except LockedError:
            if _is_there(path, file):
                os.close(file)
                raise
        else:
            if _is_there(path, file):
                return file
        os.close(file)  # it was removed meanwhile, so it locks nobody out


def _lock(file: int, slot: int) -> None:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _BYTES, slot * _BYTES)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            raise
        holder = os.pread(file, _BYTES, slot * _BYTES).strip(b"\0 \n").decode("ascii", "replace")
        raise LockedError(f"process {holder}" if holder else "another process") from error


def _is_there(path: str, file: int) -> bool:
    """Whether an open file still has its name."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))  # noqa: PTH116 - both alike
    except FileNotFoundError:
        return False


def _forget() -> None:
    global _changing  # noqa: PLW0603 - it may have been held by a thread that is not here
    _changing = threading.Lock()
    _files.clear()


os.register_at_fork(after_in_child=_forget)
