"""What a run may find before it fails: options, and the exit status that follows from a result.

Knows nothing of how findings are made or shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from dedup.cli.options import ERROR, INTERRUPTED

if TYPE_CHECKING:
    from dedup.reports import Result
    from dedup.reports.model import Summary

FOUND = 1


def share(text: str) -> float:
    """A share as it is written on a command line: `0.25` or `25%`; 0 to 1."""
    number = text.strip()
    try:
        value = float(number.removesuffix("%")) / (100 if number.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise click.BadParameter(f"{text!r}: give a share of the text from 0 to 1, or 0% to 100%")
    return value


GATE_OPTIONS = (
    click.option(
        "--max-repeats",
        type=click.IntRange(min=0),
        default=None,
        metavar="N",
        show_default="0, or any number with --max-repeated-share",
        help="Repeats allowed before the exit status is 1.",
    ),
    click.option(
        "--max-repeated-share",
        type=share,
        default=None,
        metavar="SHARE",
        help="Share of the text allowed in repeats before the exit status is 1: 0.1, or 10%.",
    ),
    click.option(
        "--baseline",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="Tell only of repeats that are not in this file: texts known to repeat.",
    ),
    click.option(
        "--update-baseline",
        is_flag=True,
        help="Write all repeats of this run to the --baseline file, and exit 0 whatever repeats.",
    ),
    click.option(
        "--fail-on-empty", is_flag=True, help="No block that could be judged is an error (2)."
    ),
    click.option("--exit-zero", is_flag=True, help="Exit 0 whatever repeats; errors still exit 2."),
)
"""Options of `check` and `lookup` that decide about the exit status."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What may be found before a run fails.

    Attributes:
        repeats: this many repeats at most; None: any number.
        share: this share of the text in repeats at most; None: any.
        empty: there may be nothing to judge.
    """

    repeats: int | None = 0
    share: float | None = None
    empty: bool = True

    @classmethod
    def of(
        cls,
        *,
        max_repeats: int | None,
        max_repeated_share: float | None,
        update_baseline: bool,
        fail_on_empty: bool,
        exit_zero: bool,
    ) -> Gate:
        """The gate that the options ask for."""
        if exit_zero or update_baseline:
            return cls(None, None, not fail_on_empty)
        if max_repeats is None and max_repeated_share is None:
            max_repeats = 0
        return cls(max_repeats, max_repeated_share, not fail_on_empty)

    def lets_pass(self, summary: Summary) -> bool:
        """Whether no more was found than may be."""
        within = self.repeats is None or summary.repeats <= self.repeats
        return within and (self.share is None or summary.repeated_share <= self.share)


def conclude(result: Result, gate: Gate, *, quiet: bool) -> int:
    """Say on stderr what went wrong, and return the exit status.

    Args:
        result: what was found.
        gate: what may be found.
        quiet: no warnings.
    """
    from dedup.cli.console import say  # noqa: PLC0415 - late, for a quick --help

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
    if not gate.empty and summary.blocks == summary.skipped:
        say(
            "error",
            f"nothing to judge: {summary.blocks:,} blocks on {summary.pages:,} pages, all too short"
            " (--min-words); check the paths, or leave out --fail-on-empty",
        )
        return ERROR
    return 0 if gate.lets_pass(summary) else FOUND
