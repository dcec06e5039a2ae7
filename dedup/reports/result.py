"""The findings of a run brought together: totals, groups, pages, sites.

One `Result` takes findings as they come and serves any number of reports. What it takes goes into a
database of its own (`result.sql`), which SQLite keeps in a temporary file without a name once it is
large, so memory does not grow with the run but for page ids. What a report asks for is read back
piece by piece. Knows nothing of formats, of the files of reports or of terminals.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.resources import files
from itertools import groupby
from operator import itemgetter
from types import TracebackType
from typing import Any, Self

import numpy as np

from dedup.findings import EVERYTHING, Finding, Findings, PackedTexts, Wanted
from dedup.inputs import PageFile
from dedup.model import Kind, Page
from dedup.reports.at_hand import PagesAtHand
from dedup.reports.model import (
    BadPage,
    Extension,
    Group,
    Mark,
    Member,
    Place,
    Repeated,
    Repetition,
    Share,
    Summary,
    Totals,
)

SINGLY = 1000
"""Groups whose texts are looked up one by one; those of more are looked up page by page."""

CACHE_KB = 64000
"""Memory of the database, beyond which it is in a file."""

_MEMBERS = (
    "SELECT names.name, position, line, page, start, end, path, hidden, kind, similarity,"
    " containment, verified, scope, members.characters, original, original_position"
    " FROM members JOIN pages ON pages.number = page JOIN names ON names.number = pages.name "
)
_PAGE = "pages.number, 1, blocks, skipped, repeats, characters, wasted"
_SITE = (
    "min(number), count(*), sum(blocks), sum(skipped), sum(repeats), sum(characters) AS characters,"
    " sum(wasted) AS wasted"
)


class Result:
    """The findings of a run, brought together.

    Attributes:
        only_page: the page, where there is but one.
        folder: what all page ids have in common, in whole parts between slashes.
        interrupted: the run was stopped; what is here was decided before.
        known: repeats left out since they are known (`baseline.py`); None: nothing is.
        wanted: which repeats the findings tell of.
    """

    def __init__(self, wanted: Wanted = EVERYTHING) -> None:
        self.wanted = wanted
        self.interrupted = False
        self.known: int | None = None
        self.only_page: str | None = None
        self.folder = ""
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        # Nothing of this is to outlive the process, so nothing need be safe on disk, or committed.
        self._database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        self._database.execute(f"PRAGMA cache_size = -{CACHE_KB}")
        self._run("result.sql")
        self._names: dict[str, int] = {}
        self._page_ids: list[str] = []
        self._errors = 0
        self._at_hand = PagesAtHand()
        self._grouped = False
        self._page_texts = lru_cache(maxsize=64)(self.texts)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Let go of the database."""
        self.close()

    def close(self) -> None:
        """Let go of the database; nothing may be asked afterwards."""
        self._database.close()

    def add(self, found: Findings, page: Page | PageFile | None = None) -> None:
        """Take what was found on one more page.

        Args:
            found: the findings.
            page: the page itself, where it is at hand: a line may be asked for later.
        """
        number = len(self._page_ids)
        self._page_ids.append(found.page)
        self.only_page = found.page if number == 0 else None
        own_folder = found.page[: found.page.rfind("/") + 1]
        self.folder = own_folder if number == 0 else _shared(self.folder, own_folder)
        self._errors += found.error is not None
        wasted = [len(finding.text) for finding in found.repeats]
        self._database.execute(
            "INSERT INTO pages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(number, self._name(found.page), _pack(found.site), _pack(found.error)),
                *(found.blocks, found.skipped, len(wasted), found.characters, sum(wasted)),
                *(found.texts.content, found.texts.lengths, found.lines.tobytes()),
            ),
        )
        if page is not None and found.blocks and not len(found.lines):
            self._at_hand.add(number, page)
        if members := found.repeats + found.extensions:
            self._grouped = False
            self._database.executemany(
                f"INSERT INTO members VALUES (NULL{', ?' * 17})",
                (self._member_row(number, finding) for finding in members),
            )
            for finding in members:
                if finding.original_text is not None:
                    self._database.execute(
                        "INSERT OR REPLACE INTO told VALUES (?, ?, ?)",
                        (
                            self._name(finding.page),
                            finding.original_position,
                            _pack(finding.original_text),
                        ),
                    )

    def summary(self) -> Summary:
        """The totals so far."""
        blocks, skipped, characters, wasted = self._database.execute(
            "SELECT total(blocks), total(skipped), total(characters), total(wasted) FROM pages"
        ).fetchone()
        kinds = dict(self._database.execute("SELECT kind, count(*) FROM members GROUP BY kind"))
        return Summary(
            pages=len(self._page_ids),
            blocks=int(blocks),
            skipped=int(skipped),
            exact=kinds.get("exact", 0),
            near=kinds.get("near", 0),
            excerpt=kinds.get("excerpt", 0),
            repeated_share=round(wasted / characters, 4) if characters else 0.0,
            errors=self._errors,
        )

    def errors(self) -> Iterator[BadPage]:
        """The pages that could not be judged, in their order."""
        query = (
            "SELECT names.name, error FROM pages JOIN names ON names.number = pages.name"
            " WHERE error IS NOT NULL ORDER BY pages.number"
        )
        for name, error in self._database.execute(query):
            yield BadPage(_unpack(name), _unpack(error))

    def group_count(self) -> int:
        """How many groups there are."""
        self._group()
        return int(self._database.execute("SELECT count(*) FROM groups").fetchone()[0])

    def groups(self, limit: int | None = None) -> Iterator[Group]:
        """The groups, those first whose repeats hold the most text (then as they were found).

        Args:
            limit: so many at most; None: all.
        """
        self._group(texts=limit is None or limit > SINGLY)
        query = (
            "SELECT groups.number, name, position, text, exact, near, excerpt, pages, wasted,"
            " first_seen, seen, quoted, original FROM groups JOIN names ON names.number = original"
            " ORDER BY rank LIMIT ?"
        )
        for row in self._database.execute(query, (-1 if limit is None else limit,)):
            number, name, position, text, exact, near, excerpt, *rest = row
            pages, wasted, first_seen, seen, quoted, original = rest
            if text is None:
                text = self._quote(number, quoted, original, position)
            counts = {"exact": exact, "near": near, "excerpt": excerpt}
            yield Group(
                number=number,
                original=Place(_unpack(name), position, self._line(quoted, position)),
                text=None if text is None else _unpack(text),
                kinds={kind: count for kind, count in counts.items() if count},  # type: ignore[misc]
                pages=pages,
                wasted=wasted,
                first_seen=first_seen,
                seen=seen,
                original_number=quoted,
            )

    def members(self, group: Group, limit: int | None = None) -> Iterator[Member]:
        """The repeats of a group, in the order in which they were found; so many at most."""
        query = (
            f"{_MEMBERS} WHERE (original, original_position) ="
            " (SELECT original, position FROM groups WHERE number = ?)"
            " AND kind <> 'extension' ORDER BY members.number LIMIT ?"
        )
        for row in self._database.execute(query, (group.number, -1 if limit is None else limit)):
            yield _member(row)

    def members_of_page(self, number: int) -> Iterator[tuple[Member, Place]]:
        """The repeats and extensions on a page of this run, by position, with their originals."""
        self._group()
        query = f"{_MEMBERS} WHERE page = ? ORDER BY position"
        for row in self._database.execute(query, (number,)):
            yield _member(row), self._original(row)

    def groups_with_members(self, limit: int) -> Iterator[tuple[Group, Iterator[Member]]]:
        """The groups as `groups` gives them, each with its members: for many groups.

        A group's members are there until the next group is asked for.
        """
        columns = (
            "page, members.position, line, page, start, end, path, hidden, kind, similarity,"
            " containment, verified, scope, characters"
        )
        ids = self._page_ids
        found = self._members_by_rank(columns, limit)
        for group, rows in zip(self.groups(limit), found, strict=True):
            yield group, (_member((_pack(ids[page]), *row)) for _, page, *row in rows)

    def groups_with_repetitions(self) -> Iterator[tuple[Repeated, Iterator[Repetition]]]:
        """All groups and their members as `groups_with_members` gives them, but in short.

        A group's members are there until the next group is asked for.
        """
        ids = self._page_ids
        found = self._members_by_rank("page, members.position, kind, similarity")
        self._group(texts=True)
        groups = self._database.execute(
            "SELECT name, position, text FROM groups JOIN names ON names.number = original"
            " ORDER BY rank"
        )
        for (name, place, text), rows in zip(groups, found, strict=True):
            original = Repeated(_unpack(name), place, None if text is None else _unpack(text))
            yield (
                original,
                (
                    Repetition(ids[page], position, kind, similarity)
                    for _, page, position, kind, similarity in rows
                ),
            )

    def _members_by_rank(
        self, columns: str, limit: int | None = None
    ) -> Iterator[Iterator[tuple[Any, ...]]]:
        """The rank, and these columns, of the members of each group, groups in their order."""
        self._group()
        query = (
            f"SELECT rank, {columns} FROM groups"
            " JOIN members ON members.original = groups.original"
            " AND original_position = groups.position"
            " WHERE rank < ? AND kind <> 'extension' ORDER BY rank, members.number"
        )
        rows = self._database.execute(query, (self.group_count() if limit is None else limit,))
        for _, found in groupby(rows, key=itemgetter(0)):
            yield found

    def marks(self, page: int) -> list[Mark]:
        """The repeats and extensions on a page of this run, by position."""
        self._group()
        query = (
            "SELECT members.position, kind, similarity, containment, name, original_position,"
            " (SELECT max(number) FROM pages WHERE name = names.number AND number <= page),"
            " groups.number FROM members JOIN names ON names.number = members.original"
            " LEFT JOIN groups ON groups.original = members.original"
            " AND groups.position = original_position AND kind <> 'extension'"
            " WHERE page = ? ORDER BY members.position"
        )
        rows = self._database.execute(query, (page,))
        return [
            Mark(position, kind, similarity, containment, _unpack(name), original, number, group)
            for position, kind, similarity, containment, name, original, number, group in rows
        ]

    def wasted_by_kind(self) -> dict[Kind, int]:
        """The characters that stand in repeats of each kind."""
        query = "SELECT kind, sum(characters) FROM members WHERE kind <> 'extension' GROUP BY kind"
        return dict(self._database.execute(query))

    def repeated_on_site(self, site: str | None, limit: int) -> list[Share]:
        """What a site repeats: the groups that waste most there, and how much of each."""
        self._group()
        query = (
            "SELECT groups.number, quoted, groups.original, groups.position, count(*) AS repeats,"
            " count(DISTINCT page), sum(members.characters) AS wasted FROM pages"
            " JOIN members ON page = pages.number JOIN groups ON groups.original = members.original"
            " AND groups.position = original_position WHERE site IS ? AND kind <> 'extension'"
            " GROUP BY groups.number ORDER BY wasted DESC, groups.number LIMIT ?"
        )
        rows = self._database.execute(query, (_pack(site), limit)).fetchall()
        texts = (self._quote(*row[:4]) for row in rows)
        return [
            Share(None if text is None else _unpack(text), *row[4:])
            for text, row in zip(texts, rows, strict=True)
        ]

    def repeated_on_page(self, number: int, limit: int) -> list[Share]:
        """What a page of this run repeats: the pages whose originals waste most there."""
        self._group()
        query = (
            "SELECT name, count(*), 1, sum(characters) AS wasted FROM members"
            " JOIN names ON names.number = original WHERE page = ? AND kind <> 'extension'"
            " GROUP BY original ORDER BY wasted DESC, min(members.number) LIMIT ?"
        )
        rows = self._database.execute(query, (number, limit))
        return [Share(_unpack(name), *row) for name, *row in rows]

    def extensions(self, limit: int | None = None) -> Iterator[Extension]:
        """The blocks that contain an earlier, shorter original, in the order of the run."""
        query = f"{_MEMBERS} WHERE kind = 'extension' ORDER BY members.number LIMIT ?"
        for row in self._database.execute(query, (-1 if limit is None else limit,)):
            yield Extension(_member(row), self._original(row))

    def extension_count(self) -> int:
        """How many extensions there are."""
        query = "SELECT count(*) FROM members WHERE kind = 'extension'"
        return int(self._database.execute(query).fetchone()[0])

    def pages(self, limit: int | None = None) -> Iterator[Totals]:
        """The judged pages, those first whose repeats hold the most text; so many at most."""
        query = (
            f"SELECT names.name, {_PAGE}, site FROM pages JOIN names ON names.number = pages.name"
            " WHERE error IS NULL ORDER BY wasted DESC, pages.number LIMIT ?"
        )
        rows = self._database.execute(query, (-1 if limit is None else limit,))
        for name, *row, site in rows:
            number, pages, blocks, skipped, repeats, characters, wasted = row
            counts = (pages, blocks, skipped, repeats, characters, wasted)
            yield Totals(_unpack(name), number, *counts, None if site is None else _unpack(site))

    def site_count(self) -> int:
        """How many sites there are, pages without one counting as one more."""
        query = "SELECT count(*) FROM (SELECT 1 FROM pages WHERE error IS NULL GROUP BY site)"
        return int(self._database.execute(query).fetchone()[0])

    def sites(self, limit: int | None = None) -> Iterator[Totals]:
        """The sites of the judged pages, those first whose repeats hold the most text."""
        query = (
            f"SELECT site, {_SITE} FROM pages WHERE error IS NULL GROUP BY site"
            " ORDER BY wasted DESC, min(number) LIMIT ?"
        )
        for site, *row in self._database.execute(query, (-1 if limit is None else limit,)):
            name = None if site is None else _unpack(site)
            number, pages, blocks, skipped, repeats, characters, wasted = row
            yield Totals(name, number, pages, blocks, skipped, repeats, characters, wasted, name)

    def texts(self, number: int) -> list[str]:
        """The texts of all blocks of a page of this run, by its number."""
        query = "SELECT texts, lengths FROM pages WHERE number = ?"
        return PackedTexts(*self._database.execute(query, (number,)).fetchone()).unpack()

    def text_of(self, member: Member) -> str:
        """A member's text."""
        return self._page_texts(member.number)[member.place.position]

    def _run(self, script: str) -> None:
        """Run a script, and go on in one transaction: a commit looks at every page in memory."""
        self._database.executescript(_script(script))
        self._database.execute("BEGIN")

    def _name(self, name: str) -> int:
        number = self._names.get(name)
        if number is None:
            number = self._names[name] = len(self._names)
            self._database.execute("INSERT INTO names VALUES (?, ?)", (number, _pack(name)))
        return number

    def _member_row(self, page: int, found: Finding) -> tuple[Any, ...]:
        return (
            *(page, found.position, found.start, found.end, found.line, _pack(found.path)),
            # SQLite's driver takes a detour for what is a number only by its class.
            *(int(found.hidden), found.kind, found.similarity, found.containment),
            *(
                int(found.verified),
                found.scope,
                len(found.text),
                self._name(found.page),
                found.original_position,
            ),
            *(found.seen, found.first_seen),
        )

    def _group(self, *, texts: bool = False) -> None:
        """Make the groups, where members came since; with the texts of all of them."""
        if not self._grouped:
            self._run("groups.sql")
            self._grouped = True
        if texts:
            # Page by page, so that each page is unpacked once.
            query = "SELECT number, quoted, original, position FROM groups WHERE text IS NULL"
            rows = self._database.execute(f"{query} ORDER BY quoted, position").fetchall()
            self._database.executemany(
                "UPDATE groups SET text = ? WHERE number = ?",
                ((self._quote(*row), row[0]) for row in rows),
            )

    def _quote(self, group: int, quoted: int | None, original: int, position: int) -> bytes | None:
        """The text of a group's original: from its page, from the index, from an equal repeat."""
        if quoted is not None and position < len(texts := self._page_texts(quoted)):
            return _pack(texts[position])
        query = "SELECT text FROM told WHERE original = ? AND position = ?"
        if told := self._database.execute(query, (original, position)).fetchone():
            text: bytes = told[0]
            return text
        query = (
            "SELECT page, position FROM members WHERE kind = 'exact' AND (original,"
            " original_position) = (SELECT original, position FROM groups WHERE number = ?)"
            " ORDER BY number LIMIT 1"
        )
        if equal := self._database.execute(query, (group,)).fetchone():
            return _pack(self._page_texts(equal[0])[equal[1]])
        return None

    def _original(self, row: tuple[Any, ...]) -> Place:
        """Where the original of a member stands."""
        page, original, position = row[3], row[-2], row[-1]
        query = (
            "SELECT name, (SELECT max(number) FROM pages WHERE name = names.number"
            " AND number <= ?) FROM names WHERE number = ?"
        )
        name, quoted = self._database.execute(query, (page, original)).fetchone()
        return Place(_unpack(name), position, self._line(quoted, position))

    def _line(self, number: int | None, position: int) -> int | None:
        """The line of a block of a page of this run; None where it is not at hand."""
        if number is None:
            return None
        query = "SELECT lines FROM pages WHERE number = ?"
        lines = np.frombuffer(self._database.execute(query, (number,)).fetchone()[0], np.int32)
        if position < len(lines):
            return int(lines[position])
        return self._at_hand.line(number, position)


def _member(row: Sequence[Any]) -> Member:
    name, position, line, number, start, end, path, hidden, kind, *rest = row
    similarity, containment, verified, scope, characters, *_ = rest
    return Member(
        place=Place(_unpack(name), position, line),
        number=number,
        start=start,
        end=end,
        path=None if path is None else _unpack(path),
        hidden=bool(hidden),
        kind=kind,
        similarity=similarity,
        containment=containment,
        verified=bool(verified),
        scope=scope,
        characters=characters,
    )


def _pack(text: str | None) -> bytes | None:
    return None if text is None else text.encode("utf-8", "surrogatepass")


def _unpack(text: bytes) -> str:
    return text.decode("utf-8", "surrogatepass")


@lru_cache
def _script(name: str) -> str:
    return files("dedup.reports").joinpath(name).read_text("utf-8")


def _shared(folder: str, other: str) -> str:
    """The longest folder in which both are."""
    while not other.startswith(folder):
        folder = folder[: folder.rfind("/", 0, -1) + 1]
    return folder
