"""`--write-unique`: each page's text without its repeats, a file a page, under one folder.

A page's file is named after its id, so the tree of a folder, or of a site, is found again. Nothing
is written over an input. Knows nothing of how repeats are found.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import click

from dedup.files import write_whole

LONGEST = 180
"""Bytes of one part of a path: file systems allow 255, and a suffix follows."""
PACKED = (".gz", ".bz2", ".xz", ".zst")
TEXTS = (".txt", ".md")

_UNSAFE = re.compile(r"[\x00-\x1f\x7f<>:\"/\\|?*\ud800-\udfff]")


class UniqueTexts:
    """A folder that gets a file for every page."""

    def __init__(self, folder: str, inputs: Iterable[str]) -> None:
        """Make the folder.

        Raises:
            click.ClickException: it is an input, holds one, or lies in one; or cannot be made.
        """
        self._folder = Path(os.path.realpath(folder))
        for given in inputs:
            place = Path(os.path.realpath(given))
            overlaps = place == self._folder or self._folder in place.parents
            if overlaps or (place.is_dir() and place in self._folder.parents):
                raise click.ClickException(
                    f"--write-unique {folder!r} would mix with the input {given!r}: choose a folder"
                    " of its own"
                )
        self._used: dict[str, int] = {}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise click.ClickException(
                f"cannot make the folder {folder!r} ({(error.strerror or '').lower()}): choose"
                " another place for --write-unique"
            ) from error

    def write(self, page: str, text: str) -> None:
        """Write a page's text; a file of an earlier run is replaced, whole or not at all."""
        name = file_name(page)
        # Names that differ in case alone are one file on some systems.
        number = self._used[name.casefold()] = self._used.get(name.casefold(), 0) + 1
        if number > 1:
            path = PurePosixPath(name)
            name = str(path.with_name(f"{path.stem}~{number}{path.suffix}"))
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, text.encode("utf-8", "backslashreplace"))


def file_name(page: str) -> str:
    """A relative path for a page id: the host and path of a URL, or the path without its root.

    What no file system may hold becomes `_`; long parts are cut and told apart by a hash. It ends
    in `.txt`, or `.md` where the page's own name does.
    """
    if "://" in page:
        try:
            parts = urlsplit(page)
            query = f"?{parts.query}" if parts.query else ""
            page = f"{parts.netloc}{parts.path.rstrip('/') or '/index'}{query}"
        except ValueError:
            pass
    kept = [part for part in page.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    names = [_part(part) for part in kept] or ["page"]
    last = names[-1]
    for suffix in PACKED:
        last = last.removesuffix(suffix)
    names[-1] = last if last.lower().endswith(TEXTS) else f"{last}.txt"
    return "/".join(names)


def _part(part: str) -> str:
    safe = _UNSAFE.sub("_", part).rstrip(" .")
    if safe.startswith("."):
        safe = f"_{safe[1:]}"
    encoded = safe.encode()
    if len(encoded) <= LONGEST:
        return safe or "_"
    mark = hashlib.blake2b(part.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{encoded[: LONGEST - 17].decode('utf-8', 'ignore')}-{mark}"
