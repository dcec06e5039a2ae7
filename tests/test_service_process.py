"""`dedup serve` as a process: sockets, signals, large bodies, overload, an index in Redis."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from server_groups import Servers
from servers import Server, ServerKind, start_standalone, wait_until
from services import Process
from test_cli import environment
from test_index import A, B

from dedup import Deduper


@pytest.fixture
def valkey(redis_servers: Servers) -> str:
    """One server that keeps running."""
    return redis_servers.get("valkey", start_standalone).url


@pytest.fixture(scope="module")
def service() -> Iterator[Process]:
    """A service with an index in its process."""
    with Process() as running:
        yield running


def logged(service: Process, **wanted: Any) -> list[dict[str, Any]]:
    """The log's lines with these values."""
    lines = [json.loads(line) for line in service.lines if line.startswith("{")]
    return [line for line in lines if wanted.items() <= line.items()]


class Raw:
    """A connection on which bytes are sent by hand."""

    def __init__(self, service: Process) -> None:
        self._socket = socket.create_connection(("127.0.0.1", service.port), timeout=20)
        self.received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._socket.sendall(data)

    def head(self, **headers: str | int) -> None:
        """Send the head of a check."""
        lines = ["POST /v1/check HTTP/1.1", "Host: localhost"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode())

    def chunk(self, data: bytes) -> None:
        """Send a chunk of a body of unknown length."""
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def until(self, pattern: bytes) -> bytes:
        """Receive until this was there; return all that was received."""
        while not re.search(pattern, self.received):
            part = self._socket.recv(1 << 16)
            assert part, f"closed after {self.received!r}"
            self.received += part
        return self.received

    def rest(self) -> bytes:
        """Receive until the other side closes."""
        with contextlib.suppress(ConnectionResetError):
            while part := self._socket.recv(1 << 16):
                self.received += part
        return self.received


def test_a_large_body_is_refused_by_its_length(service: Process) -> None:
    """100 MB are answered with 413 when the head has come, and the connection is closed."""
    with Raw(service) as raw:
        raw.head(content_type="application/json", content_length=100_000_000)
        answer = raw.rest()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer
    assert b"100,000,000 bytes" in answer
    assert wait_until(lambda: logged(service, status=413))[0]["bytes_in"] == 0


def test_a_large_body_that_is_sent_all_the_same(service: Process) -> None:
    """A client that sends first and reads then gets the answer, after a part of the body."""
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 1_000_000
            yield b" " * 1_000_000

    for headers in ({"content-length": "100000000"}, {}):
        sent = 0
        answer = httpx.post(
            f"{service.url}/v1/check",
            content=body(),
            headers={"content-type": "application/json", **headers},
            timeout=30,
        )
        assert answer.status_code == 413
        assert sent < 60_000_000


def test_json_lines_both_ways_at_once(service: Process) -> None:
    """A line is answered before the next one is sent."""
    with Raw(service) as raw:
        raw.head(content_type="application/x-ndjson", transfer_encoding="chunked")
        for at in range(3):
            page = {"page": f"duplex {at}", "content": "What is said here is said three times."}
            raw.chunk(json.dumps(page).encode() + b"\n")
            raw.until(b'"page": "duplex %d"' % at)
        raw.chunk(b"")
        answer = raw.until(b'"summary"')
    assert answer.count(b'"kind": "exact"') == 2


def test_a_stream_ends_in_order_when_the_service_stops() -> None:
    """Lines that were sent are answered; then the stream says that it ends, and the process too."""
    with Process() as service, Raw(service) as raw:
        raw.head(content_type="application/x-ndjson", transfer_encoding="chunked")
        raw.chunk(json.dumps({"page": "a", "content": A}).encode() + b"\n")
        raw.until(b'"page": "a"')
        service.ask_to_stop()
        answer = raw.until(b'"status": 503')
        assert b"stopping" in answer
        assert service.wait() == 0


def test_ctrl_c_is_the_ordinary_end() -> None:
    """Who stops his own service is not told of an error."""
    with Process("--log-level", "warning") as service:
        service.ask_to_stop(signal.SIGINT)
        assert service.wait() == 0
        assert not [line for line in service.lines if "error" in line]


def test_stopping_under_load_loses_nothing(valkey: str) -> None:
    """Every check that was accepted is answered and in the index when the service has stopped."""
    namespace = uuid.uuid4().hex
    answered: list[str] = []
    enough = threading.Event()

    def client(number: int) -> None:
        for at in range(1000):
            page = f"{number}/{at}"
            body = {"page": page, "content": f"Nobody else has said {number} and {at} in a row."}
            try:
                answer = httpx.post(
                    f"{running.url}/v1/check", json=body, headers={"dedup-namespace": namespace}
                )
            except httpx.TransportError:
                return  # not accepted any more
            assert answer.status_code in (200, 503)
            if answer.status_code == 200:
                answered.append(page)
            if len(answered) > 60:
                enough.set()

    with Process("--index", valkey) as running, ThreadPoolExecutor(8) as threads:
        clients = [threads.submit(client, number) for number in range(8)]
        assert enough.wait(30)
        assert running.stop() == 0
        for each in clients:
            each.result()
    done = logged(running, route="/v1/check", status=200)
    assert len(done) == len(answered) < 8000
    with Deduper(valkey, namespace=namespace) as deduper:
        assert deduper.stats().pages == len(answered)
        assert all(deduper.forget(page) for page in answered)
        deduper.clear()


def test_overload_is_answered_at_once(valkey: str) -> None:
    """What cannot be worked on soon gets 503 and a time to wait; what is accepted is done."""
    content = "\n\n".join(f"{A} It is {at} now, and {at * 7} then." for at in range(3000))
    times: dict[int, list[float]] = {200: [], 503: []}

    def ask(number: int) -> httpx.Response:
        body = {"pages": [{"page": f"{number}", "content": f"{B}\n\n{content}"}]}
        start = time.monotonic()
        answer = httpx.post(f"{running.url}/v1/check", json=body, timeout=60)
        times[answer.status_code].append(time.monotonic() - start)
        return answer

    with Process("--index", valkey, "--max-wait", "0.05") as running:
        with ThreadPoolExecutor(24) as threads:
            answers = list(threads.map(ask, range(24)))
        refused = [answer for answer in answers if answer.status_code == 503]
        assert refused
        assert len(refused) < len(answers)
        for answer in refused:
            assert answer.json()["type"] == "/docs#overloaded"
            assert int(answer.headers["retry-after"]) >= 1
        assert min(times[503]) < min(times[200])
        text = httpx.get(f"{running.url}/metrics").text
        assert 'dedup_problems_total{problem="overloaded"}' in text


def test_an_index_that_goes_and_comes_back(redis_servers: Servers) -> None:
    """Without its index the service lives, is not ready, says so, and goes on afterwards."""
    server = redis_servers.get("valkey", start_one_to_kill)
    with Process("--index", server.url) as service:
        body = {"page": "a", "content": A}
        assert httpx.post(f"{service.url}/v1/check", json=body).status_code == 200
        server.kill()
        try:
            assert httpx.get(f"{service.url}/healthz").status_code == 200
            ready = httpx.get(f"{service.url}/readyz", timeout=20)
            assert (ready.status_code, ready.json()["type"]) == (503, "/docs#index")
            answer = httpx.post(f"{service.url}/v1/check", json=body, timeout=20)
            assert (answer.status_code, answer.json()["type"]) == (503, "/docs#index")
            assert "retry-after" in answer.headers
        finally:
            server.restart()
        assert httpx.post(f"{service.url}/v1/check", json=body, timeout=20).status_code == 200
        assert httpx.get(f"{service.url}/readyz").status_code == 200
        assert "dedup_index_errors_total" in httpx.get(f"{service.url}/metrics").text


def start_one_to_kill(kind: ServerKind) -> Server:
    """A server that no other test uses."""
    return start_standalone(kind)


def test_workers_share_an_index(valkey: str) -> None:
    """Several processes answer at one address, as one; metrics are of all of them."""
    namespace = uuid.uuid4().hex
    with Process("--index", valkey, "--workers", "2", "--namespace", namespace) as service:
        found = []
        for at in range(40):
            body = {"page": f"{at}", "content": A}
            answer = httpx.post(f"{service.url}/v1/check", json=body)
            found.append(len(answer.json()["pages"][0]["repeats"]))
        assert found == [0] + [1] * 39
        text = httpx.get(f"{service.url}/metrics").text
        counted = re.search(r'dedup_pages_total{call="check",outcome="judged"} (\S+)', text)
        assert counted
        assert float(counted[1]) == 40
        assert service.stop() == 0
    with Deduper(valkey, namespace=namespace) as deduper:
        deduper.clear()


def test_workers_share_the_rate_of_a_key(valkey: str) -> None:
    """Who has had his pages from one worker has had them from all."""
    namespace = uuid.uuid4().hex
    with Process(
        *("--index", valkey, "--workers", "2", "--namespace", namespace, "--rate", "1")
    ) as service:
        pages = [{"page": f"{at}", "content": A} for at in range(100)]
        assert httpx.post(f"{service.url}/v1/check", json={"pages": pages}).status_code == 200
        # A new connection each, for which the workers take turns as they come.
        answers = [httpx.get(f"{service.url}/v1/stats") for _ in range(12)]
        assert {answer.status_code for answer in answers} == {429}
        assert min(int(answer.headers["retry-after"]) for answer in answers) > 90
    with Deduper(valkey, namespace=namespace) as deduper:
        deduper.clear()


def dedup(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "dedup.cli", *arguments],
        capture_output=True, text=True, check=False, timeout=60, env=environment(),
    )  # fmt: skip


def test_what_does_not_start(service: Process, tmp_path: Path) -> None:
    """What is unsafe or cannot work ends with status 2 and says what to do."""
    for arguments, said in (
        (["--host", "0.0.0.0"], "dedup serve-key NAME --keys FILE"),  # noqa: S104 - what is tested
        (["--workers", "2"], "one process"),
        (["--port", str(service.port)], "choose another --host or --port"),
        (["--keys", str(tmp_path / "none.toml")], "dedup serve-key makes it"),
        (["--index", "redis://user:secret@127.0.0.1:1/0"], "cannot be reached"),
    ):
        ended = dedup("serve", *arguments)
        assert ended.returncode == 2, ended
        assert said in ended.stderr
        assert "Traceback" not in ended.stderr
        assert "secret" not in ended.stderr


def test_a_service_with_keys(tmp_path: Path) -> None:
    """A key is printed once, kept as a hash in a private file, and opens the service."""
    path = tmp_path / "keys.toml"
    made = dedup("serve-key", "crawler", "--keys", str(path), "--write", "--namespace", "news")
    key = made.stdout.strip()
    assert key.startswith("dedup_")
    assert key not in path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o600
    again = dedup("serve-key", "crawler", "--keys", str(path))
    assert again.returncode == 2
    assert "choose another name" in again.stderr
    with Process("--host", "0.0.0.0", "--keys", str(path)) as service:  # noqa: S104 - what is tested
        url = f"http://127.0.0.1:{service.port}/v1/check"
        headers = {"authorization": f"Bearer {key}", "dedup-namespace": "news"}
        body = {"page": "a", "content": A}
        assert httpx.post(url, json=body, headers=headers).status_code == 200
        assert httpx.post(url, json=body).status_code == 401
        headers["dedup-namespace"] = "other"
        assert httpx.post(url, json=body, headers=headers).status_code == 403
    assert key not in "".join(service.lines)
