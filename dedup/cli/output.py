"""Where a report goes: stdout, or a file that is there whole or not at all."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import click

from dedup.inputs import is_input, is_own_report

STDOUT = "-"


class Output:
    """A stream of bytes to stdout or to a file.

    A regular file is written beside its place under a hidden name and moved there by `commit`, so
    that no reader finds half a report and an error leaves the earlier report as it was.

    Attributes:
        places: where the report goes, as `inputs.find` takes them: never pages.
        encoding: how text is encoded there.
    """

    def __init__(self, path: str, option: str = "-o") -> None:
        """Open the output.

        Args:
            path: a file, or `-` for stdout.
            option: the option that names it.

        Raises:
            click.ClickException: it cannot be written.
        """
        self._target: Path | None = None
        self._temporary: Path | None = None
        self.encoding = "utf-8"
        self.to_stdout = path == STDOUT
        self.places: list[str | int] = [] if self.to_stdout else [path]
        if self.to_stdout:
            if sys.stdout is None:
                raise click.ClickException("stdout is closed: name a file with -o")
            self._stream: BinaryIO = sys.stdout.buffer
            self.encoding = sys.stdout.encoding or "utf-8"
            with suppress(OSError):  # a stand-in without a descriptor
                self.places.append(sys.stdout.fileno())
            return
        try:
            given = Path(path)
            if given.exists() and not given.is_file() and not given.is_dir():
                self._stream = given.open("wb")  # a pipe or a device: nothing to move
                return
            target = Path(os.path.realpath(path))
            if target.is_dir():
                raise IsADirectoryError(0, "it is a folder")
            self._temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
            self._stream = self._temporary.open("wb")
            self._target = target
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise click.ClickException(
                f"cannot write {path!r} ({str(reason).lower()}): choose another place for {option}"
            ) from error

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Drop what was not committed."""
        if not self.to_stdout:
            self._stream.close()
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)

    def write(self, content: bytes) -> None:
        """Write bytes; on stdout they are seen at once."""
        self._stream.write(content)
        if self.to_stdout:
            self._stream.flush()

    def write_text(self, text: str) -> None:
        """Write text; what the encoding lacks is written as an escape."""
        self.write(text.encode(self.encoding, "backslashreplace"))

    def write_shown(self, shown: str | bytes) -> None:
        """Write a finished report: text for people, or bytes as they are."""
        if isinstance(shown, str):
            self.write_text(shown)
        else:
            self.write(shown)

    def commit(self) -> None:
        """Put a whole report in its place."""
        if self.to_stdout:
            self._stream.flush()
            return
        self._stream.close()
        if self._temporary is not None and self._target is not None:
            self._temporary.replace(self._target)
            self._temporary = None


def refuse_inputs(path: str, inputs: tuple[str, ...], option: str = "-o") -> None:
    """Refuse to write a report over a page that is to be read.

    Raises:
        click.ClickException: the output is one of the inputs, or a page in an input folder.
    """
    target = Path(os.path.realpath(path))
    if path == STDOUT or not target.is_file():
        return
    for given in inputs:
        place = Path(os.path.realpath(given))
        inside = place.is_dir() and place in target.parents and is_input(target.name)
        if place == target or (inside and not _may_be_replaced(target)):
            raise click.ClickException(
                f"{option} {path!r} would replace a page to be checked: choose another file"
            )


def _may_be_replaced(target: Path) -> bool:
    with target.open("rb") as file:
        start = file.read(5000)
    return not start or is_own_report(start)
