"""How many bytes of all files were read so far: one number, for whoever shows progress."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Meter:
    """A count that only grows while files are read, one after another.

    Attributes:
        position: bytes; set as a whole, so any thread may look.
    """

    def __init__(self) -> None:
        self.position = 0

    @contextmanager
    def measuring(self, file: Any, size: int | None) -> Iterator[Metered]:
        """A file whose reading is counted; in the end it counts as read, whatever was left out.

        Args:
            file: open for reading.
            size: its bytes; None: unknown.
        """
        start = self.position
        yield Metered(file, self, None if size is None else start + size)
        if size is not None:
            self.position = start + size


class Metered:
    """An open file that tells a meter what is read of it."""

    def __init__(self, file: Any, meter: Meter, most: int | None) -> None:
        self._file, self._meter, self._most = file, meter, most
        # From a pipe, what is there: who writes slowly is not waited for until a buffer is full.
        self._read = getattr(file, "read1", file.read)
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes; none at the end."""
        part: bytes = self._read(size) or b""
        position = self._meter.position + len(part)
        self._meter.position = position if self._most is None else min(position, self._most)
        return part

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go elsewhere."""
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        """Where it stands."""
        return int(self._file.tell())

    def seekable(self) -> bool:
        """Whether it can seek."""
        return bool(self._file.seekable())

    def readable(self) -> bool:
        """It is."""
        return True

    def close(self) -> None:
        """Whoever opened the file closes it."""
        self.closed = True
