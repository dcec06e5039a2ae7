"""The report for spreadsheets: RFC 4180, a row a repeat.

The columns are the keys of a repeat in the JSON report, those of its original with `original_` put
before. A page that could not be judged has a row of kind `error`, whose text says why, so that
nobody who looks here alone takes it for a page without repeats. Rows are written as pages are
decided.

The texts are other people's, and a spreadsheet runs a cell that begins with `=`, `+`, `-` or `@`
as a formula: such a cell gets an apostrophe before it. Who needs every text to the letter reads
JSON Lines. Knows nothing of files.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from io import StringIO

from dedup.findings import Finding, Findings
from dedup.page_object import time_told
from dedup.reports.result import Result

COLUMNS = (
    *("page", "site", "position", "start", "end", "line", "path"),
    *("kind", "similarity", "containment", "verified", "scope", "text"),
    *("original_page", "original_position", "original_seen", "original_pages"),
    *("original_first_seen", "original_last_seen"),
)

_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠].", re.DOTALL)  # noqa: RUF001 - spreadsheets take wide signs, too


class CsvReport:
    """A row a repeat."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._started = False

    def page(self, found: Findings) -> None:
        """Write what was found on a page."""
        self._start()
        if found.error is not None:
            row = dict.fromkeys(COLUMNS, "")
            row.update(page=found.page, site=found.site or "", kind="error", text=found.error or "")
            self._write(_rows([row.values()]))
        elif found.repeats:
            site = found.site or ""
            self._write(_rows(_row(found.page, site, finding) for finding in found.repeats))

    def finish(self, _result: Result) -> None:
        """All is written."""
        self._start()

    def _start(self) -> None:
        if not self._started:
            self._started = True
            self._write(_rows([COLUMNS]))


def _row(page: str, site: str, finding: Finding) -> tuple[object, ...]:
    return (
        *(page, site, finding.position, finding.start, finding.end, finding.line),
        *(finding.path or "", finding.kind, finding.similarity, finding.containment),
        *(str(finding.verified).lower(), finding.scope, finding.text),
        *(finding.page, finding.original_position, finding.seen, finding.pages),
        *(time_told(finding.first_seen) or "", time_told(finding.last_seen) or ""),
    )


def _rows(rows: Iterable[Iterable[object]]) -> bytes:
    buffer = StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows([*map(_safe, row)] for row in rows)
    return buffer.getvalue().encode("utf-8", "backslashreplace")


def _safe(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell
