"""Reading an index in Redis: what it has of a page, its pages, its most repeated originals.

Generators without input or output, like `redis_decisions.py`. Plain commands, each of a bounded
size, so that no other client waits for long; between two of them the index may change.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from dedup.index import redis_layout as layout
from dedup.index import unknown_place
from dedup.index.redis_bodies import HEAD_BYTES
from dedup.index.redis_calls import Command, RedisCalls, Steps
from dedup.model import BlockEntry, Original, PageEntry, PageList, PageSummary
from dedup.sites import is_on

PART = 256
"""Chunks, or counts, that are read by one command."""
SCANNED = 1000
"""Counts that one command goes through: below a millisecond of the server."""
FORWARD_BYTES = 4
"""The body of an original that was renewed is its new id."""


class Counted(NamedTuple):
    """An original that is repeated, by its counts alone; the smallest ranks first."""

    fewer_seen: int
    fewer_pages: int
    id: int

    @classmethod
    def of(cls, number: bytes, value: bytes) -> Counted:
        """From a field of `counts` and its value."""
        seen, pages, _ = layout.COUNTS.unpack(value)
        return cls(-seen, -pages, int(number))


class Place(NamedTuple):
    """How far a list of pages has come: what follows it is what the next list begins with.

    One command of the server may give more pages than are asked for, so a place is within its
    reply, in the order of the marks. That holds as long as the command given again ends where it
    ended: else the pages of its reply come again, since some of them may not have been there.

    Attributes:
        turn: 0 in the first generation to be gone through, 1 in the second.
        parity: of the generation.
        cursor: the server's, of the command.
        end: the cursor that the command gave, to go on with.
        mark: of the last page that was given of its reply; empty: none was.
    """

    turn: int
    parity: int
    cursor: int
    end: int = 0
    mark: str = ""

    @classmethod
    def of(cls, text: str) -> Place:
        """From what a list gave.

        Raises:
            SettingsError: no list gave that.
        """
        found = re.fullmatch(r"([01])([01])-([0-9]{1,20})-([0-9]{1,20})-([0-9a-f]{16}|)", text)
        if found is None:
            raise unknown_place(text)
        return cls(*(int(found[1]), int(found[2]), int(found[3]), int(found[4])), found[5])

    def __str__(self) -> str:
        return f"{self.turn}{self.parity}-{self.cursor}-{self.end}-{self.mark}"


Best: TypeAlias = dict[tuple[str, int], tuple[Counted, Original]]
"""The most repeated originals so far, by page and position, in order."""


class RedisReading(RedisCalls):
    """What is read of an index without its scripts."""

    def page(self, page: str, now: int) -> Steps[PageEntry | None]:
        """See `Index.page`."""
        name = page.encode("utf-8", "surrogatepass")
        found = yield self._both("HGET", "pages", [name])
        held = found[0] or found[1]
        if held is None:
            return None
        entries = [entry for entry in layout.read_entries(held).all if entry]
        names = [entry & ~layout.REPEAT_ENTRY for entry in entries]
        originals = yield from self._read_originals(names, now)
        blocks = []
        for entry, number in zip(entries, names, strict=True):
            if number in originals:
                _, original = originals[number]
                owned = entry < layout.REPEAT_ENTRY
                blocks.append(BlockEntry(original.position if owned else None, owned, original))
        return PageEntry(page, None, tuple(blocks))

    def pages(self, prefix: str, after: str, limit: int) -> Steps[PageList]:
        """See `Index.pages`."""
        place = Place.of(after) if after else Place(0, 1 - (yield from self._fresh()), 0)
        pattern = _literally(prefix.encode("utf-8", "surrogatepass")) + b"*"
        # Where all are wanted, about as many as are; else the server looks through more at a time.
        count = SCANNED if prefix else min(limit, SCANNED)
        found: list[PageSummary] = []
        while True:
            key = self._names.of(f"pages{place.parity}")
            reply = yield [
                Command("", [], ["HSCAN", key, place.cursor, "MATCH", pattern, "COUNT", count])
            ]
            ((position, held),) = reply
            end = int(position)
            place = place._replace(end=end, mark=place.mark if place.end == end else "")
            for mark, name in sorted((_mark(name), name) for name in held):
                if mark <= place.mark:
                    continue
                if len(found) == limit:
                    return PageList(tuple(found), str(place))
                place = place._replace(mark=mark)
                entries = layout.read_entries(held[name])
                page = name.decode("utf-8", "surrogatepass")
                counts = len(entries.owned), len(entries.repeated)
                found.append(PageSummary(page, None, *counts))
            place = place._replace(cursor=end, mark="")
            if not end:
                if place.turn:
                    return PageList(tuple(found), None)
                # What is checked meanwhile goes from the old generation to the new one.
                place = Place(1, 1 - place.parity, 0)

    def _fresh(self) -> Steps[int]:
        """The parity of the generation of now."""
        (number,) = yield [Command("", [], ["HGET", self._names.head, "generation"])]
        return int(number or 0) % 2

    def most_repeated(self, limit: int, now: int, site: str | None = None) -> Steps[list[Original]]:
        """See `Index.most_repeated`. It scans `counts`, where repeated originals alone stand."""
        fresh = yield from self._fresh()
        best: Best = {}
        # What is renewed meanwhile goes from the old generation to the new one, so it is met.
        for parity in (1 - fresh, fresh):
            cursor = 0
            while True:
                key = self._names.of(f"counts{parity}")
                reply = yield [Command("", [], ["HSCAN", key, cursor, "COUNT", SCANNED])]
                ((position, held),) = reply
                some = sorted(Counted.of(*pair) for pair in held.items())
                best = yield from self._best_of(best, some, limit, now, site)
                cursor = int(position)
                if not cursor:
                    break
        return [original for _, original in best.values()]

    def _best_of(
        self, best: Best, some: Sequence[Counted], limit: int, now: int, site: str | None
    ) -> Steps[Best]:
        """The first so many of both, in order. Only originals that may be among them are read."""
        for first in range(0, len(some), limit):
            part = some[first : first + limit]
            if len(best) == limit:
                last = max(counted for counted, _ in best.values())
                part = [one for one in part if one < last]
            if not part:
                break
            found = yield from self._read_originals([one.id for one in part], now)
            # By place: one that was renewed is found by its old id and by its new one.
            merged = best | {
                (original.page, original.position): (
                    Counted(-original.seen, -original.pages, number),
                    original,
                )
                for number, original in found.values()
                if original.seen and (site is None or is_on(original.page, site))
            }
            best = dict(sorted(merged.items(), key=lambda pair: pair[1][0])[:limit])
        return best

    def _read_originals(
        self, ids: Iterable[int], now: int
    ) -> Steps[dict[int, tuple[int, Original]]]:
        """The originals that are alive, each by the id asked for, with the id that it has now."""
        before = now - int(self._settings.expire_after or now)
        asked = sorted(set(ids))
        found: dict[int, tuple[int, Original]] = {}
        for first in range(0, len(asked), PART):
            current = {number: number for number in asked[first : first + PART]}
            while current:
                chunks = yield from self._read_chunks(current.values())
                counts = yield from self._read_counts(current.values())
                moved: dict[int, int] = {}
                for number, at in current.items():
                    body = layout.body_in(chunks, at)
                    if len(body) == FORWARD_BYTES:
                        moved[number] = int.from_bytes(body, "little")
                    elif len(body) >= HEAD_BYTES:
                        chunk = chunks[at // layout.CHUNK_ROOM]
                        original = self._original(chunk, body, *counts.get(at, (0, 1, 0)))
                        if original.last_seen.timestamp() >= before:
                            found[number] = at, original
                current = moved
        return found

    def _original(
        self, chunk: layout.Chunk, body: bytes, seen: int, pages: int, last: int
    ) -> Original:
        """An original as people read it."""
        read, last_seen = self._bodies.read(body), max(chunk.last_seen, last)
        return Original.at_seconds(
            chunk.page, read.position, chunk.first_seen, last_seen, seen, pages, read.text
        )

    def _read_chunks(self, ids: Iterable[int]) -> Steps[dict[int, layout.Chunk]]:
        """The chunks in which ids are, by their numbers."""
        numbers = sorted({number // layout.CHUNK_ROOM for number in ids})
        found = yield self._both("HMGET", "records", numbers)
        return {
            number: layout.read_chunk(even or odd)
            for number, even, odd in zip(numbers, *found, strict=True)
            if even or odd
        }

    def _read_counts(self, ids: Iterable[int]) -> Steps[dict[int, tuple[int, int, int]]]:
        """Repeats, pages and last seen of the ids that have been repeated."""
        numbers = sorted(set(ids))
        found = yield self._both("HMGET", "counts", numbers)
        pairs = zip(numbers, *found, strict=True)
        return {at: layout.COUNTS.unpack(even or odd) for at, even, odd in pairs if even or odd}

    def _both(self, command: str, part: str, fields: Sequence[int | bytes]) -> list[Command]:
        """A command on a part of the index, in both generations."""
        return [
            Command("", [], [command, self._names.of(f"{part}{parity}"), *fields])
            for parity in (0, 1)
        ]


def _mark(name: bytes) -> str:
    """A short stand-in for a page's id, which may be long."""
    return hashlib.blake2b(name, digest_size=8).hexdigest()


def _literally(text: bytes) -> bytes:
    """A pattern of the server that this text alone matches."""
    return re.sub(rb"([*?\[\]^\\])", rb"\\\1", text)
