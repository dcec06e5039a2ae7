"""`dedup check` and `dedup lookup`: judge pages, tell what repeats, and whether that is allowed.

The commands are options around library calls: `inputs.find`, `Deduper.check_many` (or `lookup`) and
a report.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Protocol

import click

from dedup.cli.options import (
    ERROR,
    INDEX_OPTIONS,
    INTERRUPTED,
    duration,
    format_option,
    output_option,
    with_options,
)

if TYPE_CHECKING:
    from dedup import Deduper
    from dedup.cli.output import Output
    from dedup.findings import Findings
    from dedup.reports import Look, Result

FOUND = 1


class Report(Protocol):
    """What every format can do."""

    def page(self, found: Findings) -> None:
        """Take what was found on a page, when it is decided."""

    def finish(self, result: Result) -> None:
        """Write the rest."""


def text_report(output: Output, look: Look) -> Report:
    """The report for people."""
    from dedup.reports import TextReport  # noqa: PLC0415 - late, for a quick --help

    return TextReport(output.write_text, look)


def json_report(output: Output, _look: Look) -> Report:
    """One JSON object."""
    from dedup.reports import JsonReport  # noqa: PLC0415

    return JsonReport(output.write)


def json_lines_report(output: Output, _look: Look) -> Report:
    """A JSON object a line."""
    from dedup.reports import JsonLinesReport  # noqa: PLC0415

    return JsonLinesReport(output.write)


FORMATS: dict[str, Callable[[Output, Look], Report]] = {
    "text": text_report,
    "json": json_report,
    "jsonl": json_lines_report,
}


EPILOG = (
    "Exit status: 0 no more repeats than allowed, 1 more, 2 an error (a page that cannot be"
    " read or judged is one: it is named, the others are judged all the same), 130 interrupted."
)

OPTIONS = (
    click.argument("paths", nargs=-1, required=True, metavar="PATH..."),
    *INDEX_OPTIONS,
    click.option(
        "--threshold",
        type=float,
        show_default="0.5, or the index's own",
        help="Least similarity, over 0 to 1.",
    ),
    click.option(
        "--min-words",
        type=int,
        show_default="5, or the index's own",
        help="Blocks with fewer are not judged.",
    ),
    format_option(FORMATS, "Report for people, as one JSON object, or as a JSON object a line."),
    output_option("Write the report to a file."),
    click.option(
        "--top",
        type=click.IntRange(min=0),
        default=20,
        show_default=True,
        help="Groups in the text report; 0: all, with all their repeats.",
    ),
    click.option(
        "--max-repeats",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Repeats allowed before the exit status is 1.",
    ),
    click.option("--exit-zero", is_flag=True, help="Exit 0 whatever repeats; errors still exit 2."),
    click.option("--stdin-name", default="-", metavar="NAME", help="Page id for standard input."),
    click.option(
        "--max-page-mb",
        type=click.FloatRange(min=0, min_open=True),
        default=256,
        show_default=True,
        help="Do not read larger pages (unpacked size).",
    ),
    click.option(
        "-j",
        "--jobs",
        type=click.IntRange(min=0),
        default=0,
        show_default="all cores",
        help="Workers that split and sketch; results do not depend on it.",
    ),
    click.option("-q", "--quiet", is_flag=True, help="No progress and no warnings."),
)
"""The options of `check` and `lookup`."""

EXPIRE_OPTION = click.option(
    "--expire-after",
    type=duration,
    metavar="DURATION",
    show_default="never, or the index's own",
    help="Drop originals that were not seen for so long: seconds, or 90m, 36h, 7d, 2w.",
)
"""For what adds to an index; it makes a difference to one that outlives its process."""


@click.command(epilog=EPILOG)
@with_options(*OPTIONS, EXPIRE_OPTION)
def check(**options: Any) -> int:
    """Find repeated blocks in pages, and remember them.

    PATH is a file, a folder (its .txt .md .html .htm .xhtml files, at any depth, hidden ones left
    out) or - for standard input. Any of them may be gzipped. A file that you name yourself is read
    whatever it is called. What comes first is the original, what is like it afterwards the repeat.
    """
    return run(**options, look_only=False)


@click.command(epilog=EPILOG)
@with_options(*OPTIONS)
def lookup(**options: Any) -> int:
    """Find blocks of pages that an index knows, and leave the index as it is.

    PATH is what it is for `dedup check`. Pages are compared with the index, and each with itself,
    but not with one another.
    """
    return run(**options, look_only=True)


def run(
    *,
    paths: tuple[str, ...],
    index: str,
    namespace: str,
    threshold: float | None,
    min_words: int | None,
    report_format: str,
    output: str,
    top: int,
    max_repeats: int,
    exit_zero: bool,
    stdin_name: str,
    max_page_mb: float,
    jobs: int,
    quiet: bool,
    look_only: bool,
    expire_after: float | None = None,
) -> int:
    """Judge pages, report, and return the exit status."""
    from dedup.cli import console  # noqa: PLC0415 - late, for a quick --help
    from dedup.cli.output import Output, refuse_inputs  # noqa: PLC0415
    from dedup.inputs import find  # noqa: PLC0415
    from dedup.judging import cores, judge  # noqa: PLC0415
    from dedup.model import Page  # noqa: PLC0415
    from dedup.reports import Look, Result  # noqa: PLC0415

    refuse_inputs(output, paths)
    with ExitStack() as stack:
        result = stack.enter_context(Result())
        destination = stack.enter_context(Output(output))
        inputs = find(
            paths,
            stdin_name=stdin_name,
            exclude=destination.places,
            max_bytes=int(max_page_mb * 1e6),
        )
        deduper = stack.enter_context(
            open_deduper(
                index,
                namespace,
                threshold=threshold,
                min_words=min_words,
                expire_after=expire_after,
            )
        )
        on_terminal = destination.to_stdout and console.is_terminal(sys.stdout)
        # Lines that stream to the same terminal would be torn by a progress line.
        torn = on_terminal and report_format != "text"
        shown = console.is_terminal(sys.stderr) and not quiet and not torn
        progress = console.Progress(shown=shown)
        stack.callback(progress.clear)
        colour = destination.to_stdout and console.has_colour(sys.stdout)
        look = Look(console.width(), colour=colour, top=top)
        report = FORMATS[report_format](destination, look)
        with console.Interruption() as interruption, suppress(KeyboardInterrupt):
            pages = progress.reading(interruption.ending(inputs))
            for item, found in judge(deduper, pages, jobs=jobs or cores(), look_only=look_only):
                result.add(found, item if isinstance(item, Page) else None)
                report.page(found)
                progress.judged(found)
        result.interrupted = interruption.happened
        progress.clear()
        report.finish(result)
        destination.commit()
        return conclude(result, allowed=None if exit_zero else max_repeats, quiet=quiet)


def open_deduper(index: str, namespace: str, **options: Any) -> Deduper:
    """A deduper with these options; those that are None are the index's own, or the defaults."""
    from dedup import Deduper  # noqa: PLC0415 - late, for a quick --help
    from dedup.index import stored_settings  # noqa: PLC0415

    stored = stored_settings(index, namespace)
    settings = stored.to_mapping() if stored else {}
    given = {name: value for name, value in options.items() if value is not None}
    return Deduper(index, namespace=namespace, **(settings | given))


def conclude(result: Result, *, allowed: int | None, quiet: bool) -> int:
    """Say on stderr what went wrong, and return the exit status.

    Args:
        result: what was decided.
        allowed: repeats that are no reason to fail; None: any number.
        quiet: no warnings.
    """
    from dedup.cli.console import say  # noqa: PLC0415

    summary = result.summary()
    if summary.errors:
        first = next(result.errors())
        message = first.error if first.page in first.error else f"{first.page}: {first.error}"
        if summary.errors > 1:
            message = f"{summary.errors:,} of {summary.pages:,} pages; the first: {message}"
        say("error", message)
    if result.interrupted:
        if not quiet:
            pages = "1 page" if summary.pages == 1 else f"{summary.pages:,} pages"
            say(
                "warning",
                f"interrupted after {pages}; the report has only what was decided before",
            )
        return INTERRUPTED
    if summary.errors:
        return ERROR
    return 0 if allowed is None or summary.repeats <= allowed else FOUND
