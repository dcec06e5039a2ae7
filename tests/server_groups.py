"""Groups of servers for the suite: a cluster, and servers watched by Sentinels; and the fixture.

See `servers.py` for the servers themselves. Knows nothing of dedup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any, TypeVar

import pytest
from redis.crc import key_slot
from servers import HOST, Config, Server, ServerKind, find_servers, require, wait_until

SLOTS = 16384
GROUP = "dedup"
"""What the Sentinels call their primary."""

Running = TypeVar("Running", "Server", "Cluster", "SentinelTrio")

_REPLICATION: dict[str, Config] = {
    "save": "",
    # Without it a replica has no data for its first five seconds, and cannot take over.
    "repl-diskless-sync-delay": 0,
    "repl-ping-replica-period": 1,
}


class _Group:
    """Servers, some of which may be dead."""

    servers: list[Server]

    @property
    def live(self) -> list[Server]:
        """The servers that run."""
        return [server for server in self.servers if server.alive]

    def heal(self) -> None:
        """Start the dead again, as replicas of those who took over, and wait until all is well."""
        for server in self.servers:
            if not server.alive:
                self._revive(server)
        self.wait_ready()

    def _revive(self, server: Server) -> None:
        server.restart()

    def wait_ready(self) -> None:
        """Wait until every server and every watcher finds all in order."""
        raise NotImplementedError

    def stop(self) -> None:
        """End all of them and remove their files."""
        for server in self.servers:
            server.stop()


class Cluster(_Group):
    """A cluster whose slots are shared out evenly, made by commands alone."""

    def __init__(self, kind: ServerKind, primaries: int = 3, replicas: int = 3) -> None:
        config: dict[str, Config] = {
            "cluster-enabled": "yes",
            "cluster-node-timeout": 1000,
            "cluster-replica-validity-factor": 0,  # a replica takes over however old its data
        }
        self.primaries = primaries
        self.servers = [Server(kind, _REPLICATION | config) for _ in range(primaries + replicas)]
        for at, server in enumerate(self.servers):
            server.do("CLUSTER SET-CONFIG-EPOCH", at + 1)
        for at, server in enumerate(self.servers[:primaries]):
            slots = range(at * SLOTS // primaries, (at + 1) * SLOTS // primaries)
            server.do("CLUSTER ADDSLOTS", *slots)
        for one, other in combinations(self.servers, 2):  # all of them, not to wait for gossip
            one.do("CLUSTER MEET", HOST, other.port)
        wait_until(lambda: all(self._knows_all(server) for server in self.servers))
        for at, server in enumerate(self.servers[primaries:]):
            of = self.servers[at % primaries].do("CLUSTER MYID")
            server.do("CLUSTER REPLICATE", of)
        self.wait_ready()

    @property
    def url(self) -> str:
        """How a client finds the cluster: a node that runs."""
        return f"redis+cluster://{HOST}:{self.live[0].port}"

    def _knows_all(self, server: Server) -> bool:
        """Whether it is connected to every node, or is that node, and finds all in order."""
        nodes = server.do("CLUSTER NODES").values()
        flags = {flag for node in nodes for flag in node["flags"].split(",")}
        linked = sum(node["connected"] for node in nodes)
        return linked == len(self.servers) and not flags & {"handshake", "fail", "fail?"}

    def wait_ready(self) -> None:
        """Wait until every node agrees that all are there and every replica has its data."""
        wait_until(lambda: all(self._is_ready(server) for server in self.servers), what="cluster")

    def _is_ready(self, server: Server) -> bool:
        state = server.do("CLUSTER INFO")
        told = server.admin.info("replication")
        return (
            (state["cluster_state"], state["cluster_size"]) == ("ok", str(self.primaries))
            and self._knows_all(server)
            and told.get("master_link_status", "up") == "up"
        )

    def primary_of(self, key: str) -> Server:
        """The server that has the key, once all who live agree and serve."""
        slot = key_slot(key.encode())

        def agreed() -> list[Server]:
            if any(s.do("CLUSTER INFO")["cluster_state"] != "ok" for s in self.live):
                return []
            rows = [row for server in self.live for row in server.do("CLUSTER SLOTS")]
            ports = {row[2][1] for row in rows if row[0] <= slot <= row[1]}
            return [server for server in self.live if {server.port} == ports]

        return wait_until(agreed, what=f"a primary of {key}")[0]

    def fail_over(self, key: str) -> Server:
        """Let a replica of the key's primary take over in agreement with it, and return it."""
        port = self.primary_of(key).port
        told = [(server, server.admin.info("replication")) for server in self.live]
        replica = next(server for server, state in told if state.get("master_port") == port)
        replica.do("CLUSTER FAILOVER")
        wait_until(lambda: self.primary_of(key) is replica, what="the replica to take over")
        return replica

    def kill_primary_of(self, key: str) -> Server:
        """Kill the server that has the key and return it; another takes over."""
        server = self.primary_of(key)
        server.kill()
        return server


def start_cluster(kind: ServerKind, primaries: int = 3, replicas: int = 3) -> Cluster:
    """Start and form a cluster."""
    return Cluster(kind, primaries, replicas)


class SentinelTrio(_Group):
    """A primary and its replicas (`servers`), watched by three Sentinels."""

    def __init__(self, kind: ServerKind, replicas: int = 1) -> None:
        first = Server(kind, _REPLICATION)
        follow: dict[str, Config] = {"replicaof": (HOST, first.port)}
        self.servers = [first, *(Server(kind, _REPLICATION | follow) for _ in range(replicas))]
        # A Sentinel that meets the primary before its replicas asks again after ten seconds.
        wait_until(lambda: self._attached(first), what="replicas")
        self.sentinels = [
            Server(
                kind,
                {
                    "sentinel monitor": (GROUP, HOST, first.port, 2),
                    f"sentinel down-after-milliseconds {GROUP}": 2000,
                    f"sentinel failover-timeout {GROUP}": 3000,
                },
                sentinel=True,
            )
            for _ in range(3)
        ]
        self.wait_ready()

    @property
    def url(self) -> str:
        """How a client finds the primary: the Sentinels, and what they call it."""
        hosts = ",".join(f"{HOST}:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{GROUP}"

    def _attached(self, primary: Server) -> bool:
        told = primary.admin.info("replication")
        others = range(len(self.servers) - 1)
        return all(told.get(f"slave{at}", {}).get("state") == "online" for at in others)

    @property
    def primary(self) -> Server:
        """The server that all Sentinels call the primary, once it is one."""

        def agreed() -> list[Server]:
            name = "SENTINEL GET-MASTER-ADDR-BY-NAME"
            ports = {sentinel.do(name, GROUP)[1] for sentinel in self.sentinels}
            found = [server for server in self.live if {server.port} == ports]
            return [server for server in found if server.admin.info()["role"] == "master"]

        return wait_until(agreed, what="a primary")[0]

    def wait_ready(self) -> None:
        """Wait until the Sentinels know each other and all servers, and replicas have the data."""
        wait_until(lambda: all(map(self._is_ready, self.sentinels)), what="Sentinels")
        wait_until(lambda: self._attached(self.primary), what="replicas")

    def _is_ready(self, sentinel: Server) -> bool:
        told = sentinel.do("SENTINEL MASTER", GROUP)
        replicas = [replica["flags"] for replica in sentinel.do("SENTINEL SLAVES", GROUP)]
        return (told["flags"], told["num-other-sentinels"], replicas) == (
            *("master", 2),
            ["slave"] * (len(self.servers) - 1),
        )

    def _revive(self, server: Server) -> None:
        primary = self.primary
        server.restart()
        server.do("REPLICAOF", HOST, primary.port)  # the Sentinels would, but take ten seconds

    def kill_primary(self) -> Server:
        """Kill the primary and return it; another takes over."""
        server = self.primary
        server.kill()
        return server

    def stop(self) -> None:
        """End all of them and remove their files."""
        for server in (*self.sentinels, *self.servers):
            server.stop()


def start_sentinel(kind: ServerKind, replicas: int = 1) -> SentinelTrio:
    """Start a primary, replicas and three Sentinels."""
    return SentinelTrio(kind, replicas)


# ---- fixtures ------------------------------------------------------------------------------------


class Servers:
    """The servers that the tests of one session (or worker) share, each started when first used."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, str], Any] = {}

    def get(self, kind: str, start: Callable[[ServerKind], Running]) -> Running:
        """A server or a group of `kind`, as in "redis" (the newest), "valkey" or "redis-6".

        Where there is none the test skips; with `CI` set it fails.
        """
        key = (kind, start.__name__)
        if key not in self._running:
            found = [server for server in find_servers() if server.name.startswith(kind)]
            newest = sorted(found, key=lambda server: server.version, reverse=True)
            self._running[key] = start(require(newest, kind))
        running: Running = self._running[key]
        return running

    def stop(self) -> None:
        """End all of them."""
        for running in self._running.values():
            running.stop()


@pytest.fixture(scope="session")
def redis_servers() -> Iterator[Servers]:
    """Servers that tests share; a test takes a namespace of its own and heals what it kills."""
    servers = Servers()
    yield servers
    servers.stop()
