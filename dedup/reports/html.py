"""The report as one HTML file: to look at, to search, to send to a colleague.

The file loads nothing: its content security policy allows its own style and script, by their
hashes, and nothing else. What pages hold is data, in base64 and never markup; the few words that
stand in the markup itself are escaped. The parts are in `assets/`; `html_data` packs the data.
Knows nothing of files.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from html import escape

from dedup.findings import Findings
from dedup.reports.html_assets import SHARED, asset, bundle, filled
from dedup.reports.html_data import BUDGET, Budget, write_data
from dedup.reports.result import Result
from dedup.reports.wording import details, headline

SCRIPTS = (
    *SHARED,
    *("data.js", "ahead.js", "overview.js", "groups.js", "group.js", "pages.js", "page.js"),
    "app.js",
)
"""The script, in the order of its parts."""


class HtmlReport:
    """One HTML file, written when all is decided."""

    def __init__(self, write: Callable[[bytes], object], budget: Budget = BUDGET) -> None:
        self._write = write
        self._budget = budget

    def page(self, found: Findings) -> None:
        """Nothing yet: the totals come first."""

    def finish(self, result: Result) -> None:
        """Write the page."""
        summary = result.summary()
        said = headline(summary).removeprefix("dedup: ")
        style, script = asset("report.css"), bundle(map(asset, SCRIPTS))
        values = {
            "policy": (
                f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)};"
                " base-uri 'none'; form-action 'none'"
            ),
            "title": escape(f"dedup: {said}"),
            "headline": escape(said[:1].upper() + said[1:]),
            "details": escape(details(result, summary)),
            "style": style,
        }
        head, _, foot = asset("report.html").partition("{{data}}")
        self._write(filled(head, values))
        write_data(result, self._write_chunk, self._budget)
        self._write(filled(foot, {"script": script}))

    def _write_chunk(self, name: str, content: bytes) -> None:
        self._write(b'<script type="text/plain" id="%b">' % name.encode())
        self._write(content)
        self._write(b"</script>\n")


def _source(content: str) -> str:
    """What a content security policy calls this inline content."""
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
