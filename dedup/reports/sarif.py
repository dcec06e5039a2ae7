"""The report for code scanning: SARIF 2.1.0 (OASIS), a result a repeat.

Results come by group, those first whose repeats hold the most text; each points to its original.
There are at most `RESULTS`, the most that GitHub takes of a run; what is left out is counted in a
notification. A page that could not be judged is a notification, too.

A fingerprint is made of the page's id and the block's words, and of a number where it has these
words several times, so that a result keeps its identity while blocks move about. Knows nothing of
files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any
from urllib.parse import quote

import xxhash

from dedup.findings import Findings
from dedup.normalise import normalise
from dedup.reports.columns import cut, printable
from dedup.reports.json import dump
from dedup.reports.model import Group, Member, Place
from dedup.reports.result import Result
from dedup.reports.text import QUOTE
from dedup.reports.wording import measure

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
RESULTS = 25_000
QUOTED = 160
"""Columns of a block's text that a message quotes."""

RULES = (
    (
        "exact",
        "warning",
        "ExactRepeat",
        "A block equals an earlier one but for case and punctuation",
    ),
    ("near", "note", "NearRepeat", "A block is an earlier one, reworded"),
    ("excerpt", "note", "Excerpt", "A block is part of an earlier, longer one"),
)
"""The kinds of repeat as rules: id, level, name, description."""

_NUMBER_OF = {rule[0]: number for number, rule in enumerate(RULES)}
_LEVEL_OF = {rule[0]: rule[1] for rule in RULES}


class SarifReport:
    """A SARIF log of one run, written when all is decided."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def page(self, found: Findings) -> None:
        """Nothing yet: groups come first that waste most."""

    def finish(self, result: Result) -> None:
        """Write the log."""
        self._write(
            b'{"version": "2.1.0", "$schema": %b, "runs": [{"tool": %b,\n'
            b' "columnKind": "unicodeCodePoints",\n "results": ['
            % (dump(SCHEMA), dump({"driver": _driver()}))
        )
        separator = b"\n  "
        for item in _results(result):
            self._write(separator + dump(item))
            separator = b",\n  "
        self._write(b'],\n "invocations": [' + dump(_invocation(result)) + b"]}]}\n")


def location_of(page: str) -> dict[str, str]:
    """A page's id as an artifact location: a URL as it is, a path relative to the sources."""
    if "://" in page:
        return {"uri": _quoted(page, "%#?[]@!$&'()*+,;=:/~")}
    if page.startswith("/"):
        return {"uri": f"file://{_quoted(page)}"}
    return {"uri": _quoted(page) or "-", "uriBaseId": "%SRCROOT%"}


def _quoted(text: str, safe: str = "/~@!$&'()*+,;=") -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe)


def _driver() -> dict[str, Any]:
    try:
        version = metadata.version("dedup")
    except metadata.PackageNotFoundError:
        version = "0"
    rules = [
        {
            "id": kind,
            "name": name,
            "shortDescription": {"text": description},
            "defaultConfiguration": {"level": level},
        }
        for kind, level, name, description in RULES
    ]
    return {"name": "dedup", "version": version, "rules": rules}


def _results(result: Result) -> Iterator[dict[str, Any]]:
    """The results, as many as there may be."""
    left = RESULTS
    for group in result.groups(left):
        page, on_page = -1, Counter[str]()
        for member in result.members(group, left):
            if member.number != page:
                page, on_page = member.number, Counter()
            text = result.text_of(member)
            words = xxhash.xxh3_64_hexdigest(
                f"{member.place.page}\0{normalise(text)}".encode("utf-8", "surrogatepass")
            )
            on_page[words] += 1
            yield _result(group, member, text, f"{words}:{on_page[words]}")
            left -= 1
        if not left:
            return


def _result(group: Group, member: Member, text: str, fingerprint: str) -> dict[str, Any]:
    original = group.original
    where = f"block {original.position}"
    if original.page != member.place.page:
        where += f" of {printable(original.page)}"
    title = {"exact": "Repeats", "near": "Rewords", "excerpt": "Is part of"}[member.kind]
    share = "" if member.kind == "exact" else f" ({measure(member)})"
    region = {
        "startLine": member.place.line,
        "charOffset": member.start,
        "charLength": member.end - member.start,
    }
    said = f"{title} [{_linked(where)}](1){share}: {_linked(cut(printable(text[:QUOTE]), QUOTED))}"
    return {
        "ruleId": member.kind,
        "ruleIndex": _NUMBER_OF[member.kind],
        "level": _LEVEL_OF[member.kind],
        "message": {"text": said},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": location_of(member.place.page),
                    "region": region,
                }
            }
        ],
        "relatedLocations": [{"id": 1, **_original(original)}],
        # The second name is the one that GitHub follows a result by.
        "partialFingerprints": {
            "dedupBlock/v1": fingerprint,
            "primaryLocationLineHash": fingerprint,
        },
        "properties": {
            "similarity": member.similarity,
            "containment": member.containment,
            "scope": member.scope,
            "position": member.place.position,
        },
    }


def _original(original: Place) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": location_of(original.page)}
    if original.line is not None:
        place["region"] = {"startLine": original.line}
    return {
        "physicalLocation": place,
        "message": {"text": f"The original, block {original.position}"},
    }


def _linked(text: str) -> str:
    """Text that makes no link of its own in a message (SARIF 2.1.0, 3.11.6)."""
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")


def _invocation(result: Result) -> dict[str, Any]:
    """What went wrong, and what was left out."""
    summary = result.summary()
    notes = [
        {
            "level": "error",
            "message": {"text": bad.error},
            "locations": [{"physicalLocation": {"artifactLocation": location_of(bad.page)}}],
        }
        for _, bad in zip(range(RESULTS), result.errors(), strict=False)
    ]
    if summary.repeats > RESULTS:
        said = (
            f"{summary.repeats - RESULTS:,} more repeats are left out: code scanning takes"
            f" {RESULTS:,} results a run. Those that are here hold the most text;"
            " --format jsonl has all."
        )
        notes.append({"level": "warning", "message": {"text": said}})
    if result.interrupted:
        said = "The run was stopped: what is here was decided before."
        notes.append({"level": "warning", "message": {"text": said}})
    return {
        "executionSuccessful": not (summary.errors or result.interrupted),
        "toolExecutionNotifications": notes,
    }
