"""An index in Redis or Valkey, shared by any number of processes.

Two thin drivers, one of which awaits, run the decisions of `redis_decisions.py`; errors of the
client library become dedup's here. Layout, and the argument for correctness: docs/redis.md.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from dedup.errors import IndexFailure, IndexWarning, SettingsError
from dedup.index.redis_calls import Command, Steps, Talk
from dedup.index.redis_decisions import RedisDecisions
from dedup.index.redis_layout import Names, script
from dedup.model import Original, PageEntry, PageList, Stats
from dedup.settings import Settings
from dedup.sketch import Sketches
from dedup.urls import scheme_and_hosts
from dedup.verdict import Verdicts

try:
    from redis.exceptions import (
        AuthenticationError,
        BusyLoadingError,
        ClusterDownError,
        NoPermissionError,
        NoScriptError,
        OutOfMemoryError,
        ReadOnlyError,
        RedisError,
        ResponseError,
    )
    from redis.exceptions import (
        ConnectionError as RedisConnectionError,
    )

    from dedup.index.redis_connect import all_clients, connect, connect_async
    from dedup.index.redis_line import AsyncLine, Line, Trunk
except ImportError as error:
    raise SettingsError("an index in Redis needs its client: pip install 'dedup[redis]'") from error

T = TypeVar("T")

_DIGESTS: dict[str, str] = {}


def digest(name: str) -> str:
    """SHA-1 of a script, under which servers keep it."""
    if name not in _DIGESTS:
        _DIGESTS[name] = hashlib.sha1(script(name), usedforsecurity=False).hexdigest()
    return _DIGESTS[name]


class _Opened:
    """What both drivers begin with."""

    def __init__(self, url: str, namespace: str, settings: Settings) -> None:
        if "{" in namespace or "}" in namespace:
            raise SettingsError(
                f"namespace={namespace!r}: braces have a meaning in Redis, use others"
            )
        self._url = url
        self._where = scheme_and_hosts(url)
        self._decisions = RedisDecisions(self._where, namespace, settings)

    def _warn_of_eviction(self, memory: dict[str, Any]) -> None:
        """Warn where a server that is full throws keys away: with one goes a part of the index."""
        nodes = [node for node in memory.values() if isinstance(node, dict)] or [memory]
        for policy in {str(node.get("maxmemory_policy", "")) for node in nodes}:
            if policy.startswith("allkeys-"):
                warnings.warn(
                    f"index {self._where}: with maxmemory-policy {policy} a full server throws "
                    "away parts of the index in silence: set noeviction, which refuses clearly",
                    IndexWarning,
                    stacklevel=4,
                )


class RedisIndex(_Opened):
    """See `Index`. The URLs are those of `redis_connect`."""

    is_remote = True

    @staticmethod
    def stored_settings(url: str, namespace: str) -> Settings | None:
        """The settings that the index there was made with; None where there is none."""
        with _translated(scheme_and_hosts(url)):
            client = connect(url)
            try:
                text = client.execute_command("HGET", Names(namespace).of("head"), "settings")
            finally:
                for each in all_clients(client):
                    each.close()
        known = Settings().to_mapping().keys()
        stored = json.loads(text) if text else {}
        return (
            Settings.from_mapping({k: stored[k] for k in known & stored.keys()}) if text else None
        )

    def __init__(self, url: str, namespace: str, settings: Settings) -> None:
        super().__init__(url, namespace, settings)
        with _translated(self._where):
            self._client = connect(url)
        self._trunk = Trunk(self._client, threading.Lock())
        self._do(self._decisions.open())
        with suppress(RedisError):  # who may not ask goes without the warning
            self._warn_of_eviction(self._client.info("memory"))

    def check(
        self, sketches: Sketches, pages: Sequence[str], bounds: npt.NDArray[np.int64], now: int
    ) -> Verdicts:
        """See `Index.check`."""
        return self._do(self._decisions.check(sketches, pages, bounds, now))

    def lookup(
        self,
        sketches: Sketches,
        pages: Sequence[str],
        bounds: npt.NDArray[np.int64],
        now: int,
        settings: Settings,
    ) -> Verdicts:
        """See `Index.lookup`."""
        return self._do(self._decisions.lookup(sketches, pages, bounds, now, settings))

    def forget(self, page: str) -> bool:
        """See `Index.forget`."""
        return self._do(self._decisions.forget(page))

    def page(self, page: str, now: int) -> PageEntry | None:
        """See `Index.page`."""
        return self._do(self._decisions.page(page, now))

    def pages(self, prefix: str, after: str, limit: int) -> PageList:
        """See `Index.pages`."""
        return self._do(self._decisions.pages(prefix, after, limit))

    def most_repeated(self, limit: int, now: int, site: str | None = None) -> list[Original]:
        """See `Index.most_repeated`."""
        return self._do(self._decisions.most_repeated(limit, now, site))

    def stats(self) -> Stats:
        """See `Index.stats`."""
        return self._do(self._decisions.stats())

    def clear(self) -> None:
        """See `Index.clear`."""
        self._do(self._decisions.clear())

    def close(self) -> None:
        """See `Index.close`."""
        for client in all_clients(self._client):
            client.close()

    def _do(self, steps: Steps[T]) -> T:
        """Run an operation to its end."""
        line = Line(self._trunk)
        try:
            step = next(steps)
            while True:
                if isinstance(step, Talk):
                    step = steps.send(line.talk(step))
                    continue
                line.hang_up()
                with _translated(self._where):
                    replies = [self._run(command) for command in step]
                step = steps.send(replies)
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            line.hang_up()

    def _run(self, command: Command) -> Any:
        """Run one command, with the script's source where the server does not have it yet."""
        try:
            return self._client.execute_command(*_words(command))
        except NoScriptError:
            return self._client.execute_command(*_words(command, with_source=True))


class AsyncRedisIndex(_Opened):
    """See `AsyncIndex`. It connects when it is first used."""

    def __init__(self, url: str, namespace: str, settings: Settings) -> None:
        super().__init__(url, namespace, settings)
        self._client: Any = None
        self._trunk: Any = None
        self._opening = asyncio.Lock()

    async def check(
        self, sketches: Sketches, pages: Sequence[str], bounds: npt.NDArray[np.int64], now: int
    ) -> Verdicts:
        """See `Index.check`."""
        return await self._do(self._decisions.check(sketches, pages, bounds, now))

    async def lookup(
        self,
        sketches: Sketches,
        pages: Sequence[str],
        bounds: npt.NDArray[np.int64],
        now: int,
        settings: Settings,
    ) -> Verdicts:
        """See `Index.lookup`."""
        return await self._do(self._decisions.lookup(sketches, pages, bounds, now, settings))

    async def forget(self, page: str) -> bool:
        """See `Index.forget`."""
        return await self._do(self._decisions.forget(page))

    async def page(self, page: str, now: int) -> PageEntry | None:
        """See `Index.page`."""
        return await self._do(self._decisions.page(page, now))

    async def pages(self, prefix: str, after: str, limit: int) -> PageList:
        """See `Index.pages`."""
        return await self._do(self._decisions.pages(prefix, after, limit))

    async def most_repeated(self, limit: int, now: int, site: str | None = None) -> list[Original]:
        """See `Index.most_repeated`."""
        return await self._do(self._decisions.most_repeated(limit, now, site))

    async def stats(self) -> Stats:
        """See `Index.stats`."""
        return await self._do(self._decisions.stats())

    async def clear(self) -> None:
        """See `Index.clear`."""
        await self._do(self._decisions.clear())

    async def close(self) -> None:
        """See `Index.close`."""
        for client in all_clients(self._client) if self._client is not None else ():
            await client.aclose()

    async def _do(self, steps: Steps[T]) -> T:
        """Run an operation to its end."""
        async with self._opening:
            if self._client is None:
                with _translated(self._where):
                    self._client = connect_async(self._url)
                self._trunk = Trunk(self._client, asyncio.Lock())
                await self._drive(self._decisions.open())
                with suppress(RedisError):  # who may not ask goes without the warning
                    self._warn_of_eviction(await self._client.info("memory"))
        return await self._drive(steps)

    async def _drive(self, steps: Steps[T]) -> T:
        line = AsyncLine(self._trunk)
        try:
            step = next(steps)
            while True:
                if isinstance(step, Talk):
                    step = steps.send(await line.talk(step))
                    continue
                await line.hang_up()
                with _translated(self._where):
                    replies = [await self._run(command) for command in step]
                step = steps.send(replies)
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            await line.hang_up()

    async def _run(self, command: Command) -> Any:
        """Run one command, with the script's source where the server does not have it yet."""
        try:
            return await self._client.execute_command(*_words(command))
        except NoScriptError:
            return await self._client.execute_command(*_words(command, with_source=True))


def _words(command: Command, *, with_source: bool = False) -> Sequence[Any]:
    """A command as the client library sends it."""
    if not command.script:
        return command.arguments
    name = command.script
    start = ("EVAL", script(name)) if with_source else ("EVALSHA", digest(name))
    return (*start, len(command.keys), *command.keys, *command.arguments)


_OTHER = "refused a command"
_NO_LOGIN = "wants a password: write it into the URL"
_NO_MEMORY = "has no memory left: raise its maxmemory, or clear a namespace"
_NO_SCRIPTS = (
    "does not let this user run scripts, which an index needs: allow them, or change server"
)
_REMEDIES: Sequence[tuple[type[Exception], str, str]] = (
    (AuthenticationError, "already authenticated", _NO_LOGIN),
    (AuthenticationError, "Authentication required", _NO_LOGIN),
    (AuthenticationError, "", "wants another user or password: write them into the URL"),
    (ResponseError, "NOAUTH", _NO_LOGIN),
    (BusyLoadingError, "", "is still loading its data: try again when it is up"),
    (ReadOnlyError, "", "is a read-only replica: use the primary's address"),
    (ResponseError, "READONLY", "is a read-only replica: use the primary's address"),
    (OutOfMemoryError, "", _NO_MEMORY),
    (ResponseError, "OOM", _NO_MEMORY),
    (NoPermissionError, "", _NO_SCRIPTS),
    (ResponseError, "unknown command", _NO_SCRIPTS),
    (
        ResponseError,
        "WRONGTYPE",
        "has something else under the index's keys: use another namespace",
    ),
    (ClusterDownError, "", "is a cluster that does not serve all slots: see to its nodes"),
    (RedisConnectionError, "", "cannot be reached: see that it runs and that the address is right"),
    (RedisError, "", _OTHER),
)
"""What to tell about an error of the client library, by its class and a part of its text."""


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """Errors of the client library as dedup's."""
    try:
        yield
    except RedisError as error:
        remedy = next(
            (
                said
                for kind, part, said in _REMEDIES
                if isinstance(error, kind) and part in str(error)
            ),
            _OTHER,
        )
        raise IndexFailure(f"{where} {remedy} ({error})") from error
    except ValueError as error:
        raise SettingsError(f"index {where}: {error}") from error
