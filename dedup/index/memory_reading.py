"""Reading the index in memory: what it has of a page, its pages, its most repeated originals.

Over the arrays and the log, which do not change meanwhile. Decides nothing, changes nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from functools import cache

import numpy as np
import numpy.typing as npt

from dedup.index import unknown_place
from dedup.index.changes import OriginalsKept, added_originals
from dedup.index.page_log import PageLog
from dedup.index.page_texts import TextStore, unpack
from dedup.index.tables import FIELD_WORDS, NOBODY, REPEAT_ENTRY, Tables
from dedup.model import BlockEntry, Original, PageEntry, PageList, PageSummary
from dedup.sites import is_on
from dedup.sketch import Sketches

OWNER, LAST_SEEN, SEEN, PAGES = 0, 3, 4, 5
"""Columns of the fields of a record."""
PART = 1 << 17
"""Entries looked at together: so much memory is all that a pass over everything takes."""


def met_again(
    tables: Tables,
    entries: npt.NDArray[np.uint32],
    sketches: Sketches,
    rows: range,
    before: int,
) -> OriginalsKept:
    """A page's own originals whose text is still on it, as they are before it is checked again.

    Args:
        tables: of the index.
        entries: of the page.
        sketches: of its blocks now, among others.
        rows: which of them.
        before: originals last seen earlier have expired (0: none have).
    """
    owned = np.sort(entries[entries < REPEAT_ENTRY])
    owned = owned[_alive(_fields(tables, owned), before)]
    prints = sketches.fingerprints[rows.start : rows.stop, 0].tolist()
    row_of = dict(zip(reversed(prints), reversed(rows), strict=True))  # the first of equal ones
    prints_before = tables.arena[owned].tolist()
    met = np.array([row_of.get(value, -1) for value in prints_before], dtype=np.intp)
    owned, met = owned[met >= 0], met[met >= 0]
    fields = _fields(tables, owned)
    counted = Counter((entries[entries >= REPEAT_ENTRY] & ~REPEAT_ENTRY).tolist())
    fields[:, SEEN] -= np.array([counted[number] for number in owned.tolist()], dtype=np.uint32)
    return OriginalsKept(added_originals(sketches, met), fields)


def page_entry(
    tables: Tables, log: PageLog, texts: TextStore | None, page: str, before: int
) -> PageEntry | None:
    """See `Index.page`.

    Args:
        tables: of the index.
        log: of its pages.
        texts: of its originals, where they are kept.
        page: the page's id.
        before: originals last seen earlier have expired (0: none have).
    """
    number = log.numbers.get(page)
    if number is None:
        return None
    entries = log.of(number)
    fields = _fields(tables, entries)
    counts = _alive(fields, before)
    owned = (entries < REPEAT_ENTRY)[counts].tolist()
    originals = _originals(log, texts, fields[counts])
    return PageEntry(
        page,
        datetime.fromtimestamp(log.checked[number], UTC),
        tuple(
            BlockEntry(original.position if is_owned else None, is_owned, original)
            for is_owned, original in zip(owned, originals, strict=True)
        ),
    )


def page_list(log: PageLog, prefix: str, after: str, limit: int) -> PageList:
    """See `Index.pages`. A list goes on at the number of a page, so going through all is one pass.

    Args:
        log: of the index's pages.
        prefix: how their ids begin.
        after: as `Index.pages` has it.
        limit: how many, at most.

    Raises:
        SettingsError: no list gave this to go on after.
    """
    if after and not re.fullmatch(r"[0-9]{1,10}", after):
        raise unknown_place(after)
    found: list[PageSummary] = []
    for number in range(int(after or 0), len(log.names)):
        name = log.names[number]
        if name is None or not name.startswith(prefix):
            continue
        if len(found) == limit:
            return PageList(tuple(found), str(number))
        entries = log.of(number)
        repeats = int(np.count_nonzero(entries >= REPEAT_ENTRY))
        checked = datetime.fromtimestamp(log.checked[number], UTC)
        found.append(PageSummary(name, checked, len(entries) - repeats, repeats))
    return PageList(tuple(found), None)


def most_repeated(
    tables: Tables,
    log: PageLog,
    texts: TextStore | None,
    limit: int,
    before: int,
    site: str | None = None,
) -> list[Original]:
    """See `Index.most_repeated`. It takes each original from the entry of the page that owns it.

    Args:
        tables: of the index.
        log: of its pages.
        texts: of its originals, where they are kept.
        limit: how many, at most.
        before: originals last seen earlier have expired (0: none have).
        site: of the pages that own them; None: any.
    """
    best = np.zeros(0, dtype=np.uint32)
    fewest = 1
    for first in range(0, log.used, PART):
        part = log.entries[first : min(first + PART, log.used)]
        part = part[part < REPEAT_ENTRY]
        words = tables.arena.view(np.uint32)
        some = part[words[2 * part.astype(np.int64) + FIELD_WORDS.start + SEEN] >= fewest]
        # An entry that a page no longer needs may stand in the log beside the one in its place.
        some = some[_alive(_fields(tables, some), before)]
        if site is not None:
            some = some[_owned_on(log, _fields(tables, some)[:, OWNER], site)]
        best = np.union1d(best, some)
        fields = _fields(tables, best)
        order = np.lexsort(
            (best, -fields[:, PAGES].astype(np.int64), -fields[:, SEEN].astype(np.int64))
        )
        best = best[order[:limit]]
        if len(best) == limit:
            fewest = int(fields[order[limit - 1], SEEN])
    return _originals(log, texts, _fields(tables, best))


def _fields(tables: Tables, entries: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """The fields of the records that entries name: uint32[n, 6]."""
    places = 2 * (entries & ~REPEAT_ENTRY).astype(np.int64)
    fields: npt.NDArray[np.uint32] = tables.arena.view(np.uint32)[
        places[:, None] + np.arange(FIELD_WORDS.start, FIELD_WORDS.stop)
    ]
    return fields


def _alive(fields: npt.NDArray[np.uint32], before: int) -> npt.NDArray[np.bool_]:
    """Which originals have neither been released nor expired."""
    alive: npt.NDArray[np.bool_] = (fields[:, OWNER] != NOBODY) & (fields[:, LAST_SEEN] >= before)
    return alive


def _owned_on(log: PageLog, owners: npt.NDArray[np.uint32], site: str) -> npt.NDArray[np.bool_]:
    """Which of these pages, by number, are on a site."""
    numbers, places = np.unique(owners, return_inverse=True)
    are_there = [is_on(log.names[number] or "", site) for number in numbers.tolist()]
    found: npt.NDArray[np.bool_] = np.array(are_there, dtype=np.bool_)[places]
    return found


def _originals(
    log: PageLog, texts: TextStore | None, fields: npt.NDArray[np.uint32]
) -> list[Original]:
    stored = cache(lambda owner: unpack(texts.get(owner)) if texts is not None else {})
    return [
        Original.at_seconds(
            *(log.names[owner] or "", position, first, last, seen, pages),
            text=stored(owner).get(position),
        )
        for owner, position, first, last, seen, pages in fields.tolist()
    ]
