"""Files that are there whole or not at all. Knows nothing of what is in them."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

_BINARY = getattr(os, "O_BINARY", 0)  # Windows' own


def write_whole(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Put content in the place of a file: a reader finds the old one or the new one, never a part.

    Args:
        path: of the file.
        content: all of it.
        mode: permissions of one that is new, but for those that the process gives nobody (umask);
            one that is there keeps its own.

    Raises:
        OSError: it cannot be written; the old one is as it was.
    """
    temporary = path.with_name(f".{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _BINARY, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        with suppress(FileNotFoundError):
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
