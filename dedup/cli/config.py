"""Settings of a command from the environment and from a file.

What holds, the stronger first: an option on the command line, `DEDUP_CHECK_THRESHOLD`,
`DEDUP_THRESHOLD`, the key `threshold` in the file's table `[check]`, the same key above all tables,
the default. A key is the long name of an option, so an option needs nothing more to be set here; a
general one means every command that has the option. What nobody knows is an error.

Values go through click's `default_map`, so the checks are those of the command line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import click

from dedup.cli.config_file import ConfigFile
from dedup.cli.values import anchored
from dedup.errors import SettingsError

Commands: TypeAlias = Mapping[str, Mapping[str, click.Option]]
"""The options that can be set, by command and by key."""

CONFIG_VARIABLE, NO_CONFIG_VARIABLE = "DEDUP_CONFIG", "DEDUP_NO_CONFIG"

OTHER_VARIABLES = re.compile(
    r"DEDUP_(KERNEL"
    r"|TEST_\w+|EXAMPLES|CRASH_BLOCKS"  # the test suite's
    # What Kubernetes tells every container of a service that is called dedup.
    r"|SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
"""Variables that begin so and set no option."""

SERVICE_LINK = re.compile(r"(tcp|udp|sctp)://")
"""How the value of Kubernetes' `DEDUP_PORT` begins, which is no port."""


@dataclass(frozen=True)
class Setting:
    """A value that was not given on the command line.

    Attributes:
        value: as click takes it.
        variable: the environment variable that it comes from; else None.
        file: the file that it comes from; else None.
        keys: where it stands in the file.
        is_general: it is meant for every command that has the option.
    """

    value: Any
    variable: str | None = None
    file: ConfigFile | None = None
    keys: tuple[str, ...] = ()
    is_general: bool = False

    @property
    def origin(self) -> str:
        """Where it comes from: a variable, or `path:line`."""
        return self.file.place(*self.keys) if self.file else str(self.variable)

    def alone(self, command: str) -> str:
        """How to write it for one command alone."""
        if self.variable:
            return variable(self.keys[-1], command)
        return f"{self.keys[-1]} under [{command}]"


def key_of(option: click.Option) -> str:
    """The key of an option: its long name without dashes."""
    return max(option.opts, key=len).lstrip("-")


def keys_of(command: click.Command) -> dict[str, click.Option]:
    """The options of a command that can be set, by key."""
    options = (found for found in command.params if isinstance(found, click.Option))
    return {key_of(option): option for option in options if option.expose_value}


def variable(key: str, command: str = "") -> str:
    """The environment variable of a key, for every command or for one."""
    name = f"{command}-{key}" if command else key
    return f"DEDUP_{name.replace('-', '_').upper()}"


def settings_of(
    command: str, commands: Commands, environ: Mapping[str, str], file: ConfigFile | None
) -> dict[str, Setting]:
    """What is set for a command, by the name of its parameter.

    Raises:
        SettingsError: a key or a variable is unknown, or a value is none that TOML has for it.
    """
    _check_variables(commands, environ)
    in_file = _in_file(commands, file) if file else {}
    found: dict[str, Setting] = {}
    for key, option in commands[command].items():
        setting = _from_variable(command, key, option, environ)
        if setting is None and file:
            setting = _from_file(command, key, option, file, in_file)
        if setting is not None and option.name is not None:
            found[option.name] = setting
    return found


def nearest(name: str, known: Iterable[str]) -> str:
    """What an unknown name was probably meant to be, as the end of a message."""
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(names)}"


# ---- the environment -----------------------------------------------------------------------------


def _check_variables(commands: Commands, environ: Mapping[str, str]) -> None:
    known = {CONFIG_VARIABLE, NO_CONFIG_VARIABLE}
    for command, options in commands.items():
        for key in options:
            known |= {variable(key), variable(key, command)}
    for name in sorted(environ):
        if name.startswith("DEDUP_") and name not in known and not OTHER_VARIABLES.fullmatch(name):
            close = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f"did you mean {close[0]}?" if close else "docs/cli.md lists those that are"
            raise SettingsError(f"{name} in the environment is no setting: {hint}")


def _from_variable(
    command: str, key: str, option: click.Option, environ: Mapping[str, str]
) -> Setting | None:
    for name in (variable(key, command), variable(key)):
        text = environ.get(name)
        if not text or (name == "DEDUP_PORT" and SERVICE_LINK.match(text)):
            continue  # empty is unset, as for click
        value: Any = text
        if option.multiple or option.nargs != 1:
            value = tuple(option.type.split_envvar_value(text))
        elif option.is_flag and not option.is_bool_flag and text != option.flag_value:
            value = option.flag_value if _is_true(name, text) else None
        is_general = name == variable(key)
        return Setting(value, variable=name, keys=(key,), is_general=is_general)
    return None


def _is_true(name: str, text: str) -> bool:
    try:
        return bool(click.BOOL.convert(text, None, None))
    except click.BadParameter as error:
        raise SettingsError(f"{name}={text!r}: use 1 or 0") from error


def is_set(name: str, environ: Mapping[str, str]) -> bool:
    """Whether the environment sets a flag.

    Raises:
        SettingsError: the value is no yes or no.
    """
    text = environ.get(name)
    return bool(text) and _is_true(name, str(text))


# ---- the file ------------------------------------------------------------------------------------

_InFile: TypeAlias = dict[tuple[str, ...], tuple[tuple[str, ...], Any]]
"""By command (where there is one) and key: the keys as they are written, and the value."""


def _in_file(commands: Commands, file: ConfigFile) -> _InFile:
    """Everything that a file says.

    Raises:
        SettingsError: a key or a table is unknown, or a key is there twice.
    """
    general = {key for options in commands.values() for key in options}
    found: _InFile = {}
    for written, value in file.table.items():
        if isinstance(value, dict) and written in commands:
            for inner, inner_value in value.items():
                _take(found, file, (written, inner), inner_value, commands[written])
        elif isinstance(value, dict):
            hint = nearest(written, (f"[{name}]" for name in commands))
            raise SettingsError(f"{file.place(written)}: there is no table [{written}]: {hint}")
        elif written in commands and written not in general:
            raise SettingsError(f"{file.place(written)}: {written} is a table: write [{written}]")
        else:
            _take(found, file, (written,), value, general)
    return found


def _take(
    found: _InFile, file: ConfigFile, keys: tuple[str, ...], value: Any, known: Iterable[str]
) -> None:
    """Add one key, which may be written as in Python, with underscores."""
    *command, written = keys
    key = written.replace("_", "-")
    if key not in known:
        where = f" of {command[0]}" if command else ""
        hint = nearest(key, known)
        raise SettingsError(f"{file.place(*keys)}: {written} is no setting{where}: {hint}")
    if (*command, key) in found:
        raise SettingsError(f"{file.place(*keys)}: {key} is set twice: remove one")
    found[*command, key] = keys, value


def _from_file(
    command: str, key: str, option: click.Option, file: ConfigFile, in_file: _InFile
) -> Setting | None:
    keys, value = in_file.get((command, key)) or in_file.get((key,)) or ((), None)
    if not keys:
        return None
    try:
        given = _from_toml(option, value, file.path.parent)
    except ValueError as error:
        place = file.place(*keys)
        raise SettingsError(f"{place}: {keys[-1]} = {_shown(value)}: {error}") from error
    return Setting(given, file=file, keys=keys, is_general=len(keys) == 1)


def _from_toml(option: click.Option, value: Any, folder: Path) -> Any:
    """A value of a file as click takes it.

    Raises:
        ValueError: it is of a kind that the option does not take; the message says which it does.
    """
    if option.is_flag:
        if not isinstance(value, bool):
            raise ValueError("use true or false")
        return value if option.is_bool_flag else (option.flag_value if value else None)
    take = partial(_scalar, option, folder=folder)
    if not option.multiple and option.nargs == 1:
        return take(value)
    if not isinstance(value, list):
        raise ValueError("write an array, in [ ]")  # noqa: TRY004 - all are caught as one
    if not (option.multiple and option.nargs != 1):
        return tuple(map(take, value))
    if not all(isinstance(item, list) for item in value):
        raise ValueError("write an array of arrays")
    return tuple(tuple(map(take, item)) for item in value)


def _scalar(option: click.Option, value: Any, folder: Path) -> str:
    """A string, or a number as it would be typed: the checks of the command line come later."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("write a number or a string")  # noqa: TRY004 - same
    return anchored(option.type, str(value), folder)


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)
