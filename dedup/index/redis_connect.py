"""Connections to Redis by URL: one server, a cluster, or whatever Sentinels call the primary.

    redis://user:password@host:6379/0        one server; rediss:// with TLS; unix:///path
    redis+cluster://a:7000,b:7000            a cluster, found from any of these nodes
    redis+sentinel://a:26379,b:26379/name/0  the primary that Sentinels know by a name

Options of the client library may follow as a query (`?socket_timeout=2`). Knows nothing of
indexes.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import redis
import redis.asyncio
from redis.asyncio.cluster import ClusterNode as AsyncClusterNode
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.backoff import ExponentialWithJitterBackoff
from redis.cluster import ClusterNode
from redis.retry import Retry
from redis.sentinel import Sentinel

from dedup.errors import SettingsError
from dedup.urls import scheme_and_hosts

MOST_RETRIES = 6
_BACKOFF = ExponentialWithJitterBackoff(base=0.01, cap=0.5)
"""A command whose reply is lost is sent again so often, within about a second: all are idempotent.
The client library does so by itself for a cluster only."""


def connect(url: str) -> Any:
    """A client for the servers that a URL names.

    Raises:
        SettingsError: the URL lacks what its scheme needs.
    """
    return _connect(
        url, redis, redis.RedisCluster, ClusterNode, Sentinel, Retry(_BACKOFF, MOST_RETRIES)
    )


def connect_async(url: str) -> Any:
    """The same, to be awaited."""
    retry = AsyncRetry(_BACKOFF, MOST_RETRIES)
    return _connect(
        url, redis.asyncio, redis.asyncio.RedisCluster, AsyncClusterNode, AsyncSentinel, retry
    )


def _connect(url: str, library: Any, cluster: Any, node: Any, sentinel: Any, retry: Any) -> Any:
    scheme = url.partition("://")[0]
    if scheme == "redis+cluster":
        _, places = _login_and_places(url)
        first, *others = places.split(",")
        start = url.replace("redis+cluster", "redis", 1).replace(places, first, 1)
        nodes = [node(*_host_and_port(url, place)) for place in others]
        return cluster.from_url(start, startup_nodes=nodes)
    if scheme != "redis+sentinel":
        return library.Redis.from_url(url, retry=retry)
    # A client that asks the Sentinels for the primary, again after each lost connection.
    login, places = _login_and_places(url)
    user, _, password = login.partition(":")
    name, _, database = urlsplit(url).path.strip("/").partition("/")
    if not name:
        raise _badly_written(url)
    watchers = sentinel([_host_and_port(url, place) for place in places.split(",")])
    return watchers.master_for(
        name,
        db=int(database or 0),
        username=user or None,
        password=password or None,
        retry=retry,
    )


def _login_and_places(url: str) -> tuple[str, str]:
    """What stands before and after the @ of a URL."""
    login, _, places = urlsplit(url).netloc.rpartition("@")
    return login, places


def _host_and_port(url: str, place: str) -> tuple[str, int]:
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal():
        raise _badly_written(url)
    return host, int(port)


def _badly_written(url: str) -> SettingsError:
    return SettingsError(
        f"index {scheme_and_hosts(url)}: write redis+sentinel://host:26379,host:26379/name, or "
        "redis+cluster://host:7000,host:7001"
    )


def all_clients(client: Any) -> list[Any]:
    """A client and those that it asks where the primary is: all are to be closed."""
    pool = getattr(client, "connection_pool", None)
    manager = getattr(pool, "sentinel_manager", None)
    return [client, *(manager.sentinels if manager else ())]
