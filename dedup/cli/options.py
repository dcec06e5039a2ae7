"""Options and exit statuses that several commands share.

It knows nothing of what the commands do with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import click

from dedup.cli.values import FILE, INDEX

Decorator = Callable[[Any], Any]

ERROR = 2
INTERRUPTED = 130
"""Exit statuses of every command."""

INDEX_OPTIONS: tuple[Decorator, ...] = (
    click.option(
        "--index",
        type=INDEX,
        default="memory://",
        metavar="URL",
        show_default=True,
        help="Where originals live: a file (crawl.dedup), redis://host:6379/0, or this process.",
    ),
    click.option(
        "--namespace",
        default="default",
        show_default=True,
        help="Which of the store's indexes to use.",
    ),
)

KEEP_OPTION: Decorator = click.option(
    "--keep",
    type=click.Choice(["traces", "text", "keys"]),
    show_default="traces, or the index's own",
    help="What the index keeps of originals: text shows them later; keys alone is for Redis.",
)

MIN_WORDS_OPTION: Decorator = click.option(
    "--min-words", type=int, default=5, show_default=True, help="Blocks with fewer are not judged."
)
"""For commands without an index; with one, the index's own settings are the default."""


SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
"""Seconds of each unit of a duration."""


def duration(text: str) -> float:
    """Seconds of a duration as it is written on a command line: `90`, `36h`, `1.5d`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw]?)", text.strip(), re.ASCII | re.IGNORECASE)
    if not match:
        raise click.BadParameter(
            f"{text!r}: give a number of seconds, or a number with s, m, h, d or w as in 7d"
        )
    return float(match[1]) * SECONDS[match[2].lower()]


def format_option(formats: Iterable[str], description: str) -> Decorator:
    """`--format`, one of the names; text is the default."""
    return click.option(
        "--format",
        "report_format",
        type=click.Choice(list(formats)),
        default="text",
        show_default=True,
        help=description,
    )


def output_option(description: str) -> Decorator:
    """`-o`; stdout is the default."""
    return click.option("-o", "--output", type=FILE, default="-", metavar="FILE", help=description)


def with_options(*options: Decorator) -> Decorator:
    """Several options as one decorator, in their order."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
