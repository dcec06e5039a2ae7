"""What options take that click has no type for: names of files, URLs of indexes.

Each knows how a shell completes it, and what it means in a file of settings: a relative path there
is relative to that file. The checks are made where the value is used, with the remedy for its use.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pathlib import Path

    from click.shell_completion import CompletionItem

    _Type = click.ParamType[Any]
else:  # an older click: its type takes no parameter
    _Type = click.ParamType

STDIN_OR_STDOUT = "-"


class Number(click.FloatRange):
    """A number in a range; "nan" is none, which Python would take, and compare with nothing."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number."""
        number = super().convert(value, param, ctx)
        if number != number:  # noqa: PLR0124 - so it is with "nan"
            self.fail(f"{value!r} is no number", param, ctx)
        return number


MEGABYTES = Number(min=0, min_open=True, max=1073)
"""What a page may have, up to the most that any has: 268 million characters of four bytes."""


class FileName(_Type):
    """The name of a file or a folder, a URL of one, or `-`; a string as it is."""

    name = "file"

    def anchored(self, value: str, folder: Path) -> str:
        """The name as it is meant in a file that lies in this folder."""
        if value == STDIN_OR_STDOUT or "://" in value:
            return value
        from pathlib import Path  # noqa: PLC0415 - late, for a quick --help

        path = Path(value)
        with suppress(RuntimeError):  # there is no such user: a file may be called so
            path = path.expanduser()
        return str(folder / path)

    def shell_complete(
        self, _context: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """Leave it to the shell, which knows files best."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - late: only in a shell

        return [CompletionItem(incomplete, type="file")]


class FormatFile(FileName):
    """FORMAT=FILE, or FILE alone.

    Args:
        read: makes the value of the words, or raises click.BadParameter.
    """

    name = "file"

    def __init__(self, read: Callable[[str], Any]) -> None:
        self._read = read

    def convert(
        self, value: Any, _param: click.Parameter | None, _context: click.Context | None
    ) -> Any:
        """The value of the words; a value stays what it is."""
        return self._read(value) if isinstance(value, str) else value

    def anchored(self, value: str, folder: Path) -> str:
        """The words as they are meant in a file that lies in this folder."""
        name, equals, path = value.partition("=")
        return (
            f"{name}=" + super().anchored(path, folder)
            if equals
            else super().anchored(value, folder)
        )


class FolderName(FileName):
    """The name of a folder."""

    name = "folder"

    def shell_complete(
        self, _context: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """Leave it to the shell."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415

        return [CompletionItem(incomplete, type="dir")]


class IndexUrl(FileName):
    """The URL of an index, or the name of its file."""

    name = "url"

    def anchored(self, value: str, folder: Path) -> str:
        """The URL as it is meant in a file that lies in this folder."""
        scheme, separator, path = value.partition(":///")
        if separator and scheme == "sqlite" and not path.startswith("/"):
            from urllib.parse import quote  # noqa: PLC0415 - late, for a quick --help

            return f"{scheme}:///{quote(str(folder))}/{path}"
        from dedup.index import is_path  # noqa: PLC0415 - late, for a quick --help

        # A URL with a slip in it stays one, to be told so.
        return super().anchored(value, folder) if is_path(value) else value

    def shell_complete(
        self, context: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """The schemes that dedup knows, and files."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415

        from dedup.index import STORES  # noqa: PLC0415

        files = super().shell_complete(context, param, incomplete)
        urls = [f"{scheme}://" for scheme in STORES]
        # Files first: click's script for Bash takes them for a reason to forget what came before.
        return files + [CompletionItem(url) for url in urls if url.startswith(incomplete)]


FILE = FileName()
FOLDER = FolderName()
INDEX = IndexUrl()


def anchored(kind: Any, value: str, folder: Path) -> str:
    """A value of an option of this type as it is meant in a file that lies in this folder."""
    if hasattr(kind, "anchored"):
        return str(kind.anchored(value, folder))
    if isinstance(kind, click.Path | click.File):
        return FILE.anchored(value, folder)
    return value
