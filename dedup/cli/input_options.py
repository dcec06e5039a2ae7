"""The options of what is read: for every command that takes pages in bulk.

They are the keywords of `dedup.inputs.find`, by the same names.
"""

from __future__ import annotations

from typing import Any

import click

from dedup.cli.options import Decorator
from dedup.cli.values import FILE

KINDS = ("page", "text", "html", "jsonl", "json", "csv", "tsv", "parquet", "warc")
"""The names of `dedup.inputs.KINDS`, which is imported late, for a quick --help."""


def _some_paths(context: click.Context, _parameter: Any, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Paths, unless a list of them is given."""
    if not paths and context.params.get("files_from") is None:
        raise click.UsageError("missing PATH: name a file or a folder, or --files-from a list")
    return paths


INPUT_OPTIONS: tuple[Decorator, ...] = (
    click.argument("paths", nargs=-1, type=FILE, metavar="PATH...", callback=_some_paths),
    click.option(
        "--files-from",
        type=FILE,
        metavar="FILE",
        is_eager=True,  # known before the paths are checked
        help="Read the paths that FILE lists too, one a line or ended by NULs; - for stdin.",
    ),
    click.option(
        "--text-field",
        metavar="NAME",
        help="Field of a record that is its text or HTML.  [default: text, content, html, ...]",
    ),
    click.option(
        "--id-field",
        metavar="NAME",
        help="Field of a record that is its page id.  [default: url, id, ...]",
    ),
    click.option(
        "--site-field",
        metavar="NAME",
        help="Field that names the site, where page ids are no URLs: they become SITE/ID.",
    ),
    click.option(
        "--input-format",
        type=click.Choice(KINDS),
        help="What every file is.  [default: by its name, or its content]",
    ),
)

_READING = ("files_from", "text_field", "id_field", "site_field", "input_format")


def reading_options(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keywords of `find` among a command's options, and the others."""
    reading = {name: options[name] for name in _READING}
    return reading, {name: value for name, value in options.items() if name not in reading}
