"""`dedup check` and `dedup lookup`: judge pages, tell what repeats, and whether that is allowed.

The commands are options around library calls: `inputs.find`, `Deduper.check_many` (or `lookup`) and
a report.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from dedup.cli.command import SettingsCommand
from dedup.cli.gates import GATE_OPTIONS, Gate, conclude
from dedup.cli.input_options import INPUT_OPTIONS, reading_options
from dedup.cli.options import (
    INDEX_OPTIONS,
    KEEP_OPTION,
    duration,
    with_options,
)
from dedup.cli.report_options import REPORT_OPTIONS, Choices, Reports
from dedup.cli.values import MEGABYTES

if TYPE_CHECKING:
    from dedup import Deduper


EPILOG = (
    "Exit status: 0 no more repeats than allowed, 1 more, 2 an error (a page that cannot be"
    " read or judged is one: it is named, the others are judged all the same), 130 interrupted."
)

OPTIONS = (
    *INPUT_OPTIONS,
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
    *REPORT_OPTIONS,
    *GATE_OPTIONS,
    click.option(
        "--write-unique",
        type=click.Path(file_okay=False),
        metavar="DIR",
        help="Write the text of every page without its repeats to a file under this folder.",
    ),
    click.option("--stdin-name", default="-", metavar="NAME", help="Page id for standard input."),
    click.option(
        "--max-page-mb",
        type=MEGABYTES,
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
        help="Workers that read, split and sketch; results do not depend on it.",
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


@click.command(cls=SettingsCommand, epilog=EPILOG)
@with_options(*OPTIONS, KEEP_OPTION, EXPIRE_OPTION)
def check(**options: Any) -> int:
    """Find repeated blocks in pages, and remember them.

    PATH is a file, a folder (at any depth, hidden files left out), a glob, a URL (s3://, https://)
    or - for standard input. Read are pages (.txt .md .html .htm .xhtml) and files of many pages
    (.jsonl .ndjson .json .csv .tsv .parquet .warc .wet .arc), any of them packed (.gz .bz2 .xz
    .zst). A file that you name yourself is read whatever it is called. What comes first is the
    original, what is like it afterwards the repeat.
    """
    return run(**options, look_only=False)


@click.command(cls=SettingsCommand, epilog=EPILOG)
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
    baseline: str | None,
    write_unique: str | None,
    stdin_name: str,
    max_page_mb: float,
    jobs: int,
    quiet: bool,
    look_only: bool,
    keep: str | None = None,
    expire_after: float | None = None,
    **more_options: Any,
) -> int:
    """Judge pages, report, and return the exit status.

    The rest of the options are those of reports, of inputs and of gates.
    """
    from dedup.cli import console  # noqa: PLC0415 - late, for a quick --help
    from dedup.cli.unique import UniqueTexts  # noqa: PLC0415
    from dedup.index import for_lookups  # noqa: PLC0415
    from dedup.inputs import UnreadPage, find  # noqa: PLC0415
    from dedup.judging import cores, judge  # noqa: PLC0415
    from dedup.reports import Result  # noqa: PLC0415
    from dedup.reports.baseline import Baseline  # noqa: PLC0415

    choices = Choices.of(more_options)
    wanted = replace(
        choices.wanted, unique_text=write_unique is not None, times_before=int(time.time())
    )
    reading, gate_options = reading_options(more_options)
    gate = Gate.of(**gate_options)
    update_baseline = gate_options["update_baseline"]
    if update_baseline and baseline is None:
        raise click.UsageError("--update-baseline needs --baseline FILE, which it writes")
    known = Baseline(baseline, create=update_baseline) if baseline else None
    with ExitStack() as stack:
        result = stack.enter_context(Result(wanted))
        reports = stack.enter_context(Reports(choices, paths))
        inputs = find(
            paths,
            stdin_name=stdin_name,
            exclude=reports.places,
            max_bytes=int(max_page_mb * 1e6),
            **reading,
        )
        choices.refuse(inputs.paths)  # those of globs and lists
        deduper = stack.enter_context(
            open_deduper(
                for_lookups(index) if look_only else index,
                namespace,
                threshold=threshold,
                min_words=min_words,
                keep=keep,
                expire_after=expire_after,
            )
        )
        unique = UniqueTexts(write_unique, inputs.paths) if write_unique else None
        # Lines that stream to the same terminal would be torn by a progress line.
        shown = not quiet and not reports.streams
        progress = console.Progress(
            shown=shown,
            rewritten=console.is_terminal(sys.stderr),
            size=inputs.size if shown else None,
            position=lambda: inputs.position,
        )
        stack.callback(progress.clear)
        with console.Interruption() as interruption, suppress(KeyboardInterrupt):
            items = progress.reading(interruption.ending(inputs.items()))
            for item, found in judge(
                deduper, items, jobs=jobs or cores(), wanted=wanted, look_only=look_only
            ):
                if unique is not None and found.unique_text is not None:
                    unique.write(found.page, found.unique_text)
                if known is not None:
                    found = known.without_known(found)  # noqa: PLW2901 - the rest is not told
                result.add(found, None if isinstance(item, UnreadPage) else item)
                reports.page(found)
                progress.judged(found)
        result.interrupted = interruption.happened
        result.known = known.left_out if known else None
        progress.clear()
        reports.finish(result)
        if known is not None and update_baseline and not result.interrupted:
            known.write()
        return conclude(result, gate, quiet=quiet)


def open_deduper(index: str, namespace: str, **options: Any) -> Deduper:
    """A deduper with these options; those that are None are the index's own, or the defaults."""
    from dedup import Deduper  # noqa: PLC0415 - late, for a quick --help
    from dedup.index import stored_settings  # noqa: PLC0415

    stored = stored_settings(index, namespace)
    settings = stored.to_mapping() if stored else {}
    given = {name: value for name, value in options.items() if value is not None}
    return Deduper(index, namespace=namespace, **(settings | given))
