"""What the HTML report shows, as columns and packed texts: small, and quick to open.

Groups, their repeats, pages and sites are columns of numbers that point to one another by row. The
texts, of which most come many times, stand once each in a table of strings; that and the blocks of
each page are packed in chunks (JSON, gzip, base64), which the page unpacks when it shows them.

Budgets keep the file small whatever the run: what holds most repeated text comes first, and what is
left out is counted, so that the page can say so. Memory is bounded by the budgets. Knows nothing of
how it is shown.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from itertools import islice
from typing import Any

import numpy as np
import xxhash

from dedup.page_object import time_told
from dedup.reports.json import dump
from dedup.reports.model import Group, Mark, Member, Totals
from dedup.reports.result import Result
from dedup.reports.wording import choice

KINDS = {"exact": 0, "near": 1, "excerpt": 2, "extension": 3}
SCOPES = {"page": 0, "site": 1, "other": 2}
"""Their numbers in the columns."""

CHUNK = 400_000
"""Characters of a chunk before it is packed."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How much the report holds at most.

    Attributes:
        groups: groups.
        members: repeats of all groups.
        group_members: repeats of one group.
        pages: pages in the list of pages.
        sites: sites.
        errors: pages that could not be judged.
        text: characters of one block.
        page_bytes: bytes of packed texts, after which no more pages get a view of their own.
        text_bytes: bytes of packed texts, after which further texts are left out.
    """

    groups: int = 50_000
    members: int = 200_000
    group_members: int = 1_000
    pages: int = 50_000
    sites: int = 2_000
    errors: int = 1_000
    text: int = 20_000
    page_bytes: int = 18_000_000
    text_bytes: int = 30_000_000


BUDGET = Budget()
LEFT_OUT = -1
"""A row or a text that is not in the report."""

Write = Callable[[str, bytes], object]
"""Takes a chunk: its id, and its content in base64."""


def write_data(result: Result, write: Write, budget: Budget = BUDGET) -> None:
    """Write the chunks: `s0`, `s1`, ... (strings), `p0`, ... (pages), and last `core`."""
    strings = _Strings(write, budget)
    pages = _Pages()
    sites = list(result.sites(budget.sites))
    pages.site_of = {site.name: row for row, site in enumerate(sites)}
    for totals in result.pages(budget.pages):
        pages.add(totals)
    groups, members = _groups(result, pages, strings, budget)
    searched = strings.count
    ranks = {number: rank for rank, number in enumerate(groups.columns.pop("number"))}
    views = _write_pages(result, pages, members, ranks, strings, write, budget)
    strings.close()
    summary = result.summary()
    core = {
        "summary": asdict(summary),
        "wasted": result.wasted_by_kind(),
        "choice": choice(result.wanted),
        "interrupted": result.interrupted,
        "folder": result.folder,
        "only": result.only_page,
        "groups": groups.columns,
        "members": members.columns,
        "pages": pages.columns,
        "sites": _columns(sites),
        "errors": [
            [bad.page, bad.error]
            for _, bad in zip(range(budget.errors), result.errors(), strict=False)
        ],
        # Of all, whatever the budgets left out.
        "all": {
            "groups": result.group_count(),
            "sites": result.site_count(),
            "pages": summary.pages - summary.errors,
            "extensions": result.extension_count(),
        },
        "strings": strings.firsts,
        "searched": searched,
        "listed": pages.listed,
        "views": views,
        "cut": strings.cut,
        "lost": strings.lost,
    }
    write("core", _packed(core))


def _packed(value: object) -> bytes:
    return base64.b64encode(gzip.compress(dump(value), 6, mtime=0))


class _Table:
    """Columns of equal length."""

    def __init__(self, *names: str) -> None:
        self.columns: dict[str, list[Any]] = {name: [] for name in names}

    def add(self, *row: object) -> None:
        for column, value in zip(self.columns.values(), row, strict=True):
            column.append(value)


class _Strings:
    """The table of strings: each text once, in chunks that are written when they are full."""

    def __init__(self, write: Write, budget: Budget) -> None:
        self._write = write
        self._budget = budget
        self._known: dict[bytes, int] = {}
        self._chunk: list[str] = []
        self._size = 0
        self.firsts: list[int] = []
        self.count = self.bytes = self.cut = self.lost = 0

    def add(self, text: str) -> int:
        """The row of a text; `LEFT_OUT` once the budget is spent."""
        # Not the text: its hash, since there may be many.
        key = xxhash.xxh3_128_digest(text.encode("utf-8", "surrogatepass"))
        row = self._known.get(key)
        if row is not None:
            return row
        if self.bytes >= self._budget.text_bytes:
            self.lost += 1
            return LEFT_OUT
        more = len(text) - self._budget.text
        if more > 0:
            self.cut += 1
            text = f"{text[: self._budget.text]} … ({more:,} more characters)"
        if not self._chunk:
            self.firsts.append(self.count)
        self._known[key] = row = self.count
        self._chunk.append(text)
        self._size += len(text)
        self.count += 1
        if self._size >= CHUNK:
            self.close()
        return row

    def close(self) -> None:
        """Write what is not written yet."""
        if self._chunk:
            content = _packed(self._chunk)
            self._write(f"s{len(self.firsts) - 1}", content)
            self.bytes += len(content)
            self._chunk, self._size = [], 0


class _Pages:
    """The rows of pages: those that were listed, and any other that something points to."""

    def __init__(self) -> None:
        self._table = _Table("name", "number", "site", "blocks", "repeats", "characters", "wasted")
        self.columns = self._table.columns
        self._rows: dict[int | str, int] = {}
        self.site_of: dict[str | None, int] = {}
        self.listed = 0

    def add(self, totals: Totals) -> None:
        """Take a page of this run, with its totals."""
        name = totals.name or ""
        self._rows[totals.number] = self.listed
        self.listed += 1
        site = self.site_of.get(totals.site, LEFT_OUT)
        counts = (totals.blocks, totals.repeats, totals.characters, totals.wasted)
        self._table.add(name, totals.number, site, *counts)

    def row(self, name: str, number: int | None) -> int:
        """The row of a page, by its number in this run, or by its name where it has none."""
        key = name if number is None else number
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = len(self._rows)
            self._table.add(name, LEFT_OUT if number is None else number, LEFT_OUT, *[0] * 4)
        return row


def _groups(
    result: Result, pages: _Pages, strings: _Strings, budget: Budget
) -> tuple[_Table, _Table]:
    """The groups, and the repeats of all of them, one group after another."""
    groups = _Table(
        *("text", "page", "position", "line", "repeats", "pages", "wasted", "seen", "first"),
        *("members", "number"),
    )
    members = _Table("page", "position", "line", "kind", "scope", "share", "text")
    left = budget.members
    for group, found in result.groups_with_members(budget.groups):
        if left <= 0:
            break
        first = len(members.columns["page"])
        for member in islice(found, min(left, budget.group_members)):
            left -= 1
            members.add(*_member_row(member, pages))
        text = LEFT_OUT if group.text is None else strings.add(group.text)
        groups.add(*_group_row(group, pages, text), first, group.number)
    return groups, members


def _group_row(group: Group, pages: _Pages, text: int) -> tuple[object, ...]:
    original = group.original
    page = pages.row(original.page, group.original_number)
    counts = (group.repeats, group.pages, group.wasted, group.seen)
    first_seen = time_told(group.first_seen)
    return (text, page, original.position, original.line or 0, *counts, first_seen)


def _member_row(member: Member, pages: _Pages) -> tuple[object, ...]:
    place = member.place
    return (
        *(pages.row(place.page, member.number), place.position, place.line or 0),
        *(KINDS[member.kind], SCOPES[member.scope], _share(member), LEFT_OUT),
    )


def _share(repeat: Member | Mark) -> int:
    """How much a repeat is like its original (an excerpt: lies in it), in thousandths."""
    share = repeat.containment if repeat.kind == "excerpt" else repeat.similarity
    return int(share * 1000 + 1e-9)


def _write_pages(
    result: Result,
    pages: _Pages,
    members: _Table,
    ranks: dict[int, int],
    strings: _Strings,
    write: Write,
    budget: Budget,
) -> list[int]:
    """Write the pages' blocks, and put the rows of their texts into the repeats.

    Returns:
        The first page of each chunk, and the page after the last.
    """
    texts_of = members.columns["text"]
    at_page = np.array(members.columns["page"], dtype=np.int64)
    order = np.argsort(at_page, kind="stable")
    bounds = np.searchsorted(at_page[order], np.arange(len(pages.columns["name"]) + 1)).tolist()
    positions, ordered = members.columns["position"], order.tolist()
    firsts: list[int] = []
    chunk: list[Any] = []
    size = shown = 0
    for row, number in enumerate(list(pages.columns["number"])):
        here = ordered[bounds[row] : bounds[row + 1]]
        has_view = row == shown and row < pages.listed and strings.bytes < budget.page_bytes
        if number < 0 or not (here or has_view):
            continue
        texts = result.texts(number)
        if has_view:
            if not chunk:
                firsts.append(row)
            rows = [strings.add(text) for text in texts]
            marks = [_mark(mark, pages, ranks) for mark in result.marks(number)]
            chunk.append([rows, marks])
            size += 8 * len(rows) + 24 * len(marks)
            shown += 1
            if size >= CHUNK:
                write(f"p{len(firsts) - 1}", _packed(chunk))
                chunk, size = [], 0
        for member in here:
            texts_of[member] = strings.add(texts[positions[member]])
    if chunk:
        write(f"p{len(firsts) - 1}", _packed(chunk))
    return [*firsts, shown]


def _mark(mark: Mark, pages: _Pages, ranks: dict[int, int]) -> list[int]:
    page = pages.row(mark.original, mark.original_number)
    rank = LEFT_OUT if mark.group is None else ranks.get(mark.group, LEFT_OUT)
    kind = KINDS[mark.kind]
    return [mark.position, kind, _share(mark), page, mark.original_position, rank]


def _columns(rows: list[Totals]) -> dict[str, list[Any]]:
    names = [field.name for field in fields(Totals)]
    return {name: [getattr(row, name) for row in rows] for name in names}
