"""What dedup's index in Redis is compared with, each on the same server and as fast as it gets.

datasketch's MinHashLSH on its Redis storage (shared permutations, batch updates, xxHash, no
transactions), the server's raw rate of HSETNX, and its rate of scripts that do nothing. Each
function wants an empty database and leaves an empty one. Run alone it prints a table of all:

    python bench/redis_peers.py redis://127.0.0.1:6379/0
"""

from __future__ import annotations

import argparse
import random
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis
import xxhash
from common import print_table
from corpora import Invented
from datasketch import MinHash, MinHashLSH
from peers import NUM_PERM, SEED, THRESHOLD, WIDTH, shingles

FIELDS = 48
"""Fields of a hash in the raw benchmark: small enough to stay a listpack, as in dedup's layout."""
WINDOW = 1 << 16
"""Bytes to send at once."""

_TEMPLATE = MinHash(num_perm=NUM_PERM, seed=SEED, hashfunc=xxhash.xxh32_intdigest)


@dataclass(frozen=True, slots=True)
class Measured:
    """What an index did."""

    rate: float
    """Blocks a second."""
    bytes_per_block: float
    """Of the server's memory."""
    keys_per_block: float


# ---- datasketch ----------------------------------------------------------------------------------


def datasketch_documented(url: str, blocks: Sequence[str]) -> Measured:
    """Query and insert as datasketch's documentation shows: a new MinHash, an update a shingle."""
    with _empty(url) as server:
        storage = {"type": "redis", "redis": _address(url)}
        index = MinHashLSH(threshold=THRESHOLD, num_perm=NUM_PERM, storage_config=storage)
        before, start = _memory(server), time.perf_counter()
        for at, block in enumerate(blocks):
            minhash = MinHash(num_perm=NUM_PERM)
            for shingle in shingles(block, WIDTH):
                minhash.update(shingle.encode("utf8"))
            if not index.query(minhash):
                index.insert(at, minhash)
        return _measured(server, before, len(blocks), time.perf_counter() - start)


def datasketch_query_insert(url: str, blocks: Sequence[str]) -> Measured:
    """Query each block, then insert it if it is new, as fast as datasketch does that."""
    with _empty(url) as server:
        index, before, start = _index(url), _memory(server), time.perf_counter()
        for at, block in enumerate(blocks):
            minhash = _minhash(block)
            if not index.query(minhash):
                index.insert(at, minhash, check_duplication=False)
        return _measured(server, before, len(blocks), time.perf_counter() - start)


def datasketch_bulk_insert(url: str, blocks: Sequence[str]) -> Measured:
    """Insert all in its insertion session, which collects commands and asks nothing."""
    with _empty(url) as server:
        index, before, start = _index(url), _memory(server), time.perf_counter()
        with index.insertion_session() as session:
            for at, block in enumerate(blocks):
                session.insert(at, _minhash(block), check_duplication=False)
        return _measured(server, before, len(blocks), time.perf_counter() - start)


def _index(url: str) -> MinHashLSH:
    """An index with the bands that datasketch chooses for dedup's threshold.

    They are fewer than it needs to find what dedup finds, which is in its favour.
    """
    storage = {
        "type": "redis",
        "redis": _address(url),
        "redis_buffer": {"transaction": False},
    }
    return MinHashLSH(threshold=THRESHOLD, num_perm=NUM_PERM, storage_config=storage)


def _address(url: str) -> dict[str, Any]:
    return dict(redis.connection.parse_url(url))  # type: ignore[no-untyped-call]


def _minhash(block: str) -> MinHash:
    minhash = _TEMPLATE.copy()
    minhash.update_batch([shingle.encode("utf8") for shingle in shingles(block, WIDTH)])
    return minhash


def _measured(server: redis.Redis, before: int, blocks: int, seconds: float) -> Measured:
    keys = int(server.dbsize())
    return Measured(blocks / seconds, (_memory(server) - before) / blocks, keys / blocks)


# ---- the server itself ---------------------------------------------------------------------------


def raw_hsetnx_rate(url: str, count: int = 1_000_000) -> float:
    """Pipelined HSETNX a second, from one client, of 4-byte fields and values to small hashes.

    The commands are ready bytes on a bare socket, and replies are only counted: it is the server
    that limits. As in an index that grows, hashes fill from nothing to about `FIELDS`.
    """
    draw = random.Random(SEED)
    hashes = max(1, count // FIELDS)
    commands = [
        _command(b"HSETNX", b"{raw}%d" % draw.randrange(hashes), draw.randbytes(4), value)
        for value in (draw.randbytes(4) for _ in range(count))
    ]
    with _empty(url):
        return _pipelined(url, commands)


def noop_eval_rate(url: str, count: int = 200_000) -> float:
    """Pipelined EVALSHA a second, from one client, of a script that does nothing with one key."""
    with _empty(url) as server:
        digest = str(server.script_load("return 1")).encode()
        return _pipelined(url, [_command(b"EVALSHA", digest, b"1", b"{raw}")] * count)


def eval_round_trip(url: str, count: int = 5_000) -> float:
    """Median seconds of such a call through redis-py, one after another."""
    with _empty(url) as server:
        digest = str(server.script_load("return 1"))
        taken = []
        for _ in range(count):
            start = time.perf_counter()
            server.evalsha(digest, 1, "{raw}")
            taken.append(time.perf_counter() - start)
        return sorted(taken)[count // 2]


def _command(*words: bytes) -> bytes:
    """A command in Redis's wire protocol."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)


def _pipelined(url: str, commands: Sequence[bytes]) -> float:
    """Send all without waiting, and give how many were answered a second."""
    address = _address(url)
    with socket.create_connection((address["host"], address.get("port", 6379)), 60) as connection:
        if "password" in address:
            login = (address.get("username", "default"), address["password"])
            connection.sendall(_command(b"AUTH", *(word.encode() for word in login)))
            assert connection.recv(WINDOW).startswith(b"+OK")
        connection.sendall(_command(b"SELECT", b"%d" % address.get("db", 0)))
        assert connection.recv(WINDOW).startswith(b"+OK")
        stream = memoryview(b"".join(commands))

        def send() -> None:
            for at in range(0, len(stream), WINDOW):
                connection.sendall(stream[at : at + WINDOW])

        sender = threading.Thread(target=send)
        start = time.perf_counter()
        sender.start()
        answered = 0
        while answered < len(commands):  # each reply is one line, a number
            replies = connection.recv(WINDOW)
            assert replies, "the server closed the connection"
            assert b"-" not in replies, replies
            answered += replies.count(b"\n")
        seconds = time.perf_counter() - start
        sender.join()
    return len(commands) / seconds


@contextmanager
def _empty(url: str) -> Iterator[redis.Redis]:
    """A client of an empty database, which is emptied again; one with data is not touched."""
    with redis.Redis.from_url(url, socket_timeout=60) as server:
        if server.dbsize():
            sys.exit(f"error: there is data at {url}: benchmarks need an empty database")
        try:
            yield server
        finally:
            server.flushdb()
            _settle(server)


def _memory(server: redis.Redis) -> int:
    return int(server.info("memory")["used_memory"])


def _settle(server: redis.Redis) -> None:
    """Wait until the server has freed, in the background, what was deleted."""
    end = time.monotonic() + 60
    while server.info("memory").get("lazyfree_pending_objects") and time.monotonic() < end:
        time.sleep(0.01)


# ---- alone ---------------------------------------------------------------------------------------


def main() -> None:
    """Measure everything on one server and print it."""
    parser = argparse.ArgumentParser(description="Rates of datasketch on Redis and of the server.")
    parser.add_argument("url", help="an empty database, as in redis://127.0.0.1:6379/0")
    parser.add_argument("--blocks", type=int, default=2_000, help="default: %(default)s")
    options = parser.parse_args()
    blocks = Invented(mean_words=85, spread=0.12).blocks(options.blocks)
    print_table(
        f"datasketch MinHashLSH on Redis, {len(blocks):,} new blocks",
        ("", "blocks/s", "bytes/block", "keys/block"),
        [
            (name, f"{got.rate:,.0f}", f"{got.bytes_per_block:,.0f}", f"{got.keys_per_block:.1f}")
            for name, got in (
                ("query, then insert", datasketch_query_insert(options.url, blocks)),
                ("bulk insert", datasketch_bulk_insert(options.url, blocks)),
            )
        ],
    )
    print_table(
        "the server, one client",
        ("", "a second"),
        [
            ("HSETNX, pipelined bytes", f"{raw_hsetnx_rate(options.url):,.0f}"),
            ("EVALSHA of nothing, pipelined bytes", f"{noop_eval_rate(options.url):,.0f}"),
            ("EVALSHA of nothing, one by one", f"{1 / eval_round_trip(options.url):,.0f}"),
        ],
    )


if __name__ == "__main__":
    main()
