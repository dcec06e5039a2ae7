"""What a person names to the files that it leads to: folders walked, globs and lists expanded.

The order depends on names alone. Opens no file but a list of paths.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path, PurePath
from typing import BinaryIO

from dedup.errors import InputError
from dedup.inputs import remote
from dedup.inputs.errors import input_error
from dedup.inputs.kinds import FORMATS, PACKED, PAGES, RECORDS, is_input
from dedup.inputs.lines import read_up_to
from dedup.inputs.model import STDIN, UnreadPage


@dataclass(frozen=True, slots=True)
class Found:
    """A file to read.

    Attributes:
        path: where it is: a path, a URL, `-`.
        named: somebody asked for it, so it is read whatever it is called.
    """

    path: str
    named: bool


def files(paths: Iterable[str], kind: str | None) -> Iterator[Found | UnreadPage]:
    """The files under the paths, each file and each real folder once, lazily.

    Args:
        paths: local paths, URLs, and `-`.
        kind: what every file is to be read as, or None.
    """
    paths = tuple(paths)
    done: set[str] = set()
    folders: set[tuple[int, int]] = set()
    for path in paths:
        if path == STDIN or remote.is_url(path):
            if path not in done:
                done.add(path)
                yield from _one(path, kind)
            continue
        named = not os.path.isdir(path)  # noqa: PTH112 - no exception for a zero byte
        for entry in [path] if named else walk(path, folders, kind):
            if isinstance(entry, UnreadPage):
                yield entry
                continue
            if len(paths) > 1:
                place = os.path.abspath(entry)  # noqa: PTH100 - Path would resolve no `..` either
                if place in done:
                    continue
                done.add(place)
            yield Found(entry, named)


def _one(path: str, kind: str | None) -> Iterator[Found | UnreadPage]:
    if path == STDIN:
        yield Found(path, named=True)
        return
    try:
        for url, named in remote.expand(path, kind):
            yield Found(url, named)
    except InputError as error:
        yield UnreadPage(path, error)


def walk(
    folder: str, seen: set[tuple[int, int]] | None = None, kind: str | None = None
) -> Iterator[str | UnreadPage]:
    """The input files under a folder, by name; hidden ones and those with other suffixes left out.

    Links to folders are followed. Each real folder is walked once, under the name that comes first,
    so a loop of links ends.

    Args:
        folder: where to start.
        seen: `(device, inode)` of folders already walked; grows.
        kind: what every file is to be read as, or None.
    """
    return _walk(folder, set() if seen is None else seen, partial(is_input, kind=kind))


def _walk(
    folder: str, seen: set[tuple[int, int]], accept: Callable[[str], bool]
) -> Iterator[str | UnreadPage]:
    """The files under a folder whose names are accepted."""
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
                    (entry.name, _is_folder(entry)) for entry in entries if _leads_on(entry, accept)
                )
        except OSError as error:
            yield UnreadPage(PurePath(path).as_posix(), input_error(path, error))
            continue
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            start = str(PurePath(path, "x"))[:-1]  # one join a folder, not one a file
            stack += [(start + name, is_folder) for name, is_folder in reversed(found)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself
        return False


def _leads_on(entry: os.DirEntry[str], accept: Callable[[str], bool]) -> bool:
    """Whether the walk goes on to this entry: a folder, an input, a link to a lost one."""
    if entry.name.startswith("."):
        return False
    if _is_folder(entry):
        return True
    # Pipes and devices would hang. A lost page is named later, when it cannot be read.
    return accept(entry.name) and (entry.is_symlink() or entry.is_file())


def expand(paths: Iterable[str], kind: str | None) -> Iterator[str]:
    """The paths, checked, with those globs expanded that no shell did.

    Raises:
        InputError: a path cannot be what was meant.
    """
    for path in paths:
        if path == STDIN:
            yield path
        elif remote.is_url(path):
            remote.check(path)
            yield path
        elif glob.has_magic(path) and not os.path.lexists(path):
            yield from _expand_glob(path)
        else:
            _check(path, kind)
            yield path


def _expand_glob(pattern: str) -> Iterator[str]:
    """What the pattern matches, by name; `**` any number of folders, hidden ones left out.

    Raises:
        InputError: nothing, or a folder on the way cannot be read.
    """
    parts = PurePath(pattern).parts
    if "**" in parts:
        # Not glob's own `**`: in a loop of links it does not come to its end.
        fixed = parts.index("**")
        start, rest = str(PurePath(*parts[:fixed])), parts[fixed:]
        folders = _matching(start) if glob.has_magic(start) else [start]
        found = [path for folder in folders for path in _below(folder, rest)]
    else:
        found = _matching(pattern)
    if not found:
        raise InputError(
            f"no file matches {pattern!r}: check the pattern (** stands for any folders, * for any"
            " part of a name)"
        )
    yield from found


def _matching(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern))  # noqa: PTH207 - Path's takes no absolute ones


def _below(folder: str, pattern: Sequence[str]) -> Iterator[str]:
    """The files under a folder whose paths from there match; each real folder is walked once."""
    for entry in _walk(folder, set(), lambda _: True):
        if isinstance(entry, UnreadPage):
            raise entry.error
        if _matches(PurePath(entry).relative_to(folder).parts, pattern):
            yield entry


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[at:], pattern[1:]) for at in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _check(path: str, kind: str | None) -> None:
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
        raise input_error(path, error) from error
    if next(walk(path, kind=kind), None) is not None:
        return
    raise InputError(
        f"no pages in {path!r}: no file in it ends in {', '.join(_suffixes(kind))} (or one of these"
        f" and {', '.join(PACKED)}); name a file itself to read it whatever it is called"
    )


def _suffixes(kind: str | None) -> list[str]:
    if kind in PAGES:
        return list(FORMATS)
    records = [suffix for suffix, reads in RECORDS.items() if kind in (None, reads)]
    return ([] if kind else list(FORMATS)) + records


MOST_LIST_BYTES = 1_000_000_000
"""Room for ten million paths; what is longer is no list of paths."""


def read_list(name: str, stdin: BinaryIO) -> list[str]:
    """The paths that a list names, in its order: one a line, or ended by NULs where it has any.

    Args:
        name: of the list; `-`: standard input.
        stdin: standard input.

    Raises:
        InputError: the list cannot be read, or is empty.
    """
    try:
        if name == STDIN:
            listed = read_up_to(stdin, MOST_LIST_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                listed = read_up_to(file, MOST_LIST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise input_error(name, error) from error
    if len(listed) > MOST_LIST_BYTES:
        raise InputError(f"the list {name!r} has more than 1 GB: name a list of paths")
    if b"\0" in listed:
        paths = [os.fsdecode(path) for path in listed.split(b"\0") if path]
    else:
        paths = [os.fsdecode(path) for path in listed.splitlines() if path.strip()]
    if not paths:
        raise InputError(f"the list {name!r} is empty: write a path on each line")
    return paths


def regular_files(places: Iterable[str | os.PathLike[str] | int]) -> Iterator[tuple[int, int]]:
    """The identities of the files there; terminals, pipes and what does not exist have none."""
    for place in places:
        with contextlib.suppress(OSError):
            status = os.stat(place)  # noqa: PTH116 - takes descriptors too
            if stat.S_ISREG(status.st_mode):
                yield status.st_dev, status.st_ino


def bytes_of(path: str) -> int:
    """Bytes on disk of a local file; 0 where there is none, or where it has no end."""
    with contextlib.suppress(OSError, ValueError):
        status = os.stat(path)  # noqa: PTH116 - called for each of very many files
        return status.st_size if stat.S_ISREG(status.st_mode) else 0
    return 0
