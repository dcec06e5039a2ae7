"""Writes docs/cli.md from the commands themselves: `python -m dedup.cli.reference docs/cli.md`.

Whatever the commands know of themselves is taken from them; what is written here is what holds for
all of them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from dedup.cli import dedup
from dedup.cli.command import SettingsCommand
from dedup.cli.completion import SHELLS
from dedup.cli.config import CONFIG_VARIABLE, NO_CONFIG_VARIABLE, keys_of, variable

HEAD = """\
# The command line

Written from the commands by `make docs`; a test says when it is out of date.

Standard output carries the report and nothing else; progress, warnings and errors go to standard
error.
"""

EXIT_STATUS = """\
## Exit status

| status | meaning |
|---|---|
| 0 | no repeats, or no more than allowed; for other commands: done |
| 1 | more repeats than allowed; `explain`: the block is a repeat |
| 2 | an error, said on one line of standard error; never a finding |
| 130 | interrupted (Ctrl-C): the report has what was decided before |
| 141 | the reader of the report went away |
"""

SETTINGS = """\
## Settings

Every option above can be set for good, by its long name: in a file, or in the environment (but for
`serve-key`, where rights are said each time). What holds, the stronger first:

1. the option on the command line;
2. the environment, for one command: `DEDUP_CHECK_THRESHOLD`;
3. the environment, for every command that has the option: `DEDUP_THRESHOLD`;
4. the file, for one command: `threshold` in the table `[check]`;
5. the file, for every command that has the option: `threshold` above all tables;
6. the default.

`--show-settings` prints what holds and where each value is from, in the form of such a file,
without the passwords in URLs.

The file is `dedup.toml`, or `pyproject.toml` where that has a table `[tool.dedup]`: the nearest
one, going up from the working directory; in the same folder `dedup.toml` counts. One file holds, no
two are merged. `--config FILE` names another, `--no-config` goes without.

```toml
# dedup.toml
index = "redis://localhost:6379/0"  # for every command that has --index
namespace = "news"

[check]
expire-after = "7d"
max-repeats = 10
quiet = true
```

In `pyproject.toml` the tables are `[tool.dedup]` and `[tool.dedup.check]`. Keys may be written with
underscores as well, as in Python. Flags are `true` or `false`; options that can be given several
times take arrays. Relative paths are relative to the file, and `~` is your home folder.

In the environment flags are `1` or `0`, several values stand with spaces between them, relative
paths are relative to the working directory, and an empty variable is an unset one. A flag that a
file sets is taken back so for one run: `DEDUP_QUIET=0 dedup check ...`.

A key or a `DEDUP_` variable that no option has is an error, so a misspelt setting is never passed
over. Values are checked as on the command line, and an error names the variable, or the file and
the line.
"""

ENVIRONMENT = f"""\
## Other variables

| variable | meaning |
|---|---|
| `{CONFIG_VARIABLE}` | the file of settings, as `--config` names it |
| `{NO_CONFIG_VARIABLE}` | `1`: no file of settings, as with `--no-config` |
| `DEDUP_KERNEL` | which kernel must run, `native` or `reference`; unset: the native one, if built |
| `NO_COLOR` | set: no colours |
| `COLUMNS` | width of reports for people; unset: the terminal's |

What Kubernetes tells containers of a service that is called dedup (`DEDUP_SERVICE_HOST` and the
like) is passed over.
"""

COMPLETION = f"""\
## Completion

`dedup completion` prints the script that lets a shell complete commands, options, values where
there is a choice, URLs of indexes, and files. Install it once:

```sh
{chr(10).join(SHELLS.values())}
```
"""

NAMES = {"integer": "whole number", "float": "number", "text": "string", "boolean": "true or false"}
"""Words for what click calls its types."""

DESCRIBED_DEFAULT = re.compile(r"\[default: \((.*?)\)(?=[;\]])")
"""How click shows a default that is told in words."""


def reference() -> str:
    """The whole page."""
    parts = [HEAD, _overview()]
    parts += [_command(name, command) for name, command in dedup.commands.items()]
    parts += [EXIT_STATUS, SETTINGS, _own_options(), _keys(), ENVIRONMENT, COMPLETION]
    return "\n".join(parts)


def _overview() -> str:
    rows = [
        (f"[`dedup {name}`](#dedup-{name})", command.get_short_help_str(200))
        for name, command in dedup.commands.items()
    ]
    return _table(("command", ""), rows)


def _command(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"dedup {name}")
    usage = " ".join([f"dedup {name}", *command.collect_usage_pieces(context)])
    parts = [f"## dedup {name}\n\n```\n{usage}\n```\n", _prose(command.help)]
    own = keys_of(command).values()
    rows = [record for option in own if (record := option.get_help_record(context))]
    if rows:
        parts.append(_options(rows))
    if isinstance(command, SettingsCommand):
        parts.append(
            "And `--config`, `--no-config`, `--show-settings`: see [Settings](#settings).\n"
        )
    if command.epilog and "\b" not in command.epilog:
        parts.append(_prose(command.epilog))
    return "\n".join(parts)


def _prose(text: str | None) -> str:
    """A help text as a page has it: a line a paragraph."""
    paragraphs = (text or "").replace("\b\n", "").strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs) + "\n"


def _own_options() -> str:
    command = SettingsCommand("example")
    context = click.Context(command)
    return _options(
        record for option in command.params if (record := option.get_help_record(context))
    )


def _options(records: Iterable[tuple[str, str]]) -> str:
    rows = (
        (f"`{left.replace(' RANGE', '')}`", DESCRIBED_DEFAULT.sub(r"[default: \1", right))
        for left, right in records
    )
    return _table(("option", ""), rows)


def _keys() -> str:
    """What can be set: key, variable, commands, value."""
    commands = {
        name: keys_of(command)
        for name, command in dedup.commands.items()
        if isinstance(command, SettingsCommand)
    }
    rows = []
    for key in sorted({key for options in commands.values() for key in options}):
        takers = [name for name, options in commands.items() if key in options]
        value = " or ".join(dict.fromkeys(_value(commands[name][key]) for name in takers))
        rows.append((f"`{key}`", f"`{variable(key)}`", ", ".join(takers), value))
    first = next(iter(commands))
    return _table(("key", "variable", "commands", "value"), rows) + (
        "\nThe variable for one command has its name in it:"
        f" `{variable(next(iter(commands[first])), first)}`.\n"
    )


def _value(option: click.Option) -> str:
    """What an option takes, in words."""
    if option.is_flag:
        return NAMES["boolean"]
    kind = option.type
    if isinstance(kind, click.Choice):
        value = ", ".join(f"`{choice}`" for choice in kind.choices)
    else:
        name = kind.name.removesuffix(" range")
        value = NAMES.get(name, name)
    return f"array of {value}" if option.multiple or option.nargs != 1 else value


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    cells = ([" ".join(cell.split()).replace("|", r"\|") for cell in line] for line in rows)
    lines = [f"| {' | '.join(line)} |\n" for line in (head, *cells)]
    return "".join([lines[0], f"|{'---|' * len(head)}\n", *lines[1:]])


def main(path: str) -> None:
    """Write the page."""
    Path(path).write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
