"""The reports of `check` and `lookup`: which formats there are, what is told, where it goes.

A table says what each format is; the options ask for any number of reports, each to a place of its
own. All are written in one pass, and each is there whole or not at all.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

import click

from dedup.cli.options import Decorator
from dedup.cli.values import FILE, FormatFile, Number

if TYPE_CHECKING:
    from types import TracebackType

    from dedup.cli.output import Output
    from dedup.findings import Findings, Wanted
    from dedup.reports import Look, Result

STDOUT = "-"


class Report(Protocol):
    """What every format can do."""

    def page(self, found: Findings) -> None:
        """Take what was found on a page, when it is decided."""

    def finish(self, result: Result) -> None:
        """Write the rest."""


class Format(NamedTuple):
    """A format of reports.

    Attributes:
        home: `module:class`, imported when it is asked for, for a quick --help.
        suffixes: those of its files; the first is the usual one.
        is_text: made of text for people, in the encoding and with the look of where it goes;
            otherwise of bytes.
        streams: pages are written as they are decided.
    """

    home: str
    suffixes: tuple[str, ...]
    is_text: bool = False
    streams: bool = False

    def open(self, output: Output, look: Look) -> Report:
        """A report of this format."""
        module, _, name = self.home.partition(":")
        make: Any = getattr(import_module(module), name)
        report: Report = make(output.write_text, look) if self.is_text else make(output.write)
        return report


FORMATS: dict[str, Format] = {
    "text": Format("dedup.reports.text:TextReport", (".txt",), is_text=True),
    "json": Format("dedup.reports.json:JsonReport", (".json",), streams=True),
    "jsonl": Format("dedup.reports.json:JsonLinesReport", (".jsonl", ".ndjson"), streams=True),
    "csv": Format("dedup.reports.csv:CsvReport", (".csv",), streams=True),
    "markdown": Format("dedup.reports.markdown:MarkdownReport", (".md",), is_text=True),
    "sarif": Format("dedup.reports.sarif:SarifReport", (".sarif",)),
    "html": Format("dedup.reports.html:HtmlReport", (".html", ".htm")),
}


class Target(NamedTuple):
    """A report that is asked for: its format's name, where it goes, and the option that says so."""

    name: str
    path: str
    option: str


def report_to(text: str) -> Target:
    """The report that `FORMAT=FILE` asks for, or a FILE whose suffix says the format."""
    name, equals, path = text.partition("=")
    if not equals:
        name, path = format_of(text) or "", text
    if name not in FORMATS or not path:
        raise click.BadParameter(f"{text!r}: write FORMAT=FILE, with one of {', '.join(FORMATS)}")
    if path == STDOUT:
        raise click.BadParameter(f"{text!r}: name a file; stdout is for --format")
    return Target(name, path, "--report")


REPORT_OPTIONS: tuple[Decorator, ...] = (
    click.option(
        "--format",
        "report_format",
        type=click.Choice(list(FORMATS)),
        show_default="what the suffix of -o says, or text",
        help="Report for people (text, markdown, html) or for programs.",
    ),
    click.option(
        "-o", "--output", type=FILE, default="-", metavar="FILE", help="Write the report to a file."
    ),
    click.option(
        "--report",
        "reports",
        type=FormatFile(report_to),
        metavar="FORMAT=FILE",
        multiple=True,
        help="Write one more report to a file, in the format that its suffix or FORMAT= says. May"
        " be given several times.",
    ),
    click.option(
        "--top",
        type=click.IntRange(min=0),
        default=20,
        show_default=True,
        help="Groups, pages or sites in text and markdown; 0: all, and all their repeats.",
    ),
    click.option(
        "--group-by",
        type=click.Choice(["group", "page", "site"]),
        default="group",
        show_default=True,
        help="What text and markdown list: blocks that repeat, or the pages or sites that repeat"
        " most.",
    ),
    click.option(
        "--kind",
        "kinds",
        type=click.Choice(["exact", "near", "excerpt"]),
        multiple=True,
        help="Count and tell repeats of this kind alone. May be given several times.",
    ),
    click.option(
        "--scope",
        "scopes",
        type=click.Choice(["page", "site", "other"]),
        multiple=True,
        help="Only repeats whose original stands on the same page, the same site, elsewhere. May be"
        " given several times.",
    ),
    click.option(
        "--min-similarity",
        type=Number(0, 1),
        default=0.0,
        show_default="all repeats",
        help="Only repeats at least so similar, 0 to 1 (excerpts: contained to such a share).",
    ),
)
"""Which reports are written, and what they tell. Other repeats do not count for the exit status."""


def format_of(path: str) -> str | None:
    """The format whose files have this suffix."""
    suffix = PurePath(path).suffix.lower()
    return next((name for name, known in FORMATS.items() if suffix in known.suffixes), None)


class Choices(NamedTuple):
    """What `REPORT_OPTIONS` say."""

    report_format: str | None
    output: str
    reports: tuple[Target, ...]
    top: int
    group_by: Any
    kinds: tuple[Any, ...]
    scopes: tuple[Any, ...]
    min_similarity: float

    @classmethod
    def of(cls, options: dict[str, Any]) -> Choices:
        """Take them out of a command's options."""
        return cls(**{name: options.pop(name) for name in cls._fields})

    @property
    def targets(self) -> list[Target]:
        """The reports that are asked for; that of `--format` and `-o` first.

        Raises:
            click.ClickException: two of them go to one file.
        """
        main = self.report_format or format_of(self.output) or "text"
        targets = [Target(main, self.output, "-o"), *self.reports]
        taken: dict[str, Target] = {}
        for target in targets:
            place = STDOUT if target.path == STDOUT else os.path.realpath(target.path)
            other = taken.setdefault(place, target)
            if other is not target:
                raise click.ClickException(
                    f"{target.option} {target.path!r}: the {other.name} report goes there, too;"
                    " choose another file for one of them"
                )
        return targets

    @property
    def wanted(self) -> Wanted:
        """Which repeats are told of."""
        from dedup.findings import Wanted  # noqa: PLC0415 - late, for a quick --help

        return Wanted(frozenset(self.kinds), frozenset(self.scopes), self.min_similarity)

    def refuse(self, inputs: tuple[str, ...]) -> None:
        """Refuse to write a report over a page that is to be read.

        Raises:
            click.ClickException: one of the reports would replace a page.
        """
        from dedup.cli.output import refuse_inputs  # noqa: PLC0415 - late, for a quick --help

        for target in self.targets:
            refuse_inputs(target.path, inputs, target.option)


class Reports:
    """All reports of a run.

    Attributes:
        places: where they go, as `inputs.find` takes them: never pages.
        on_terminal: one of them goes to a terminal.
        streams: and does so while pages are decided.
    """

    def __init__(self, choices: Choices, inputs: tuple[str, ...]) -> None:
        """Open them.

        Raises:
            click.ClickException: one of them cannot be written, or would replace a page.
        """
        from dedup.cli import console  # noqa: PLC0415 - late, for a quick --help
        from dedup.cli.output import Output  # noqa: PLC0415
        from dedup.reports import Look  # noqa: PLC0415

        targets = choices.targets
        choices.refuse(inputs)
        self.places: list[str | int] = []
        self._outputs: list[Output] = []
        self._reports: list[Report] = []
        with ExitStack() as stack:
            for target in targets:
                output = stack.enter_context(Output(target.path, target.option))
                colour = output.to_stdout and console.has_colour(sys.stdout)
                look = Look(console.width(), colour, choices.top, choices.group_by)
                self._outputs.append(output)
                self._reports.append(FORMATS[target.name].open(output, look))
                self.places += output.places
            self._stack = stack.pop_all()
        self.on_terminal = self._outputs[0].to_stdout and console.is_terminal(sys.stdout)
        self.streams = self.on_terminal and FORMATS[targets[0].name].streams

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drop what was not committed."""
        self._stack.__exit__(kind, error, trace)

    def page(self, found: Findings) -> None:
        """Tell each of them what was found on a page."""
        for report in self._reports:
            report.page(found)

    def finish(self, result: Result) -> None:
        """Write them to their end, and put them in their places once all are whole."""
        for report in self._reports:
            report.finish(result)
        for output in self._outputs:
            output.commit()
