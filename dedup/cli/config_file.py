"""Files of settings: which one holds, what it says, and on which line.

`dedup.toml` is all settings; in `pyproject.toml` they are the table `[tool.dedup]`. Knows nothing
of commands and options: what the keys mean is for `config.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dedup.errors import SettingsError

OWN = "dedup.toml"
PROJECT = "pyproject.toml"


@dataclass(frozen=True)
class ConfigFile:
    """A file of settings.

    Attributes:
        path: where it is.
        text: what it says.
        root: the keys under which its settings are: none, or ("tool", "dedup").
        table: the settings.
    """

    path: Path
    text: str
    root: tuple[str, ...]
    table: dict[str, Any]

    @property
    def shown(self) -> str:
        """Its path, from the working directory where it lies there."""
        try:
            return str(self.path.relative_to(Path.cwd()))
        except (OSError, ValueError):
            return str(self.path)

    def place(self, *keys: str) -> str:
        """Where a key of the table stands: `path:line`; just the path where that is not seen."""
        line = line_of(self.text, (*self.root, *keys))
        return f"{self.shown}:{line}" if line else self.shown


def find(start: Path) -> ConfigFile | None:
    """The nearest file of settings, going up from a folder; `dedup.toml` first in each.

    Raises:
        SettingsError: it cannot be read.
    """
    for folder in (start, *start.parents):
        for name in (OWN, PROJECT):
            path = folder / name
            try:
                there = path.is_file()
            except OSError:  # a folder above that may not be looked into
                there = False
            found = read(path) if there else None
            if found:
                return found
    return None


def read(path: Path) -> ConfigFile | None:
    """What a file says; None: a `pyproject.toml` that says nothing of dedup.

    Raises:
        SettingsError: it cannot be read, or is no TOML.
    """
    import tomllib  # noqa: PLC0415 - only where there is a file

    remedy = "correct it, or go without it by --no-config"
    try:
        content = path.read_bytes()
        if path.name == PROJECT and b"dedup" not in content:
            return None  # no need to understand it
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
        table = tomllib.loads(text)
    except OSError as error:
        reason = str(error.strerror or error).lower()
        raise SettingsError(f"cannot read settings from {str(path)!r} ({reason})") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8, as TOML is: {remedy}") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}: {remedy}") from error
    if path.name != PROJECT:
        return ConfigFile(path, text, (), table)
    tools = table.get("tool")
    own = tools.get("dedup") if isinstance(tools, dict) else None
    if own is None:
        return None
    if not isinstance(own, dict):
        raise SettingsError(f"{path}: tool.dedup is {own!r}: write a table, [tool.dedup]")
    return ConfigFile(path, text, ("tool", "dedup"), own)


def line_of(text: str, keys: tuple[str, ...]) -> int | None:
    """The line (from 1) on which a value or a table begins that stands under these keys in TOML.

    The parser of the standard library does not tell places. It knows the keys of any beginning of
    the text, though, so the line is the first after which the key is there.
    """
    lines = [line + "\n" for line in text.split("\n")]
    for at, line in enumerate(lines):
        if keys[-1] not in line:
            continue
        before = _parsed(lines[:at])
        if before is None or _holds(before, keys):
            continue  # within a string of several lines; or it was an earlier line
        # A value may take several lines: the first whole one counts.
        wholes = (_parsed(lines[:end]) for end in range(at + 1, len(lines) + 1))
        after = next((whole for whole in wholes if whole is not None), {})
        if _holds(after, keys):
            return at + 1
    return None


def _parsed(lines: list[str]) -> dict[str, Any] | None:
    import tomllib  # noqa: PLC0415 - only where there is a file

    try:
        return tomllib.loads("".join(lines))
    except tomllib.TOMLDecodeError:
        return None


def _holds(table: Any, keys: tuple[str, ...]) -> bool:
    for key in keys:
        if not isinstance(table, dict) or key not in table:
            return False
        table = table[key]
    return True
