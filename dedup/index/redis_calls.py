"""Calls of an index's scripts, and what is not about blocks: opening, growing, clearing.

Generators without input or output, like `redis_decisions.py`, which builds on them: they yield
commands, are sent replies, and return a result.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from dedup.errors import IndexFailure, IndexMismatchError
from dedup.index import redis_layout as layout
from dedup.index.redis_batch import Batch
from dedup.index.redis_layout import Growth, Names
from dedup.model import Stats
from dedup.settings import Settings
from dedup.sketch import KEY_SCHEME

MOST_TRIES = 100
"""How often an operation starts again because others changed the same pages or bucket numbers."""

T = TypeVar("T")


class Command(NamedTuple):
    """A script by name, or (`script` empty) a plain command in `arguments`."""

    script: str
    keys: list[bytes]
    arguments: list[bytes | int | str]


Steps: TypeAlias = Generator[list[Command], list[Any], T]


class RedisCalls:
    """An index as its scripts see it: names of keys, and how many buckets there are."""

    def __init__(self, url: str, namespace: str, settings: Settings) -> None:
        self._url = url
        self._names = Names(namespace)
        self._settings = settings
        self._growth = Growth(layout.FIRST_BITS, -1)

    def open(self) -> Steps[None]:
        """Make the index where there is none; refuse one that was made otherwise.

        Raises:
            IndexMismatchError: names what differs, with both values.
        """
        mine = self._settings.to_mapping() | {"key_scheme": KEY_SCHEME.tolist()}
        command = Command(
            "open",
            [self._names.of("head")],
            [layout.FORMAT_VERSION, json.dumps(mine), layout.FIRST_BITS],
        )
        ((version, settings, bits, cursor),) = yield [command]
        where = f"namespace {self._names.namespace!r} of {self._url}"
        if int(version) != layout.FORMAT_VERSION:
            raise IndexMismatchError(
                f"{where} has format {int(version)}, this dedup writes {layout.FORMAT_VERSION}: "
                "use the dedup that made it, or another namespace"
            )
        its = json.loads(settings)
        differing = [name for name in mine | its if mine.get(name) != its.get(name)]
        if differing:
            name = differing[0]
            raise IndexMismatchError(
                f"{where} was made with {name}={its.get(name)}, and is opened with "
                f"{name}={mine.get(name)}: open it as it was made, or use another namespace"
            )
        self._growth = Growth(int(bits), int(cursor))

    def stats(self) -> Steps[Stats]:
        """See `Index.stats`."""
        fields = [b"pages", b"originals", b"repeats"]
        usage = [Command("", [], ["MEMORY USAGE", key, "SAMPLES", 50]) for key in self._names.fixed]
        numbers, *sizes = yield [
            Command("", [], ["HMGET", self._names.of("head"), *fields]),
            *usage,
        ]
        pages, originals, repeats = (int(number or 0) for number in numbers)
        buckets = yield from self._bucket_bytes()
        return Stats(
            url=self._url,
            namespace=self._names.namespace,
            pages=pages,
            originals=originals,
            repeats=repeats,
            bytes=sum(size or 0 for size in sizes) + buckets,
        )

    def _bucket_bytes(self) -> Steps[int]:
        """Bytes of the posting buckets, from a sample of up to 256 of them."""
        count = 2**self._growth.bits
        sample = np.linspace(0, count - 1, min(256, count)).astype(np.int64)
        sizes = yield [
            Command("", [], ["MEMORY USAGE", key]) for key in self._names.buckets(sample)
        ]
        return int(sum(size or 0 for size in sizes) / len(sizes) * count)

    def clear(self) -> Steps[None]:
        """See `Index.clear`. The head goes last, so what was cut short can be done again."""
        yield from self.open()
        while self._growth.is_splitting:
            yield from self._split()
        count = 2**self._growth.bits
        for first in range(0, count, layout.MOST_KEYS):
            numbers = np.arange(first, min(count, first + layout.MOST_KEYS))
            yield [Command("", [], ["UNLINK", *self._names.buckets(numbers)])]
        fixed = self._names.fixed
        yield [Command("", [], ["UNLINK", *fixed[1:], fixed[0]])]
        yield from self.open()

    def _grow(self, batch: Batch) -> Steps[None]:
        """Split a few buckets, where they have become too full."""
        if not self._growth.is_splitting:
            if batch.postings_held <= layout.FULL_BUCKET * 2**self._growth.bits:
                return
            arguments: list[bytes | int | str] = [self._growth.bits, -1]
            (reply,) = yield [Command("split", [self._names.of("head")], arguments)]
            self._growth = Growth(int(reply[1]), int(reply[2]))
        if self._growth.is_splitting:
            yield from self._split()

    def _split(self) -> Steps[None]:
        """Split the next few buckets of the round."""
        bits, cursor = self._growth
        before = 2 ** (bits - 2)
        old = np.arange(cursor, min(before, cursor + layout.SPLITS_PER_CALL))
        numbers = (old[:, None] + before * np.arange(4)).ravel()
        keys = [self._names.of("head"), *self._names.buckets(numbers)]
        (reply,) = yield [Command("split", keys, [bits, cursor])]
        self._growth = Growth(int(reply[1]), int(reply[2]))

    def _run(
        self,
        script: str,
        batch: Batch,
        rows: Sequence[int],
        operation: bytes,
        arguments: list[bytes],
        tail: Sequence[bytes] = (),
        more_fields: npt.NDArray[np.uint64] | None = None,
        *,
        look: bool = False,
    ) -> Steps[list[Any]]:
        """A call of check.lua or commit.lua with these blocks' postings, until it is accepted."""
        fields = batch.fields(rows)
        if more_fields is not None:
            fields = np.concatenate((fields, more_fields))
        packed = layout.pack_fields(fields)
        for _ in range(MOST_TRIES):
            keys = self._names.fixed + self._growth.bucket_keys(self._names, fields)
            call = layout.pack_call(operation, batch.now, self._growth, look=look)
            (reply,) = yield [Command(script, keys, [call, *arguments, packed, *tail])]
            if (yield from self._accept(reply)):
                if reply[0] == b"OK":
                    batch.postings_held = int(reply[2])
                return list(reply)
        raise IndexFailure("the number of buckets keeps changing: too many clients at once")

    def _accept(self, reply: list[Any]) -> Steps[bool]:
        """Whether a call was run; else learn what it lacked, to send it again."""
        if reply[0] == b"STALE":
            self._growth = Growth(int(reply[1]), int(reply[2]))
            return False
        if reply[0] == b"CLOSED":  # somebody cleared the index
            yield from self.open()
            return False
        if reply[0] == b"OK":
            self._growth = Growth(self._growth.bits, int(reply[1]))
        return True
