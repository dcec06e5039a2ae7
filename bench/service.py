"""How fast is the service on one machine, beside the library, and what does it do under overload?

An index in Redis behind both. Bulk: requests of 100 pages of 20 fresh blocks, in turns with
`Deduper.check_many` on as many others. Overload: requests of one page; first as many as connections
can hold (what the service can do), then twice as many a second, whether it answers or not. A server
and the service are started for it; everything runs on loopback, the load as well.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from common import arguments, describe, print_table, progress, rounds_of, run_fairly, save
from redis_index import TESTS, server

BLOCKS_A_PAGE, PAGES_A_REQUEST = 20, 100
CONNECTIONS = 2
"""Of the bulk: one request is answered while the next is read."""
CLOSED_CONNECTIONS = 16
OVERLOAD = 2.0


def heads(bodies: Sequence[bytes]) -> list[bytes]:
    """Requests as they are sent."""
    head = "POST /v1/check HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]


def request_bodies(pages: Iterator[tuple[str, str]], requests: int, pages_each: int) -> list[bytes]:
    """Bodies of requests of so many pages each."""
    return [
        json.dumps(
            {"pages": [{"page": name, "content": text} for name, text in take(pages, pages_each)]}
        ).encode()
        for _ in range(requests)
    ]


def take(pages: Iterator[tuple[str, str]], count: int) -> list[tuple[str, str]]:
    """The next pages."""
    return [next(pages) for _ in range(count)]


class Connection:
    """A connection on which one request is asked after another: little work for this side."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> int:
        """Send a request, read the answer, return its status."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:-2])
        await reader.readexactly(int(fields[b"content-length"]))
        if fields.get(b"connection") == b"close":
            self.close()
        return int(head.split(b" ", 2)[1])

    def close(self) -> None:
        """Close it."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


@dataclass
class Load:
    """What a load has met: seconds by status, and how late it was itself."""

    seconds: float
    by_status: dict[int, list[float]] = field(default_factory=dict)
    lags: list[float] = field(default_factory=list)

    def to_object(self) -> dict[str, Any]:
        """The figures."""
        found: dict[str, Any] = {"seconds": self.seconds}
        if self.lags:
            found["own_lag_ms_p99"] = 1000 * sorted(self.lags)[len(self.lags) * 99 // 100]
        for status, times in sorted(self.by_status.items()):
            times.sort()
            found[str(status)] = {
                "requests": len(times),
                "per_second": len(times) / self.seconds,
                "ms_p50": 1000 * times[len(times) // 2],
                "ms_p99": 1000 * times[len(times) * 99 // 100],
                "ms_max": 1000 * times[-1],
            }
        return found


async def closed_load(port: int, requests: Sequence[bytes], connections: int) -> Load:
    """So many connections, each of which asks as soon as it was answered."""
    left = iter(requests)
    load = Load(0.0)

    async def one() -> None:
        connection = Connection(port)
        for request in left:
            start = time.perf_counter()
            status = await connection.ask(request)
            load.by_status.setdefault(status, []).append(time.perf_counter() - start)
        connection.close()

    start = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    load.seconds = time.perf_counter() - start
    return load


async def open_load(port: int, requests: Sequence[bytes], per_second: float) -> Load:
    """A request whenever it is its time, whether earlier ones were answered or not.

    Time counts from when a request was due, so that a load that is held up hides nothing.
    """
    idle: list[Connection] = []
    load = Load(0.0)

    async def one(request: bytes, due: float) -> None:
        load.lags.append(time.perf_counter() - due)
        connection = idle.pop() if idle else Connection(port)
        status = await connection.ask(request)
        idle.append(connection)
        load.by_status.setdefault(status, []).append(time.perf_counter() - due)

    start = time.perf_counter()
    under_way = []
    for at, request in enumerate(requests):
        due = start + at / per_second
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        under_way.append(asyncio.create_task(one(request, due)))
    await asyncio.gather(*under_way)
    load.seconds = time.perf_counter() - start
    for connection in idle:
        connection.close()
    return load


def measure_bulk(
    url: str, service: Any, pages: Iterator[tuple[str, str]], requests: int, rounds: int
) -> dict[str, Any]:
    """Rates of the library and of the service in turns, and their ratios."""
    import httpx  # noqa: PLC0415

    from dedup import Deduper  # noqa: PLC0415 - after run_fairly

    library, over_http = [], []
    blocks = requests * PAGES_A_REQUEST * BLOCKS_A_PAGE
    # Idle between rounds: let go before the service does.
    limits = httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=1.0)
    with Deduper(url, namespace="library") as deduper, httpx.Client(limits=limits) as client:

        def ask(body: bytes) -> None:
            answer = client.post(
                f"{service.url}/v1/check",
                content=body,
                headers={"content-type": "application/json"},
                timeout=60,
            )
            assert answer.status_code == 200, answer.text[:500]

        for at in range(rounds + 1):  # the first is not counted
            progress(f"bulk, round {at} of {rounds}")
            mine = take(pages, requests * PAGES_A_REQUEST)
            bodies = request_bodies(pages, requests, PAGES_A_REQUEST)
            start = time.perf_counter()
            for report in deduper.check_many(
                ((text, name) for name, text in mine), batch_pages=PAGES_A_REQUEST
            ):
                assert not report.error
            middle = time.perf_counter()
            with ThreadPoolExecutor(CONNECTIONS) as threads:
                list(threads.map(ask, bodies))
            end = time.perf_counter()
            if at:
                library.append(blocks / (middle - start))
                over_http.append(blocks / (end - middle))
    ratios = [mine / its for mine, its in zip(over_http, library, strict=True)]
    return {
        "blocks_a_round": blocks,
        "library_blocks_per_second": library,
        "service_blocks_per_second": over_http,
        "ratios": ratios,
        "ratio": statistics.median(ratios),
    }


def measure_overload(
    service: Any, pages: Iterator[tuple[str, str]], seconds: float
) -> dict[str, Any]:
    """What the service can do, and what it does when it is asked for twice as much."""
    progress("what the service can do")
    warm = heads(request_bodies(pages, 200, 1))
    asyncio.run(closed_load(service.port, warm, CLOSED_CONNECTIONS))
    count = 1500
    full = asyncio.run(
        closed_load(service.port, heads(request_bodies(pages, count, 1)), CLOSED_CONNECTIONS)
    )
    rate = len(full.by_status.get(200, ())) / full.seconds
    asked = rate * OVERLOAD
    progress(f"{asked:,.0f} requests a second")
    requests = heads(request_bodies(pages, int(asked * seconds), 1))
    over = asyncio.run(open_load(service.port, requests, asked))
    return {
        "can_do_per_second": rate,
        "can_do": full.to_object(),
        "asked_per_second": asked,
        "overload": over.to_object(),
    }


def main() -> None:
    """Run the benchmark."""
    run_fairly()
    options = arguments("service", __doc__).parse_args()
    sys.path.insert(0, str(TESTS))
    services = importlib.import_module("services")  # the suite's own starter
    from corpora import Invented  # noqa: PLC0415 - after run_fairly

    def fresh() -> Iterator[tuple[str, str]]:
        text = Invented(stream=21)
        at = 0
        while True:
            for content in text.pages(500, BLOCKS_A_PAGE):
                at += 1
                yield f"https://example.org/{at}", content

    pages = fresh()
    requests, rounds = (4, rounds_of(options)) if options.quick else (10, rounds_of(options))
    quiet = ("--log-level", "warning")
    with server(None) as url, services.Process("--index", url, *quiet) as service:
        bulk = measure_bulk(url, service, pages, requests, rounds)
        overload = measure_overload(service, pages, 4 if options.quick else 10)
        status = service.stop()
    progress("")
    rows = [
        ["library", f"{statistics.median(bulk['library_blocks_per_second']):,.0f}", ""],
        [
            "service",
            f"{statistics.median(bulk['service_blocks_per_second']):,.0f}",
            f"{bulk['ratio']:.2f} ({min(bulk['ratios']):.2f}-{max(bulk['ratios']):.2f})",
        ],
    ]
    print_table("bulk, an index in Redis behind both", ["", "blocks/s", "ratio"], rows)
    rows = [
        [f"{name}, {status_code}", *(f"{found[key]:,.0f}" for key in ("requests", "per_second"))]
        + [f"{found[key]:,.1f}" for key in ("ms_p50", "ms_p99", "ms_max")]
        for name in ("can_do", "overload")
        for status_code, found in overload[name].items()
        if status_code.isdecimal()
    ]
    head = ["", "requests", "a second", "p50 ms", "p99 ms", "max ms"]
    print_table(f"asked for {OVERLOAD:g} times what it can do", head, rows)
    print(f"the service ended with status {status}")
    statuses = Counter({k: v["requests"] for k, v in overload["overload"].items() if k.isdecimal()})
    save(
        {**describe(options), "bulk": bulk, "overload": overload, "statuses": dict(statuses)},
        options.json,
    )


if __name__ == "__main__":
    main()
