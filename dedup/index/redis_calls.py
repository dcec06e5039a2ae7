"""Calls of an index's scripts, and what is not about blocks: opening, counting, clearing.

Generators without input or output, like `redis_decisions.py`, which builds on them: they yield
commands, are sent replies, and return a result.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from dedup.errors import IndexFailure, IndexFullError
from dedup.index import redis_layout as layout
from dedup.index.header import header_of, refuse_others, refuse_version
from dedup.index.redis_bodies import Bodies
from dedup.index.redis_layout import Call, Names
from dedup.index.redis_wire import Packed
from dedup.model import Stats
from dedup.settings import Settings

MOST_TRIES = 100
"""How often an operation starts again because others changed the same pages."""

T = TypeVar("T")


class Command(NamedTuple):
    """A script by name, or (`script` empty) a plain command in `arguments`."""

    script: str
    keys: list[bytes]
    arguments: list[bytes | int | str]


class Talk(NamedTuple):
    """Plain commands, packed, on a connection that stays the same from one talk to the next.

    They are sent together. What each gave is the reply, errors among them; or None: there is no
    such connection, or it was lost. It ends with the operation, or with the next ordinary command.

    Attributes:
        commands: what is sent.
        reads: how many replies are waited for, in the order of the commands, those of former talks
            before; None: all that are due. The others are read by a later talk.
        pause: seconds to wait before.
        meanwhile: what can be done while the server is at it, which must not fail.
    """

    commands: list[Packed]
    reads: int | None = None
    pause: float = 0.0
    meanwhile: Callable[[], object] | None = None

    def packed(self) -> bytes:
        """The commands as they are sent."""
        return b"".join([part for each in self.commands for part in each])


Steps: TypeAlias = Generator[list[Command] | Talk, Any, T]


class RedisCalls:
    """An index as its scripts see it."""

    def __init__(self, url: str, namespace: str, settings: Settings) -> None:
        self._url = url
        self._names = Names(namespace)
        self._settings = settings
        self._bodies = Bodies(settings)

    def open(self) -> Steps[None]:
        """Make the index where there is none; refuse one that was made otherwise.

        Raises:
            IndexMismatchError: names what differs, with both values.
        """
        arguments: list[bytes | int | str] = [
            layout.FORMAT_VERSION,
            json.dumps(header_of(self._settings)),
            int(time.time()),
        ]
        ((version, settings),) = yield [Command("open", [self._names.head], arguments)]
        where = f"namespace {self._names.namespace!r} of {self._url}"
        instead = "another namespace"
        refuse_version(where, int(version), layout.FORMAT_VERSION, instead)
        refuse_others(where, json.loads(settings), self._settings, instead)

    def stats(self) -> Steps[Stats]:
        """See `Index.stats`."""
        totals = [
            f"{total}{parity}" for total in ("pages", "originals", "repeats") for parity in (0, 1)
        ]
        numbers, *sizes = yield [
            Command("", [], ["HMGET", self._names.head, *totals]),
            *(Command("", [], ["MEMORY USAGE", key, "SAMPLES", 200]) for key in self._names.all),
        ]
        pages, originals, repeats = (
            int(even or 0) + int(odd or 0)
            for even, odd in zip(numbers[::2], numbers[1::2], strict=True)
        )
        return Stats(
            url=self._url,
            namespace=self._names.namespace,
            pages=pages,
            originals=originals,
            repeats=repeats,
            bytes=sum(size or 0 for size in sizes),
        )

    def clear(self) -> Steps[None]:
        """See `Index.clear`. The server frees the memory in the background."""
        yield [Command("", [], ["UNLINK", *self._names.all])]
        yield from self.open()

    def _run(
        self, script: str, call: Call, operation: bytes, arguments: Sequence[bytes]
    ) -> Steps[list[Any]]:
        """A call of check.lua or commit.lua, until it is accepted."""
        for _ in range(MOST_TRIES):
            (reply,) = yield [Command(script, self._names.all, [call.pack(operation), *arguments])]
            if reply[0] == b"FULL":
                raise IndexFullError(
                    f"namespace {self._names.namespace!r} of {self._url} has no number left for "
                    "another page: use one namespace for each crawl or site"
                )
            if reply[0] != b"CLOSED":
                return list(reply)
            yield from self.open()  # somebody cleared the index
        raise IndexFailure(f"namespace {self._names.namespace!r} is cleared again and again")
