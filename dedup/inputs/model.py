"""What reading inputs gives besides pages, and the choices that every reader is told of.

Plain values; knows nothing of paths, files or formats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from dedup.errors import InputError
from dedup.model import Block

STDIN = "-"

MAX_PAGE_BYTES = 256_000_000
"""Room for any page a crawl meets, and a stop for a compression bomb or an endless device."""


@dataclass(frozen=True, slots=True)
class UnreadPage:
    """A page, a record or a folder that could not be read: a report without blocks.

    Attributes:
        page: its id: the path; `PATH#N` for record (or line) N of a file.
        error: what went wrong, with the remedy.
    """

    page: str
    error: InputError
    blocks: ClassVar[Sequence[Block]] = ()
    repeats: ClassVar[Sequence[Block]] = ()
    extensions: ClassVar[Sequence[Block]] = ()
    skipped: ClassVar[int] = 0
    characters: ClassVar[int] = 0
    unique_text: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class Fields:
    """Which fields of a record are what; None: guessed (see `dedup.inputs.records`).

    Attributes:
        text: the page's text or HTML.
        id: the page's id.
        site: what goes before an id that is no URL.
    """

    text: str | None = None
    id: str | None = None
    site: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read.

    Attributes:
        max_bytes: a page with more bytes than this, unpacked, is reported and not read.
        fields: of records.
        kind: what every file is, whatever its name and its content say; None: these decide.
    """

    max_bytes: int = MAX_PAGE_BYTES
    fields: Fields = field(default_factory=Fields)
    kind: str | None = None

    def too_large(self, what: str) -> InputError:
        """The error of a page over the limit."""
        return InputError(
            f"{what} has more than {self.max_bytes / 1e6:g} MB: split it, or raise --max-page-mb"
        )
