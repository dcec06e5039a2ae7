"""`dedup tune`: which threshold suits labelled pairs, or a sample without labels.

The command is options around library calls: files are read as pairs or as pages, `tune` measures,
a report shows it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from dedup.cli.command import SettingsCommand
from dedup.cli.options import ERROR, MIN_WORDS_OPTION, format_option, output_option
from dedup.cli.values import FILE

if TYPE_CHECKING:
    from dedup.labelled import Pair
    from dedup.model import Page
    from dedup.reports import Look
    from dedup.settings import Settings
    from dedup.tune import PairTuning, SampleTuning

STDIN = "-"


def text_format(tuning: PairTuning | SampleTuning, look: Look) -> str | bytes:
    """The result for people."""
    from dedup.reports.tuning import tuning_text  # noqa: PLC0415 - late, for a quick --help

    return tuning_text(tuning, look)


def json_format(tuning: PairTuning | SampleTuning, _look: Look) -> str | bytes:
    """One JSON object."""
    from dedup.reports.tuning import tuning_json  # noqa: PLC0415

    return tuning_json(tuning)


FORMATS: dict[str, Callable[[PairTuning | SampleTuning, Look], str | bytes]] = {
    "text": text_format,
    "json": json_format,
}


@click.command(
    cls=SettingsCommand,
    epilog="Exit status: 0, or 2 for an error (a page that cannot be read or judged is one: it is"
    " named, the others count all the same).",
)
@click.argument("paths", nargs=-1, required=True, type=FILE, metavar="PATH...")
@MIN_WORDS_OPTION
@format_option(FORMATS, "Result for people, or as a JSON object.")
@output_option("Write the result to a file.")
@click.option("--plot", type=FILE, metavar="FILE", help="Draw it too: an SVG file.")
def tune(
    paths: tuple[str, ...],
    min_words: int,
    report_format: str,
    output: str,
    plot: str | None,
) -> int:
    """Recommend a threshold for your own text.

    PATH is a file of labelled pairs: .csv or .tsv with a header, or .jsonl, with the fields a, b
    and label (1: b repeats a), or names like these. Or it is a sample without labels: pages as
    check takes them, or a .jsonl file with a text on each line. Any of them may be gzipped.
    """
    from dedup.cli import console  # noqa: PLC0415 - late, for a quick --help
    from dedup.cli.output import Output, refuse_inputs  # noqa: PLC0415
    from dedup.settings import Settings  # noqa: PLC0415

    refuse_inputs(output, paths)
    if plot is not None:
        _check_plot(plot, output, paths)
    settings = Settings(min_words=min_words)
    with ExitStack() as stack:
        destination = stack.enter_context(Output(output))
        picture = stack.enter_context(Output(plot)) if plot is not None else None
        places = destination.places + (picture.places if picture else [])
        records, unread = _read(paths, places)
        tuning, left_out = _tune(records, settings)
        unread += left_out
        colour = destination.to_stdout and console.has_colour(sys.stdout)
        from dedup.reports import Look  # noqa: PLC0415 - after the paths were found to be good

        shown = FORMATS[report_format](tuning, Look(console.width(), colour=colour))
        destination.write_shown(shown)
        if picture:
            from dedup.reports.tuning_plot import tuning_plot  # noqa: PLC0415

            picture.write(tuning_plot(tuning))
            picture.commit()
        destination.commit()
    if unread:
        more = f" (and {len(unread) - 1:,} more pages)" if len(unread) > 1 else ""
        console.say("error", unread[0] + more)
    return ERROR if unread else 0


def _check_plot(plot: str, output: str, paths: tuple[str, ...]) -> None:
    from dedup.cli.output import refuse_inputs  # noqa: PLC0415

    if not plot.lower().endswith(".svg"):
        raise click.ClickException(f"--plot {plot!r}: a plot is an SVG file, name it .svg")
    if plot == output:
        raise click.ClickException(f"--plot {plot!r} is where the result goes: choose another file")
    refuse_inputs(plot, paths)


def _read(
    paths: tuple[str, ...], places: list[str | int]
) -> tuple[list[Pair] | list[Page], list[str]]:
    """Everything under the paths, as pairs or as pages, and what could not be read.

    Raises:
        InputError: a path is no good, a record is broken, or pairs and pages come together.
    """
    from dedup.decode import decode  # noqa: PLC0415
    from dedup.errors import InputError  # noqa: PLC0415
    from dedup.inputs import UnreadPage, find  # noqa: PLC0415
    from dedup.labelled import Pair, has_records, read_records  # noqa: PLC0415

    pairs: list[Pair] = []
    pages: list[Page] = []
    unread: list[str] = []
    for page in find(paths, exclude=places, input_format="page"):
        if isinstance(page, UnreadPage):
            if has_records(page.page):
                raise page.error
            unread.append(str(page.error))
            continue
        given = page.content
        content = "\n\n".join(given) if isinstance(given, tuple) else given
        if has_records(page.page) or (page.page == STDIN and content.lstrip()[:1] in (b"{", "{")):
            text = decode(content).text if isinstance(content, bytes) else content
            for record in read_records(text, page.page):
                if isinstance(record, Pair):
                    pairs.append(record)
                else:
                    pages.append(record)
        else:
            pages.append(page)
    if pairs and pages:
        raise InputError("labelled pairs and pages come together: give one or the other")
    if not pairs and not pages:
        raise InputError(unread[0])
    return pairs or pages, unread


def _tune(
    records: list[Pair] | list[Page], settings: Settings
) -> tuple[PairTuning | SampleTuning, list[str]]:
    """The result, and the pages that could not be judged."""
    from dedup.labelled import Pair  # noqa: PLC0415
    from dedup.model import Page  # noqa: PLC0415
    from dedup.tune import tune_pairs, tune_sample  # noqa: PLC0415

    pairs = [record for record in records if isinstance(record, Pair)]
    if pairs:
        return tune_pairs(pairs, settings), []
    tuning = tune_sample([record for record in records if isinstance(record, Page)], settings)
    return tuning, [error if page in error else f"{page}: {error}" for page, error in tuning.errors]
