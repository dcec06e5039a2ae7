"""A file that is one page, found and not read yet: whoever splits the page can read it, too.

To read and unpack a file may take as long as to judge it, so that is work for another process, and
the file's name is all that has to go there. Knows nothing of folders, standard input or URLs.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from dedup.errors import InputError
from dedup.inputs.errors import input_error
from dedup.inputs.kinds import PACKED, PAGES, format_of, kind_of
from dedup.inputs.meter import Meter, Metered
from dedup.inputs.model import Reading, UnreadPage
from dedup.inputs.reader import read
from dedup.model import Page

PACKED_FACTOR = 5
"""How many times as large a packed page is once it is unpacked, about."""

HTML_FACTOR = 2
"""HTML counts for more: it is ten times the work of text, and the last batches should be short."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """A regular file that is one page by its name, or by decree.

    Attributes:
        page: the page's id.
        path: where it is.
        named: somebody asked for it: then a file of dedup's own is an error, and else passed over.
        size: its bytes on disk.
        reading: how it is read.
    """

    page: str
    path: str
    named: bool
    size: int
    reading: Reading

    @property
    def weight(self) -> int:
        """How much of a batch the page is, about, in characters."""
        packed = PACKED_FACTOR if self.path.lower().endswith(PACKED) else 1
        is_html = self.reading.kind == "html" or format_of(self.path) == "html"
        return self.size * packed * (HTML_FACTOR if is_html else 1)

    def read(self) -> Iterator[Page | UnreadPage]:
        """The page, or why it cannot be read; nothing for a file that is passed over."""
        try:
            with open_file(self.path) as file:
                yield from read(
                    Metered(file, Meter(), None),
                    self.page,
                    self.reading,
                    named=self.named,
                    suffixes=self.path,
                )
        except (OSError, InputError) as error:
            yield UnreadPage(self.page, input_error(self.page, error))


def page_file(path: str, name: str, reading: Reading, *, named: bool) -> PageFile | None:
    """The file there, if it is one page and can be read by anybody at any time."""
    if (reading.kind or kind_of(path)) not in PAGES:
        return None
    with suppress(OSError, ValueError):
        status = os.stat(path)  # noqa: PTH116 - in a loop over many files
        if stat.S_ISREG(status.st_mode):
            return PageFile(name, path, named, status.st_size, reading)
    return None


def open_file(path: str) -> io.FileIO:
    """A local file, open for reading.

    Raises:
        InputError: there can be no such path.
        OSError: it cannot be opened.
    """
    try:
        return open(path, "rb", buffering=0)  # noqa: PTH123 - twice as fast as Path
    except ValueError as error:  # a zero byte in a path
        raise input_error(path, error) from error
