"""What a person names, checked at once, and read lazily afterwards.

`find` raises for what was typed wrong. Iterating turns whatever cannot be read on the way into an
`UnreadPage` in its place, so that one bad file never stops a batch. Knows nothing of blocks,
verdicts or reports.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath
from typing import BinaryIO

from dedup.errors import InputError
from dedup.inputs import remote
from dedup.inputs.errors import input_error
from dedup.inputs.kinds import KINDS
from dedup.inputs.meter import Meter, Metered
from dedup.inputs.model import MAX_PAGE_BYTES, STDIN, Fields, Reading, UnreadPage
from dedup.inputs.page_file import PageFile, open_file, page_file
from dedup.inputs.paths import Found, bytes_of, expand, files, read_list, regular_files
from dedup.inputs.reader import read
from dedup.model import Page


@dataclass(frozen=True)
class Inputs:
    """Paths that were checked and can be read.

    Attributes:
        paths: what to read, in order: paths, URLs, and `-` for standard input.
        stdin_name: page id of standard input.
        exclude: `(device, inode)` of files that are not pages: where a report goes, the index.
        reading: how.
        stdin: where standard input comes from; None: the process's own.
    """

    paths: tuple[str, ...]
    stdin_name: str = STDIN
    exclude: frozenset[tuple[int, int]] = frozenset()
    reading: Reading = field(default_factory=Reading)
    stdin: BinaryIO | None = None
    _meter: Meter = field(default_factory=Meter, repr=False, compare=False)

    @cached_property
    def size(self) -> int | None:
        """Bytes on disk of all there is to read; None where that is unknown (stdin, URLs).

        No file is opened. Asked before iterating, it walks the folders for that too.
        """
        if any(path == STDIN or remote.is_url(path) for path in self.paths):
            return None
        return sum(bytes_of(item.path) for item in self._listed if isinstance(item, Found))

    @property
    def position(self) -> int:
        """Bytes of `size` that were consumed so far. It may be asked from any thread."""
        return self._meter.position

    @cached_property
    def _listed(self) -> list[Found | UnreadPage]:
        return list(self._files())

    def _files(self) -> Iterator[Found | UnreadPage]:
        return files(self.paths, self.reading.kind)

    def __iter__(self) -> Iterator[Page | UnreadPage]:
        """The pages, read one at a time. Each file and each real folder is read once."""
        for item in self.items():
            if isinstance(item, PageFile):
                yield from item.read()
            else:
                yield item

    def items(self) -> Iterator[Page | PageFile | UnreadPage]:
        """The same, but files that are one page each come unread: others may read them."""
        self._meter.position = 0
        for item in self.__dict__.get("_listed") or self._files():
            if isinstance(item, UnreadPage):
                yield item
            else:
                yield from self._items(item)

    def _items(self, found: Found) -> Iterator[Page | PageFile | UnreadPage]:
        path = found.path
        name = self.stdin_name if path == STDIN else path
        if found.named and path != STDIN and not remote.is_url(path):
            name = PurePath(path).as_posix()  # what a walk found is in that form already
        if self._is_excluded(path):
            if found.named:
                yield UnreadPage(name, _report_goes_here(name))
            return
        if path != STDIN and not remote.is_url(path):
            file = page_file(path, name, self.reading, named=found.named)
            if file is not None:
                self._meter.position += file.size
                yield file
                return
        try:
            with self._open(path) as raw:
                yield from read(
                    raw,
                    name,
                    self.reading,
                    named=found.named,
                    suffixes=name if path == STDIN else remote.name_of(path),
                )
        except (OSError, InputError) as error:
            yield UnreadPage(name, input_error(name, error))

    @contextmanager
    def _open(self, path: str) -> Iterator[Metered]:
        if path == STDIN:
            with self._meter.measuring(self.stdin or _process_stdin(), None) as raw:
                yield raw
        elif remote.is_url(path):
            with remote.open_url(path) as file, self._meter.measuring(file, None) as raw:
                yield raw
        else:
            with open_file(path) as file:
                status = os.fstat(file.fileno())
                with self._meter.measuring(file, status.st_size) as raw:
                    yield raw

    def _is_excluded(self, path: str) -> bool:
        """Whether this is a file that must not be read, nor opened and closed.

        To close an open database a second time would drop the locks that SQLite has on it.
        """
        if not self.exclude or path == STDIN or remote.is_url(path):
            return False
        with suppress(OSError, ValueError):
            status = os.stat(path)  # noqa: PTH116 - in a loop over many files
            return (status.st_dev, status.st_ino) in self.exclude
        return False


def find(
    paths: Iterable[str | os.PathLike[str]],
    *,
    stdin_name: str = STDIN,
    exclude: Iterable[str | os.PathLike[str] | int] = (),
    max_bytes: int = MAX_PAGE_BYTES,
    stdin: BinaryIO | None = None,
    files_from: str | os.PathLike[str] | None = None,
    text_field: str | None = None,
    id_field: str | None = None,
    site_field: str | None = None,
    input_format: str | None = None,
) -> Inputs:
    """Check that there is something to read under each path, and return it ready for reading.

    Args:
        paths: files, folders, globs, URLs, `-` for standard input.
        stdin_name: page id of standard input.
        exclude: files that are not pages, by path or descriptor: reports go there, or the index is.
        max_bytes: limit for one page, unpacked.
        stdin: a binary stream to read for `-` instead of the process's own.
        files_from: a file that lists more paths, one a line or ended by NULs; `-`: standard input.
            What is wrong with one of these is reported in its place, not raised.
        text_field: the field of a record that is its text or HTML; None: guessed.
        id_field: the field that is the page id; None: guessed.
        site_field: the field that goes before a page id that is no URL, as `SITE/ID`.
        input_format: what every file is (see `dedup.inputs.kinds.Kind`); None: by name and content.

    Raises:
        InputError: a path does not exist, cannot be read, or is a folder without pages.
    """
    if input_format not in {None, *KINDS}:
        raise InputError(f"input format {input_format!r} is none: choose from {', '.join(KINDS)}")
    found = list(expand((os.fspath(path) for path in paths), input_format))
    if files_from is not None:
        listed = os.fspath(files_from)
        if listed == STDIN and STDIN in found:
            raise InputError("standard input is a list of paths, and cannot be a page too")
        source = stdin or (_process_stdin() if listed == STDIN else io.BytesIO())
        more = read_list(listed, source)
        if listed == STDIN and STDIN in more:
            raise InputError("the list from standard input names '-', itself: take it out")
        found += more
    return Inputs(
        tuple(found),
        stdin_name,
        frozenset(regular_files(exclude)),
        Reading(max_bytes, Fields(text_field, id_field, site_field), input_format),
        stdin,
    )


def _process_stdin() -> BinaryIO:
    if sys.stdin is None:
        raise InputError("standard input is closed: pipe a page into dedup, or name a file")
    # Unbuffered: a buffer reads on when Ctrl-C comes between two of its own reads.
    raw: BinaryIO = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
    return raw


def _report_goes_here(name: str) -> InputError:
    return InputError(f"{name!r} is where the report goes, or the index: these need other files")
