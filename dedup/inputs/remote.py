"""URLs of inputs (`s3://`, `gs://`, `https://`, ...) to streams, through fsspec.

fsspec knows the schemes; the driver of each is a package of its own (s3fs, gcsfs, ...). Knows
nothing of what the files hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from dedup.errors import InputError
from dedup.inputs.kinds import is_input

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_INDEXES = re.compile(r"(?:sqlite|unix|rediss?|redis\+\w+)://", re.IGNORECASE)
_GLOB = re.compile(r"[*\[]")


def is_url(path: str) -> bool:
    """Whether this is a URL, and no local path."""
    return _URL.match(path) is not None


def check(url: str) -> None:
    """Refuse a URL that nothing here can read, before any work is done.

    Raises:
        InputError: its scheme is unknown, or a library is missing.
    """
    if _INDEXES.match(url):
        raise InputError(f"{url!r} is the URL of an index, and no page: name it with --index")
    _filesystem(url)


def expand(url: str, kind: str | None) -> Iterator[tuple[str, bool]]:
    """The files at a URL, by name: itself, what a glob matches, what a folder holds.

    Args:
        url: of a file, a folder or a glob.
        kind: what every file is to be read as, or None.

    Yields:
        The URL of each file, and whether it was asked for (not met in a folder).

    Raises:
        InputError: nothing is there, or it cannot be listed.
    """
    filesystem = _filesystem(url)
    with _translated(url):
        if _is_http(url):  # a web server has no folders, and `?` and `*` are parts of addresses
            yield url, True
            return
        path = filesystem._strip_protocol(url)  # noqa: SLF001 - fsspec's way to do it
        if _GLOB.search(path) and not filesystem.exists(path):
            found = [
                (name, True)
                for name, entry in sorted(filesystem.glob(path, detail=True).items())
                if entry["type"] == "file"
            ]
        elif filesystem.isfile(path):
            found = [(path, True)]
        else:
            found = [(name, False) for name in sorted(filesystem.find(path))]
            below = len(path.rstrip("/")) + 1
            found = [item for item in found if _is_met(item[0][below:], kind)]
        if not found:
            raise InputError(
                f"no pages at {url!r}: check the URL, or name a file itself to read it whatever it"
                " is called"
            )
        for name, named in found:
            yield filesystem.unstrip_protocol(name) if name != path else url, named


@contextmanager
def open_url(url: str) -> Iterator[BinaryIO]:
    """The bytes there, as a stream whose errors are the translated ones."""
    with _translated(url):
        file = _filesystem(url).open(url, "rb")
    try:
        yield _Translated(file, url)  # type: ignore[misc]  # it reads, seeks and tells, as needed
    finally:
        file.close()


def name_of(url: str) -> str:
    """The part of a URL whose suffix tells what is there."""
    return urlsplit(url).path if _is_http(url) else url


def _is_http(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))


def _is_met(path: str, kind: str | None) -> bool:
    hidden = any(part.startswith(".") for part in path.split("/"))
    return not hidden and is_input(path, kind)


def _filesystem(url: str) -> Any:
    scheme = url.partition("://")[0].lower()
    try:
        import fsspec  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError(f"{url!r} needs a library: pip install 'dedup[cloud]'") from error
    try:
        return fsspec.core.url_to_fs(url)[0]
    except ValueError as error:
        raise InputError(
            f"{url!r}: nothing here reads {scheme}://; name a path, or a URL such as s3://, gs://"
            " or https://"
        ) from error
    except ImportError as error:  # fsspec names the driver
        raise InputError(f"{url!r} needs the driver of {scheme}:// ({error})") from error


class _Translated:
    """A file of fsspec's whose errors are `InputError`."""

    def __init__(self, file: Any, url: str) -> None:
        self._file, self._url = file, url

    def read(self, size: int = -1) -> bytes:
        with _translated(self._url):
            return bytes(self._file.read(size))

    def seek(self, offset: int, whence: int = 0) -> int:
        with _translated(self._url):
            return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def seekable(self) -> bool:
        return bool(self._file.seekable())


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Every driver has its own errors, of no common class."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"nothing is at {url!r}: check the URL") from error
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise InputError(
            f"{url!r} cannot be read ({reason}): check the URL, the network and your credentials"
        ) from error
