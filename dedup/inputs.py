"""Paths to pages: files, folders, standard input, each plain or gzipped.

`find` checks what a person typed and raises at once; `read` walks it lazily, in an order that
depends on names alone, and turns whatever cannot be read on the way into an `UnreadPage` in its
place, so that one bad file never stops a batch. Knows nothing of blocks, verdicts or reports, save
how a report of dedup's own begins: those are never taken for pages.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import io
import os
import re
import stat
import sys
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO, ClassVar, TypeVar

from dedup.errors import InputError
from dedup.model import Block, Format, Page

Verdict = TypeVar("Verdict")

STDIN = "-"
FORMATS: dict[str, Format] = {
    ".txt": "text",
    ".md": "text",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
}
"""Suffixes that are pages in a folder, `.gz` after them or not, and what stands in such files."""

MAX_PAGE_BYTES = 256_000_000
"""Room for any page a crawl meets, and a stop for a gzip bomb or an endless device."""

GZIP_MAGIC = b"\x1f\x8b\x08"
OWN_REPORT = re.compile(
    rb"dedup: (?:(?:no repeats in|[\d,]+ of) [\d,]+ blocks?\b|no page could be judged$)"
    rb'|\{"version": \d+,\s+"(?:pages|groups)": \['
    rb'|\{"page": "(?:[^"\\]|\\.)*", (?:"blocks": \d+, "skipped"|"error": ")',
    re.MULTILINE,
)
"""How dedup's own text, json and jsonl reports begin."""


@dataclass(frozen=True, slots=True)
class UnreadPage:
    """A page, or a folder on the way to pages, that could not be read: a report without blocks.

    Attributes:
        page: its id: the path.
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
class Inputs:
    """Paths that were checked and can be read.

    Attributes:
        paths: what to read, in order: paths, and `-` for standard input.
        stdin_name: page id of standard input.
        exclude: `(device, inode)` of files that are not pages: those that a report goes to.
        max_bytes: pages with more bytes than this, unpacked, are reported and not read.
        stdin: where standard input comes from; None: the process's own.
    """

    paths: tuple[str, ...]
    stdin_name: str = STDIN
    exclude: frozenset[tuple[int, int]] = frozenset()
    max_bytes: int = MAX_PAGE_BYTES
    stdin: BinaryIO | None = None

    def __iter__(self) -> Iterator[Page | UnreadPage]:
        """The pages, read one at a time. Each file and each real folder is read once."""
        done: set[str] = set()
        folders: set[tuple[int, int]] = set()
        for path in self.paths:
            if path == STDIN:
                if STDIN not in done:
                    done.add(STDIN)
                    yield self._read_stdin()
                continue
            named = not Path(path).is_dir()
            for entry in [path] if named else walk(path, folders):
                if isinstance(entry, UnreadPage):
                    yield entry
                    continue
                place = os.path.abspath(entry)  # noqa: PTH100 - Path would resolve no `..` either
                if place in done:
                    continue
                if len(self.paths) > 1:
                    done.add(place)
                page = self._read_file(entry, named=named)
                if page is not None:
                    yield page

    def _read_file(self, path: str, *, named: bool) -> Page | UnreadPage | None:
        """The file as a page; None for a report that was met in a folder."""
        name = PurePath(path).as_posix()
        try:
            with Path(path).open("rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                if (status.st_dev, status.st_ino) in self.exclude:
                    return UnreadPage(name, _report_goes_here(name)) if named else None
                content = self._content(file, name)
            if is_own_report(content) and not named:
                return None
            return Page(content, name, format_of(name))
        except (OSError, InputError) as error:
            return UnreadPage(name, _input_error(name, error))

    def _read_stdin(self) -> Page | UnreadPage:
        try:
            stdin = self.stdin or _process_stdin()
            return Page(self._content(stdin, self.stdin_name), self.stdin_name)
        except (OSError, InputError) as error:
            return UnreadPage(self.stdin_name, _input_error(self.stdin_name, error))

    def _content(self, file: io.RawIOBase | BinaryIO, name: str) -> bytes:
        """The file's bytes, unpacked where they are gzip, whatever the name says."""
        content = _read_up_to(file, self.max_bytes + 1)
        if content.startswith(GZIP_MAGIC):
            content = gunzip(content, name, self.max_bytes + 1)
        elif name.endswith(".gz"):
            raise InputError(
                f"{name!r} is named .gz and is no gzip file: fetch it again, or rename it"
            )
        if len(content) > self.max_bytes:
            raise InputError(
                f"{name!r} has more than {self.max_bytes / 1e6:g} MB: split it, or raise"
                " --max-page-mb"
            )
        return content


def find(
    paths: Iterable[str | os.PathLike[str]],
    *,
    stdin_name: str = STDIN,
    exclude: Iterable[str | os.PathLike[str] | int] = (),
    max_bytes: int = MAX_PAGE_BYTES,
    stdin: BinaryIO | None = None,
) -> Inputs:
    """Check that there is something to read under each path, and return it ready for reading.

    Args:
        paths: files, folders, `-` for standard input.
        stdin_name: page id of standard input.
        exclude: files that are not pages, by path or descriptor, because reports go there.
        max_bytes: limit for one page, unpacked.
        stdin: a binary stream to read for `-` instead of the process's own.

    Raises:
        InputError: a path does not exist, cannot be read, or is a folder without pages.
    """
    inputs = Inputs(
        tuple(os.fspath(path) for path in paths),
        stdin_name,
        frozenset(_regular_files(exclude)),
        max_bytes,
        stdin,
    )
    for path in inputs.paths:
        if path != STDIN:
            _check(path)
    return inputs


def check_inputs(
    check_many: Callable[[Iterable[Page]], Iterable[Verdict]], inputs: Iterable[Page | UnreadPage]
) -> Iterator[Verdict | UnreadPage]:
    """Judge the pages that could be read, and put the others in their places among the verdicts.

    Args:
        check_many: yields one verdict for each page, in order (`Deduper.check_many`).
        inputs: pages and unread pages, consumed as lazily as `check_many` does.
    """
    unread: deque[tuple[int, UnreadPage]] = deque()

    def pages() -> Iterator[Page]:
        count = 0
        for item in inputs:
            if isinstance(item, UnreadPage):
                unread.append((count, item))
            else:
                count += 1
                yield item

    for number, verdict in enumerate(check_many(pages())):
        while unread and unread[0][0] <= number:
            yield unread.popleft()[1]
        yield verdict
    for _, item in unread:
        yield item


def walk(folder: str, seen: set[tuple[int, int]] | None = None) -> Iterator[str | UnreadPage]:
    """The page files under a folder, by name; hidden ones and those with other suffixes left out.

    Links to folders are followed. Each real folder is walked once, under the name that comes first,
    so a loop of links ends.

    Args:
        folder: where to start.
        seen: `(device, inode)` of folders already walked; grows.
    """
    seen = set() if seen is None else seen
    # A stack, not recursion: the depth of a tree is not ours to choose.
    stack = [(folder, True)]
    while stack:
        path, is_folder = stack.pop()
        if not is_folder:
            yield path
            continue
        try:
            status = Path(path).stat()
            with os.scandir(path) as entries:
                found = sorted(
                    (entry.name, _is_folder(entry)) for entry in entries if _leads_on(entry)
                )
        except OSError as error:
            yield UnreadPage(PurePath(path).as_posix(), _input_error(path, error))
            continue
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            stack += [(str(PurePath(path, name)), is_folder) for name, is_folder in reversed(found)]


def format_of(name: str) -> Format:
    """What a file of this name holds; `"auto"` where the name does not say."""
    return FORMATS.get(PurePath(name.lower().removesuffix(".gz")).suffix, "auto")


def is_own_report(content: bytes) -> bool:
    """Whether this is a report that dedup wrote, judged by its first 5,000 bytes."""
    return OWN_REPORT.match(content, 0, 5000) is not None


def gunzip(packed: bytes, name: str, limit: int) -> bytes:
    """Unpack gzip, up to `limit` bytes.

    Raises:
        InputError: the stream is cut off or damaged: what it lost would be lost silently.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
            return _read_up_to(file, limit)
    except EOFError as error:
        raise InputError(f"{name!r} is a gzip file that ends too early: fetch it again") from error
    except (zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{name!r} is a damaged gzip file ({error}): fetch it again") from error


def _process_stdin() -> BinaryIO:
    if sys.stdin is None:
        raise InputError("standard input is closed: pipe a page into dedup, or name a file")
    # Unbuffered: a buffer reads on when Ctrl-C comes between two of its own reads.
    raw: BinaryIO = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
    return raw


def _read_up_to(file: io.RawIOBase | BinaryIO | gzip.GzipFile, limit: int) -> bytes:
    """As many bytes as there are, at most `limit`: a raw stream may give less than asked for."""
    parts = []
    while limit > 0 and (part := file.read(min(limit, 1 << 20))):
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself
        return False


def _leads_on(entry: os.DirEntry[str]) -> bool:
    """Whether the walk goes on to this entry: a folder, a page, a link to a lost page."""
    if entry.name.startswith("."):
        return False
    if _is_folder(entry):
        return True
    # Pipes and devices would hang. A lost page is named later, when it cannot be read.
    return format_of(entry.name) != "auto" and (entry.is_symlink() or entry.is_file())


def _check(path: str) -> None:
    """Refuse a path that cannot be what was meant, before any work is done."""
    if not path:
        raise InputError("'' is no path: name a file or a folder, or - for standard input")
    try:
        mode = Path(path).stat().st_mode
        effective = os.access in os.supports_effective_ids
        if not os.access(path, os.R_OK, effective_ids=effective):
            raise PermissionError(errno.EACCES, "permission denied")
        if not stat.S_ISDIR(mode):
            return
        with os.scandir(path):
            pass
    except (OSError, ValueError) as error:
        raise _input_error(path, error) from error
    if next(walk(path), None) is not None:
        return
    raise InputError(
        f"no pages in {path!r}: no file in it ends in {', '.join(FORMATS)} (or one of these and"
        " .gz); name a file itself to read it whatever it is called"
    )


def _regular_files(places: Iterable[str | os.PathLike[str] | int]) -> Iterator[tuple[int, int]]:
    """The identities of the files there; terminals, pipes and what does not exist have none."""
    for place in places:
        with contextlib.suppress(OSError):
            status = os.stat(place)  # noqa: PTH116 - takes descriptors too
            if stat.S_ISREG(status.st_mode):
                yield status.st_dev, status.st_ino


def _report_goes_here(name: str) -> InputError:
    return InputError(f"{name!r} is where the report goes: write it to another file")


def _input_error(path: str, error: Exception) -> InputError:
    if isinstance(error, InputError):
        return error
    if isinstance(error, FileNotFoundError):
        return InputError(f"no such file or folder: {path!r}; check the path")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    remedy = "change its permissions, or leave it out"
    if not isinstance(error, PermissionError):
        remedy = "check the path, or leave it out"
    return InputError(f"{path!r} cannot be read ({reason.lower()}): {remedy}")
