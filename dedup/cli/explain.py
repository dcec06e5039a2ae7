"""`dedup explain`: why a block is, or is not, a repeat of another.

The command is options around library calls: two blocks are found on their pages, `dedup.explain`
measures them, a report shows it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from dedup.cli.command import SettingsCommand
from dedup.cli.options import MIN_WORDS_OPTION, format_option, output_option
from dedup.cli.values import FILE

if TYPE_CHECKING:
    from dedup.evidence import Explanation
    from dedup.report import Report
    from dedup.reports import Look
    from dedup.reports.explanation import Place
    from dedup.settings import Settings

REPEAT = 1
STDIN = "-"
LISTED = 5
"""Blocks named in a message."""

REFERENCE = re.compile(r"(.+):(\d{1,9})", re.DOTALL)


STDIN_PAGE = "\0stdin"
"""Stands for the `-` of `-:N` while click reads the words, which takes that for an option. No word
of a command line can hold a zero byte."""


class Named(NamedTuple):
    """A block as the command line names it: its page, and which one where there are several."""

    path: str
    position: int | None


def text_format(explanation: Explanation, block: Place, original: Place, look: Look) -> str:
    """The explanation for people."""
    from dedup.reports.explanation import explanation_text  # noqa: PLC0415 - late, for --help

    return explanation_text(explanation, block, original, look)


def json_format(explanation: Explanation, block: Place, original: Place, _look: Look) -> bytes:
    """One JSON object."""
    from dedup.reports.explanation import explanation_json  # noqa: PLC0415

    return explanation_json(explanation, block, original)


def html_format(explanation: Explanation, block: Place, original: Place, _look: Look) -> bytes:
    """A page for a browser."""
    from dedup.reports.explanation_html import explanation_html  # noqa: PLC0415

    return explanation_html(explanation, block, original)


FORMATS: dict[str, Callable[[Explanation, Place, Place, Look], str | bytes]] = {
    "text": text_format,
    "json": json_format,
    "html": html_format,
}


class BlockCommand(SettingsCommand):
    """A command whose arguments may be `-:N`, a block of standard input."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Read the words of the command line."""
        is_block = re.compile(r"-:\d+").fullmatch
        words = [STDIN_PAGE + word[1:] if is_block(word) else word for word in args]
        return super().parse_args(context, words)


@click.command(
    cls=BlockCommand,
    epilog="Exit status: 0 the block is no repeat, 1 it is one, 2 an error.",
)
@click.argument("block", type=FILE)
@click.argument("original", type=FILE, required=False)
@click.option(
    "--threshold", type=float, default=0.5, show_default=True, help="Least similarity, over 0 to 1."
)
@MIN_WORDS_OPTION
@format_option(FORMATS, "For people, as a JSON object, or as an HTML page.")
@output_option("Write it to a file.")
@click.option("--exit-zero", is_flag=True, help="Exit 0 for a repeat too; errors still exit 2.")
def explain(
    block: str,
    original: str | None,
    threshold: float,
    min_words: int,
    report_format: str,
    output: str,
    exit_zero: bool,  # noqa: FBT001
) -> int:
    """Show why a block is a repeat of another, or why it is not.

    BLOCK and ORIGINAL are each a file (or - for standard input) that holds one block, or FILE:N for
    block N of a page, counted from 0 as the reports of check do. ORIGINAL is what was seen first.
    Without it, BLOCK is explained against its original on its own page or, where it has none,
    against the earlier block that is most like it.
    """
    from dedup.cli import console  # noqa: PLC0415 - late, for a quick --help
    from dedup.cli.output import Output, refuse_inputs  # noqa: PLC0415
    from dedup.settings import Settings  # noqa: PLC0415

    names = [_named(reference) for reference in (block, original) if reference is not None]
    refuse_inputs(output, tuple(name.path for name in names))
    settings = Settings(threshold=threshold, min_words=min_words)
    with ExitStack() as stack:
        destination = stack.enter_context(Output(output))
        pages = _Pages(settings)
        place, text = pages.block(names[0])
        if len(names) > 1:
            original_place, original_text = pages.block(names[1])
        else:
            original_place, original_text = pages.original_of(names[0])
        from dedup.explanation import explain as explain_texts  # noqa: PLC0415 - after the paths

        explanation = explain_texts(text, original_text, settings=settings)
        colour = destination.to_stdout and console.has_colour(sys.stdout)
        from dedup.reports import Look  # noqa: PLC0415

        look = Look(console.width(), colour=colour)
        shown = FORMATS[report_format](explanation, place, original_place, look)
        destination.write_shown(shown)
        destination.commit()
    return REPEAT if explanation.is_repeat and not exit_zero else 0


class _Pages:
    """The pages that blocks are taken from, each read and judged once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reports: dict[str, Report] = {}

    def block(self, name: Named) -> tuple[Place, str]:
        """A block's place and its text.

        Raises:
            InputError: the page cannot be read, or has no such block.
        """
        from dedup.errors import InputError  # noqa: PLC0415
        from dedup.reports.explanation import Place  # noqa: PLC0415

        report = self._report(name.path)
        count = len(report.blocks)
        position = name.position
        if count == 0:
            raise InputError(f"{name.path!r} has no blocks: name a page with text")
        if position is None and count > 1:
            repeats = [str(found.position) for found in report.repeats[:LISTED]]
            example = repeats[0] if repeats else str(count - 1)
            among = f" (repeats on it: {', '.join(repeats)})" if repeats else ""
            raise InputError(
                f"{name.path!r} has {count:,} blocks{among}: name one, as in"
                f" {f'{name.path}:{example}'!r}"
            )
        if position is not None and position >= count:
            raise InputError(
                f"{name.path!r} has no block {position}: its {count:,} are counted from 0"
            )
        found = report.blocks[position or 0]
        several = count > 1 or position is not None
        return Place(name.path, found.position if several else None, found.line), found.text

    def original_of(self, name: Named) -> tuple[Place, str]:
        """The original of a block on its own page; else the earlier block most like it."""
        from dedup.cli.console import say  # noqa: PLC0415
        from dedup.errors import InputError  # noqa: PLC0415
        from dedup.explanation import most_alike  # noqa: PLC0415

        report = self._report(name.path)
        block = report.blocks[name.position or 0]
        match = block.repeat or block.extension
        if match:
            return self.block(Named(name.path, match.original.position))
        repeats = [
            found.position
            for found in report.repeats
            if found.repeat and found.repeat.original.position == block.position
        ]
        if repeats:
            say(
                "note",
                f"block {block.position} is an original itself; to explain its repeat, name"
                f" {f'{name.path}:{repeats[0]}'!r}",
            )
        earlier = [
            found
            for found in report.blocks[: block.position]
            if not found.skipped and not found.repeat
        ]
        if not earlier:
            raise InputError(
                f"no block stands before block {block.position} of {name.path!r}: name a second"
                " block to compare it with"
            )
        best = most_alike(block.text, [found.text for found in earlier])
        return self.block(Named(name.path, earlier[best].position))

    def _report(self, path: str) -> Report:
        """What is said of a page that is checked alone."""
        from dedup.detector import Deduper  # noqa: PLC0415
        from dedup.inputs import UnreadPage, find  # noqa: PLC0415

        if path not in self._reports:
            (page,) = find([path], input_format="page")
            if isinstance(page, UnreadPage):
                raise page.error
            with Deduper(**self._settings.to_mapping()) as deduper:
                self._reports[path] = deduper.check(page.content, page.page, format=page.format)
        return self._reports[path]


def _named(reference: str) -> Named:
    """A reference as path and position. A file whose own name ends so goes before a page.

    Raises:
        InputError: there is no such file, or it is a folder.
    """
    from dedup.errors import InputError  # noqa: PLC0415
    from dedup.inputs import find  # noqa: PLC0415

    reference = reference.replace(STDIN_PAGE, STDIN)
    match = REFERENCE.fullmatch(reference)
    if match and not _exists(reference):
        name = Named(match[1], int(match[2]))
    else:
        name = Named(reference, None)
    if name.path != STDIN and _exists(name.path) and Path(name.path).is_dir():
        raise InputError(f"{name.path!r} is a folder: name a file in it")
    if len(find([name.path], input_format="page").paths) > 1:  # says what is wrong with a path
        raise InputError(f"{name.path!r} names several files: name one")
    return name


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # too long, or a zero byte in it
        return False
