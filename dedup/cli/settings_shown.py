"""What `--show-settings` prints: the settings that hold, as a file would say them, and where from.

Passwords in URLs are left out. Knows nothing of where settings are looked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from dedup.cli.config import keys_of
from dedup.cli.values import INDEX
from dedup.urls import scheme_and_hosts, without_passwords

if TYPE_CHECKING:
    from dedup.cli.command import Configured


def settings_shown(ctx: click.Context, configured: Configured) -> str:
    """The settings of a command, a line each."""
    rows = [_row(ctx, configured, key, option) for key, option in keys_of(ctx.command).items()]
    width = max(len(text) for text, _ in rows)
    file = f"settings from {configured.file.shown}" if configured.file else "no file of settings"
    lines = [f"# {ctx.command_path}: {file}"]
    lines += [f"{text:<{width}}  # {origin}" for text, origin in rows]
    return "".join(f"{line}\n" for line in lines)


def _row(
    ctx: click.Context, configured: Configured, key: str, option: click.Option
) -> tuple[str, str]:
    """A setting as TOML has it, and where it comes from."""
    name = str(option.name)
    value = ctx.params[name]
    setting = configured.settings.get(name)
    if name in configured.given:
        written, origin = configured.given[name], max(option.opts, key=len)
    elif setting is not None:
        written, origin = setting.value, setting.origin
    elif isinstance(option.show_default, str):
        return f"# {key} is not set", f"default: {option.show_default}"
    elif value in {None, ()}:
        return f"# {key} is not set", "default"
    else:
        written, origin = value, "default"
    masked = scheme_and_hosts if option.type is INDEX else without_passwords
    return f"{key} = {_toml(value, written, masked)}", origin


def _toml(value: Any, written: Any, masked: Callable[[str], str]) -> str:
    """A value in TOML, a number or as it was written."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(written, list | tuple):
        return f"[{', '.join(_toml(item, item, masked) for item in written)}]"
    if isinstance(value, int | float) and _is_number(written):
        return str(written)
    return json.dumps(masked(str(written)), ensure_ascii=False)


def _is_number(written: Any) -> bool:
    try:
        float(written)
    except ValueError:
        return False
    return True
