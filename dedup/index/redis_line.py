"""Plain commands on one connection that stays the same, as WATCH and EXEC demand.

A trunk keeps a connection for an index. A line takes it when it is first spoken on, and holds the
trunk's lock meanwhile: two transactions of one process would only disturb each other. Without it
there is no harm: whoever speaks gets None, and goes by the scripts. Knows nothing of what the
commands mean.
"""

from __future__ import annotations

import asyncio
import math
import os
import threading
import time
from typing import Any, Generic, TypeVar

from redis.exceptions import RedisError, ResponseError

from dedup.index.redis_calls import Talk

Lock = TypeVar("Lock")

LEAST_CONNECTIONS = 2
"""A pool that may have fewer cannot spare one."""


class Trunk(Generic[Lock]):
    """What the lines of an index share: a pool, a lock, and the connection that is kept."""

    def __init__(self, client: Any, lock: Lock) -> None:
        """There is no pool for a cluster: its lines give nothing."""
        self.pool: Any = getattr(client, "connection_pool", None)
        self.lock = lock
        self._connection: Any = None
        self._process = 0

    def take(self) -> Any:
        """The connection, if it is this process's; else None."""
        connection, self._connection = self._connection, None
        return connection if self._process == os.getpid() else None

    def keep(self, connection: Any) -> bool:
        """Keep it for the next operation. False: the pool cannot spare it."""
        if self.pool is None or self.pool.max_connections < LEAST_CONNECTIONS:
            return False
        self._connection, self._process = connection, os.getpid()
        return True


class Line:
    """A line of one operation."""

    def __init__(self, trunk: Trunk[threading.Lock]) -> None:
        self._trunk = trunk
        self._connection: Any = None
        self._due = 0
        """Replies that have not been read."""
        self._is_refused = False

    def talk(self, talk: Talk) -> list[Any] | None:
        """What each command gave, errors as such; None: there is no connection."""
        if self._trunk.pool is None:
            return None
        try:
            if talk.pause:
                time.sleep(talk.pause)
            connection = self._connection or self._pick_up()
            if talk.commands:
                connection.send_packed_command([talk.packed()])
            self._due += len(talk.commands)
            if talk.meanwhile:
                talk.meanwhile()
            replies = []
            for _ in range(self._due if talk.reads is None else talk.reads):
                try:
                    replies.append(connection.read_response())
                except ResponseError as error:
                    replies.append(error)
                    self._is_refused = True
                self._due -= 1
        except (RedisError, OSError):
            self.hang_up(broken=True)
            return None
        except BaseException:
            self.hang_up(broken=True)
            raise
        return replies

    def _pick_up(self) -> Any:
        """Begin to speak: have the connection, for oneself."""
        self._trunk.lock.acquire()
        try:
            self._connection = self._trunk.take() or self._trunk.pool.get_connection()
        except BaseException:
            self._trunk.lock.release()
            raise
        return self._connection

    def hang_up(self, *, broken: bool = False) -> None:
        """End the operation."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        broken |= self._due > 0
        self._due = 0
        try:
            if broken:
                connection.disconnect()
            if broken or self._is_refused or not self._trunk.keep(connection):
                self._trunk.pool.release(connection)
        finally:
            self._trunk.lock.release()


class AsyncLine:
    """The same, to be awaited."""

    def __init__(self, trunk: Trunk[asyncio.Lock]) -> None:
        self._trunk = trunk
        self._connection: Any = None
        self._due = 0
        """Replies that have not been read."""
        self._is_refused = False

    async def talk(self, talk: Talk) -> list[Any] | None:
        """What each command gave, errors as such; None: there is no connection."""
        if self._trunk.pool is None:
            return None
        try:
            if talk.pause:
                await asyncio.sleep(talk.pause)
            connection = self._connection or await self._pick_up()
            if talk.commands:
                await connection.send_packed_command([talk.packed()])
            self._due += len(talk.commands)
            if talk.meanwhile:
                talk.meanwhile()
            replies = []
            # One time limit for all replies: the client library's own, one each, take a sixth of
            # the time of a small batch.
            async with asyncio.timeout(connection.socket_timeout):
                for _ in range(self._due if talk.reads is None else talk.reads):
                    try:
                        replies.append(await connection.read_response(timeout=math.inf))
                    except ResponseError as error:
                        replies.append(error)
                        self._is_refused = True
                    self._due -= 1
        except (RedisError, OSError):
            await self.hang_up(broken=True)
            return None
        except BaseException:
            await self.hang_up(broken=True)
            raise
        return replies

    async def _pick_up(self) -> Any:
        """Begin to speak: have the connection, for oneself."""
        await self._trunk.lock.acquire()
        try:
            self._connection = self._trunk.take() or await self._trunk.pool.get_connection()
        except BaseException:
            self._trunk.lock.release()
            raise
        return self._connection

    async def hang_up(self, *, broken: bool = False) -> None:
        """End the operation."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        broken |= self._due > 0
        self._due = 0
        try:
            if broken:
                await connection.disconnect(nowait=True)
            if broken or self._is_refused or not self._trunk.keep(connection):
                await self._trunk.pool.release(connection)
        finally:
            self._trunk.lock.release()
