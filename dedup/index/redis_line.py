"""Plain commands on one connection that stays the same, as WATCH and EXEC demand.

A line takes a connection when it is first spoken on, and holds the index's lock meanwhile: two
transactions of one process would only disturb each other. Without it there is no harm: whoever
speaks gets None, and goes by the scripts. Knows nothing of what the commands mean.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError, ResponseError


class Line:
    """A line of a client of one server; one of a cluster has none."""

    def __init__(self, client: Any, lock: threading.Lock) -> None:
        self._pool = getattr(client, "connection_pool", None)
        self._lock = lock
        self._connection: Any = None

    def talk(self, commands: Sequence[bytes], pause: float) -> list[Any] | None:
        """What each command gave, errors as such; None: there is no connection."""
        if self._pool is None:
            return None
        try:
            if pause:
                time.sleep(pause)
            if self._connection is None:
                self._lock.acquire()
                try:
                    self._connection = self._pool.get_connection()
                except BaseException:
                    self._lock.release()
                    raise
            connection = self._connection
            connection.send_packed_command([b"".join(commands)])
            replies = []
            for _ in commands:
                try:
                    replies.append(connection.read_response())
                except ResponseError as error:
                    replies.append(error)
        except (RedisError, OSError):
            self.hang_up(broken=True)
            return None
        except BaseException:
            self.hang_up(broken=True)
            raise
        return replies

    def hang_up(self, *, broken: bool = False) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is None or self._pool is None:
            return
        try:
            if broken:
                connection.disconnect()
            self._pool.release(connection)
        finally:
            self._lock.release()


class AsyncLine:
    """The same, to be awaited."""

    def __init__(self, client: Any, lock: asyncio.Lock) -> None:
        self._pool = getattr(client, "connection_pool", None)
        self._lock = lock
        self._connection: Any = None

    async def talk(self, commands: Sequence[bytes], pause: float) -> list[Any] | None:
        """What each command gave, errors as such; None: there is no connection."""
        if self._pool is None:
            return None
        try:
            if pause:
                await asyncio.sleep(pause)
            if self._connection is None:
                await self._lock.acquire()
                try:
                    self._connection = await self._pool.get_connection()
                except BaseException:
                    self._lock.release()
                    raise
            connection = self._connection
            await connection.send_packed_command([b"".join(commands)])
            replies = []
            for _ in commands:
                try:
                    replies.append(await connection.read_response())
                except ResponseError as error:
                    replies.append(error)
        except (RedisError, OSError):
            await self.hang_up(broken=True)
            return None
        except BaseException:
            await self.hang_up(broken=True)
            raise
        return replies

    async def hang_up(self, *, broken: bool = False) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is None or self._pool is None:
            return
        try:
            if broken:
                await connection.disconnect(nowait=True)
            await self._pool.release(connection)
        finally:
            self._lock.release()
