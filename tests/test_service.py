"""The service's routes, asked over ASGI: the library's verdicts, and every refusal."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services import InProcess
from test_index import LONG, TEASER, A, B

from dedup import Deduper, Settings, SettingsError, explain
from dedup.cli import run
from dedup.findings import findings_of
from dedup.page_object import page_object
from dedup.service import shapes
from dedup.service.keys import add_key
from dedup.service.limits import Limits
from dedup.service.problems import KINDS
from dedup.service.serve import Listening, check_start, is_loopback
from dedup.service.state import Options

SAMPLE = Path(__file__).parent.parent / "examples" / "harbour-news.html"
TIMES = re.compile(r'"(first|last)_seen": "[^"]*"')


@pytest.fixture
def service() -> Iterator[InProcess]:
    """A service with an index in memory and no keys."""
    with InProcess() as running:
        yield running


def without_times(value: Any) -> Any:
    """JSON without the times, which differ between two runs."""
    return json.loads(TIMES.sub(r'"\1_seen": ""', json.dumps(value)))


def problem(response: Any, name: str) -> dict[str, Any]:
    """The problem that a response is, checked."""
    assert response.status_code == KINDS[name].status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = response.json()
    assert found["type"] == f"/docs#{name}"
    assert found["status"] == response.status_code
    assert found["request_id"] == response.headers["x-request-id"]
    return found


def test_the_verdicts_of_the_library(service: InProcess) -> None:
    """The sample page gets over HTTP what the library says, as JSON, as HTML and as bytes."""
    html = SAMPLE.read_text(encoding="utf-8")
    with Deduper() as deduper:
        expected = without_times(page_object(findings_of(deduper.check(html, "page"))))
    assert len(expected["repeats"]) == 7
    encoded = base64.b64encode(html.encode()).decode()
    for body in ({"content": html}, {"content_base64": encoded, "encoding": "utf-8"}):
        answer = service.check({"page": "page", **body})
        assert answer.status_code == 200
        assert without_times(answer.json()["pages"]) == [expected]
        assert answer.json()["summary"]["exact"] == 5
    raw = service.ask(
        "POST",
        "/v1/check",
        params={"page": "page"},
        content=html.encode(),
        headers={"content-type": "text/html; charset=utf-8"},
    )
    assert without_times(raw.json()["pages"]) == [expected]


def test_many_pages_in_order(service: InProcess) -> None:
    """Pages of a request are judged in order, and a bad one has its error in its place."""
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0").decode()
    pages = [
        {"page": "a", "content": A},
        {"page": "picture", "content_base64": picture},
        {"page": "b", "content": A},
    ]
    answer = service.check({"pages": pages, "originals": True, "groups": True}).json()
    first, bad, second = answer["pages"]
    assert first["repeats"] == []
    assert "error" in bad
    original = second["repeats"][0]["original"]
    assert (original["page"], original["text"]) == ("a", A)
    assert answer["summary"] | {"repeated_share": 0} == {
        "pages": 3, "blocks": 2, "skipped": 0, "exact": 1, "near": 0, "excerpt": 0,
        "repeated_share": 0, "errors": 1,
    }  # fmt: skip
    assert answer["groups"][0]["members"][0]["page"] == "b"


def test_all_that_can_be_wished(service: InProcess) -> None:
    """All blocks with places and verdicts, and the text without repeats; types as promised."""
    service.check({"page": "short", "content": A})
    content = f"Hello\n\n{B}\n\n{B}\n\n{LONG}"
    wishes = {"blocks": True, "unique_text": True, "originals": True, "groups": True}
    answer = service.check({"page": "x", "content": content, **wishes})
    page = answer.json()["pages"][0]
    with Deduper() as deduper:
        deduper.check(A, "short")
        report = deduper.check(content, "x")
    assert page["unique_text"] == report.unique_text
    verdicts = [block["verdict"] for block in page["all_blocks"]]
    assert verdicts == ["skipped", "new", "exact", "new"]
    assert page["extensions"][0]["original"]["page"] == "short"
    for shown, block in zip(page["all_blocks"], report.blocks, strict=True):
        assert shown["text"] == block.text == content[shown["start"] : shown["end"]]
        assert (shown["position"], shown["line"]) == (block.position, block.line)
        assert shown.get("extension", False) == (block.extension is not None)
    msgspec.convert(answer.json(), shapes.CheckOut)


def test_lookup_changes_nothing(service: InProcess) -> None:
    """A lookup says what a check would, may have another threshold, and makes no namespace."""
    service.check({"page": "a", "content": A})
    near = {"content": A.replace("Monday", "Tuesday"), "lookup": True}
    assert service.check(near).json()["pages"][0]["repeats"][0]["kind"] == "near"
    strict = service.check(near | {"threshold": 0.99}).json()
    assert strict["pages"][0]["repeats"] == []
    assert service.ask("GET", "/v1/stats").json()["pages"] == 1
    elsewhere = {"dedup-namespace": "elsewhere"}
    assert service.check(near, headers=elsewhere).json()["pages"][0]["repeats"] == []
    assert service.ask("GET", "/v1/stats", headers=elsewhere).json()["pages"] == 0
    assert service.service.indexes.namespaces == ["default"]


def test_namespaces_know_nothing_of_each_other(service: InProcess) -> None:
    """What was seen in one namespace is new in another."""
    for name in ("one", "two"):
        answer = service.check({"page": "a", "content": A}, headers={"dedup-namespace": name})
        assert answer.json()["pages"][0]["repeats"] == []
    problem(service.check({}, headers={"dedup-namespace": "a b"}), "invalid")


def test_an_index_in_a_file(tmp_path: Path) -> None:
    """What a service has written to a file is there for the next one, before anybody writes."""
    options = Options(index=str(tmp_path / "index.dedup"))
    with InProcess(options) as service:
        service.check({"page": "a", "content": A})
    with InProcess(options) as service:
        found = service.check({"content": A, "lookup": True}).json()["pages"][0]
        assert found["repeats"][0]["original"]["page"] == "a"
        stats = service.ask("GET", "/v1/stats").json()
        assert stats["pages"] == 1
        assert stats["disk_bytes"] > 0
        assert service.ask("GET", "/readyz").status_code == 200
    with pytest.raises(SettingsError, match="one process"):
        check_start(options, Listening(workers=2))


@pytest.mark.parametrize("page", ["https://x.example/a?b=c#d", "..", "ü/%2F", "a\nb", "a//b/"])
def test_forgetting_any_page(service: InProcess, page: str) -> None:
    """A page whose id is any string can be forgotten, once."""
    from urllib.parse import quote  # noqa: PLC0415

    service.check({"page": page, "content": A})
    path = "/v1/pages/" + quote(page, safe="").replace(".", "%2E")
    assert service.ask("DELETE", path).status_code == 204
    problem(service.ask("DELETE", path), "not-found")
    assert service.check({"page": "b", "content": A}).json()["pages"][0]["repeats"] == []


def test_what_is_known_of_a_page(service: InProcess, keys: dict[str, str]) -> None:
    """What a page owns and repeats, by an id that is any string; a reader may ask for it."""
    content = f"Hello\n\n{A}\n\n{A}"
    for page, path in (("a", "a"), ("ü/%2F?#", "%C3%BC%2F%252F%3F%23")):
        service.check({"page": page, "content": content})
        answer = service.ask("GET", f"/v1/pages/{path}")
        assert answer.status_code == 200
        msgspec.convert(answer.json(), shapes.PageEntryOut)
        assert answer.json()["page"] == page
        blocks = answer.json()["blocks"]
        first = (1, True) if page == "a" else (None, False)
        assert [(b["position"], b["owned"]) for b in blocks] == [first, (None, False)]
        assert {b["original"]["page"] for b in blocks} == {"a"}
    problem(service.ask("GET", "/v1/pages/b"), "not-found")
    problem(service.ask("GET", "/v1/pages/"), "not-found")
    elsewhere = {"dedup-namespace": "elsewhere"}
    problem(service.ask("GET", "/v1/pages/a", headers=elsewhere), "not-found")
    assert service.service.indexes.namespaces == ["default"]
    allowed = service.ask("POST", "/v1/pages/a").headers["allow"]
    assert set(allowed.split(", ")) == {"DELETE", "GET", "HEAD"}
    with InProcess(Options(keys=Path(keys[""]))) as locked:
        problem(locked.ask("GET", "/v1/pages/a"), "key-needed")
        problem(locked.ask("GET", "/v1/pages/a", headers=bearer(keys, "news")), "not-allowed")
        problem(locked.ask("GET", "/v1/pages/a", headers=bearer(keys, "reader")), "not-found")
        answer = locked.ask("GET", "/v1/repeated", headers=bearer(keys, "reader"))
        assert answer.json() == {"version": 1, "originals": []}


def test_the_most_repeated(service: InProcess) -> None:
    """Originals come most repeats first, as many as are wished; a limit that is none is refused."""
    for page in ("a", "b", "c"):
        service.check({"page": page, "content": A if page == "c" else f"{A}\n\n{B}"})
    answer = service.ask("GET", "/v1/repeated")
    msgspec.convert(answer.json(), shapes.RepeatedOut)
    found = answer.json()["originals"]
    assert [(each["position"], each["seen"], each["pages"]) for each in found] == [
        (0, 2, 3),
        (1, 1, 2),
    ]
    one = service.ask("GET", "/v1/repeated", params={"limit": "1"}).json()
    assert one["originals"] == found[:1]
    for query in ({"limit": "0"}, {"limit": "1001"}, {"limit": "x"}, {"top": "3"}):
        problem(service.ask("GET", "/v1/repeated", params=query), "invalid")


def test_the_most_repeated_of_a_site(service: InProcess) -> None:
    """The site is chosen before the first so many are: what other sites repeat takes no place."""
    for page in ("https://a.example/1", "https://a.example/2", "https://b.example/1"):
        service.check({"page": page, "content": A})
    for page in ("https://b.example/2", "https://b.example/3"):
        service.check({"page": page, "content": B})
    query = {"limit": "1", "site": "b.example"}
    (found,) = service.ask("GET", "/v1/repeated", params=query).json()["originals"]
    assert (found["page"], found["seen"]) == ("https://b.example/2", 1)
    assert service.ask("GET", "/v1/repeated", params={"site": "c"}).json()["originals"] == []
    for query in ({"site": ""}, {"site": "x" * 256}):
        problem(service.ask("GET", "/v1/repeated", params=query), "invalid")


def test_the_pages_of_a_namespace(service: InProcess, keys: dict[str, str]) -> None:
    """They come in order, some at a time, by prefix; what cannot be meant is refused."""
    names = [f"https://example.org/{number}?a=b&c" for number in range(5)]
    service.check({"pages": [{"page": name, "content": f"{A}\n\n{B}"} for name in names]})
    first = service.ask("GET", "/v1/pages", params={"limit": "3"}).json()
    msgspec.convert(first, shapes.PagesOut)
    assert [page["page"] for page in first["pages"]] == names[:3]
    counts = [(page["originals"], page["repeats"]) for page in first["pages"]]
    assert counts == [(2, 0), (0, 2), (0, 2)]
    rest = service.ask("GET", "/v1/pages", params={"after": first["after"]}).json()
    assert [page["page"] for page in rest["pages"]] == names[3:]
    assert rest["after"] is None
    some = service.ask("GET", "/v1/pages", params={"prefix": names[2]}).json()
    assert [page["page"] for page in some["pages"]] == names[2:3]
    nowhere = {"Dedup-Namespace": "nowhere"}
    answer = service.ask("GET", "/v1/pages", headers=nowhere)
    assert answer.json() == {"version": 1, "pages": [], "after": None}
    for query in ({"limit": "0"}, {"after": "x"}, {"after": "9" * 101}, {"top": "3"}):
        problem(service.ask("GET", "/v1/pages", params=query), "invalid")
    with InProcess(Options(keys=Path(keys[""]))) as locked:
        problem(locked.ask("GET", "/v1/pages"), "key-needed")
        problem(locked.ask("GET", "/v1/pages", headers=bearer(keys, "news")), "not-allowed")
        assert locked.ask("GET", "/v1/pages", headers=bearer(keys, "reader")).status_code == 200


def test_explain(service: InProcess) -> None:
    """The explanation is the library's."""
    body = {"block": TEASER, "original": LONG, "threshold": 0.9}
    answer = service.ask("POST", "/v1/explain", json=body)
    found = explain(TEASER, LONG, settings=Settings(threshold=0.9))
    assert answer.status_code == 200
    assert answer.json()["verdict"] == found.verdict == "excerpt"
    assert answer.json()["reason"] == found.reason
    assert answer.json()["settings"]["threshold"] == 0.9
    msgspec.convert(answer.json(), shapes.ExplainOut)


def test_stats_and_health(service: InProcess) -> None:
    """What the index holds and was made with; the service is healthy and ready."""
    service.check({"page": "a", "content": f"{A}\n\n{A}"})
    stats = service.ask("GET", "/v1/stats").json()
    assert (stats["pages"], stats["originals"], stats["repeats"]) == (1, 1, 1)
    assert stats["settings"]["threshold"] == 0.5
    msgspec.convert(stats, shapes.StatsOut)
    for path in ("/healthz", "/readyz"):
        assert service.ask("GET", path).json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("name", "request_of"),
    [
        ("malformed", {"content": b"{"}),
        ("malformed", {"content": b"\xff"}),
        ("malformed", {"content": b'{"content": ' + b"[" * 100_000}),
        ("invalid", {"content": b"[]"}),
        ("invalid", {"json": {"page": "a"}}),
        ("invalid", {"json": {"content": "no id"}}),
        ("invalid", {"json": {"page": "a", "content": "x", "content_base64": "eA=="}}),
        ("invalid", {"json": {"page": "a", "content": "x", "nonsense": 1}}),
        ("invalid", {"json": {"page": "a", "content": "x", "threshold": 0.7}}),
        ("invalid", {"json": {"content": "x", "lookup": True, "threshold": 7}}),
        ("invalid", {"json": {"page": "a", "content": "x", "format": "pdf"}}),
        ("page", {"json": {"page": "a", "content_base64": "iVBORw0KGgoAAAANSUhEUgAA"}}),
        ("media-type", {"content": b"{}", "headers": {"content-type": "text/csv"}}),
        ("media-type", {"content": b"{}", "headers": {"content-type": ""}}),
        ("media-type", {"json": {}, "headers": {"content-encoding": "gzip"}}),
    ],
)
def test_bad_requests(service: InProcess, name: str, request_of: dict[str, Any]) -> None:
    """What cannot be meant is refused with what is wrong and what to do."""
    request_of.setdefault("headers", {"content-type": "application/json"})
    found = problem(service.ask("POST", "/v1/check", **request_of), name)
    assert found["detail"]


def test_no_such_thing(service: InProcess) -> None:
    """Unknown paths and methods are problems as well."""
    problem(service.ask("GET", "/v2/check"), "not-found")
    answer = service.ask("PUT", "/v1/check")
    problem(answer, "method")
    assert answer.headers["allow"] == "POST"


def test_size_limits() -> None:
    """Bodies, pages, blocks and texts to explain have limits, each refused by its name."""
    limits = Limits(body_bytes=20_000, pages=3, page_characters=5000, blocks=50)
    with InProcess(Options(limits=limits)) as service:
        problem(service.check({"page": "a", "content": "x" * 20_000}), "too-large")
        problem(service.check({"page": "a", "content": "x" * 6000}), "page-too-large")
        problem(service.check({"pages": [{"page": "a", "content": ""}] * 4}), "too-much")
        many = "\n\n".join(f"block {at}" for at in range(60))
        problem(service.check({"page": "a", "content": many}), "too-much")
        tags = "".join(f"<p>block {at}</p>" for at in range(60))
        problem(service.check({"page": "a", "content": tags}), "too-much")
        not_so_many = "<p>" + "<b>x</b> " * 60
        assert service.check({"page": "a", "content": not_so_many}).status_code == 200
        assert service.service.budget.held == 0
    with InProcess() as service:
        body = {"block": "x" * 100_001, "original": "y"}
        problem(service.ask("POST", "/v1/explain", json=body), "too-much")


def test_a_million_blocks() -> None:
    """A million blocks are refused, before the index gets any."""
    with InProcess() as service:
        content = "\n\n".join(["five words are in it"] * 300_000)
        problem(service.check({"page": "a", "content": content}), "too-much")
        assert service.ask("GET", "/v1/stats").json()["pages"] == 0


def test_only_so_many_namespaces() -> None:
    """Writing does not make namespaces without end."""
    with InProcess(Options(limits=Limits(namespaces=2))) as service:
        for name, status in (("a", 200), ("b", 200), ("c", 422), ("a", 200)):
            headers = {"dedup-namespace": name}
            answer = service.check({"page": "a", "content": A}, headers=headers)
            assert answer.status_code == status


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """A file of keys, and the keys in it by name."""
    path = tmp_path / "keys.toml"
    return {
        "": str(path),
        "writer": add_key(path, "writer", scope="write"),
        "reader": add_key(path, "reader"),
        "news": add_key(path, "news", scope="write", namespaces=["news"]),
        "slow": add_key(path, "slow", scope="write", rate=0.5),
    }


def bearer(keys: dict[str, str], name: str, **headers: str) -> dict[str, str]:
    """The header that carries a key."""
    return {"authorization": f"Bearer {keys[name]}", **headers}


def test_keys(keys: dict[str, str]) -> None:
    """No key or a wrong one: 401. One that does not allow it: 403. Else it is done."""
    body = {"page": "a", "content": A}
    with InProcess(Options(keys=Path(keys[""]))) as service:
        for headers in ({}, {"authorization": "Bearer dedup_wrong"}, {"authorization": "Basic x"}):
            answer = service.check(body, headers=headers)
            problem(answer, "key-needed")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        problem(service.check(body, headers=bearer(keys, "reader")), "not-allowed")
        problem(service.check(body, headers=bearer(keys, "news")), "not-allowed")
        lines = bearer(keys, "reader", **{"content-type": "application/x-ndjson"})
        problem(service.ask("POST", "/v1/check", content=b"{}", headers=lines), "not-allowed")
        problem(service.ask("DELETE", "/v1/pages/a", headers=bearer(keys, "reader")), "not-allowed")
        problem(service.ask("GET", "/metrics", headers=bearer(keys, "news")), "not-allowed")
        assert service.check(body, headers=bearer(keys, "writer")).status_code == 200
        found = service.check(body | {"lookup": True}, headers=bearer(keys, "reader"))
        assert found.status_code == 200
        news = bearer(keys, "news", **{"dedup-namespace": "news"})
        assert service.check(body, headers=news).status_code == 200
        assert service.ask("GET", "/metrics", headers=bearer(keys, "reader")).status_code == 200
        for path in ("/healthz", "/readyz", "/openapi.json", "/docs"):
            assert service.ask("GET", path).status_code == 200


def test_the_rate_of_a_key(keys: dict[str, str]) -> None:
    """Whoever had more pages than his rate allows is told how long to wait; others are not."""
    pages = {"pages": [{"page": str(at), "content": A} for at in range(4)]}
    with InProcess(Options(keys=Path(keys[""]))) as service:
        assert service.check(pages, headers=bearer(keys, "slow")).status_code == 200
        answer = service.check(pages, headers=bearer(keys, "slow"))
        problem(answer, "rate")
        assert 1 <= int(answer.headers["retry-after"]) <= 8
        assert service.check(pages, headers=bearer(keys, "writer")).status_code == 200


def test_keys_are_read_again(keys: dict[str, str]) -> None:
    """A key that is added or removed counts without a restart; a broken file changes nothing."""
    path = Path(keys[""])
    with InProcess(Options(keys=path)) as service:
        assert service.service.keys
        added = add_key(path, "added")
        service.service.keys.refresh()
        header = {"authorization": f"Bearer {added}"}
        assert service.ask("GET", "/v1/stats", headers=header).status_code == 200
        path.write_text("[[key", encoding="utf-8")
        service.service.keys.refresh()
        assert service.ask("GET", "/v1/stats", headers=header).status_code == 200
        path.write_text("", encoding="utf-8")
        service.service.keys.refresh()
        problem(service.ask("GET", "/v1/stats", headers=header), "key-needed")


def test_strangers_are_refused(service: InProcess) -> None:
    """Without keys neither another host name nor a page of another site gets an answer."""
    problem(service.ask("GET", "/v1/stats", headers={"host": "evil.example"}), "wrong-host")
    for headers in (
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:99"},
        {"sec-fetch-site": "cross-site"},
    ):
        problem(service.ask("GET", "/v1/stats", headers=headers), "cross-origin")
    for headers in ({"origin": "http://localhost"}, {"host": "127.0.0.1:8000"}, {"host": "[::1]"}):
        assert service.ask("GET", "/v1/stats", headers=headers).status_code == 200


def test_headers_of_every_answer(service: InProcess) -> None:
    """Request ids come back, or are made; scripts, sniffing and caching are forbidden."""
    answer = service.ask("GET", "/healthz", headers={"x-request-id": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    odd = service.ask("GET", "/healthz", headers={"x-request-id": 'no"way'})
    assert re.fullmatch("[0-9a-f]{32}", odd.headers["x-request-id"])
    for path in ("/healthz", "/docs", "/nowhere", "/openapi.json"):
        headers = service.ask("GET", path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


def test_logs_hold_no_secrets(keys: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    """A request is logged with its key's name and its route, without the key and page ids."""
    caplog.set_level(logging.INFO, "dedup.service")
    with InProcess(Options(keys=Path(keys[""]))) as service:
        for name in ("writer", "reader"):
            service.check({"page": "secret-page", "content": A}, headers=bearer(keys, name))
        service.ask("DELETE", "/v1/pages/secret-page?token=secret", headers=bearer(keys, "writer"))
    fields = [getattr(record, "fields", {}) for record in caplog.records]
    assert [each.get("status") for each in fields] == [200, 403, 204]
    assert fields[0]["key"] == "writer"
    assert fields[2]["route"] == "/v1/pages/{page:page}"
    assert (fields[0]["pages"], fields[0]["blocks"]) == (1, 1)
    said = caplog.text + str(fields)
    assert "secret" not in said
    assert not any(keys[name] in said for name in ("writer", "reader"))


def test_metrics(service: InProcess) -> None:
    """Pages, verdicts, problems, batches and the index's size are counted."""
    service.check({"page": "a", "content": f"Hi\n\n{A}\n\n{A}\n\n{B}"})
    service.check({"content": A, "lookup": True})
    service.check({})
    text = service.ask("GET", "/metrics")
    assert text.headers["content-type"].startswith("text/plain")
    assert service.metric("dedup_pages_total", call="check", outcome="judged") == 1
    for kind, count in {"new": 2, "exact": 1, "skipped": 1, "near": 0}.items():
        assert service.metric("dedup_verdicts_total", call="check", kind=kind) == count
    assert service.metric("dedup_verdicts_total", call="lookup", kind="exact") == 1
    near = A.replace("Monday", "Tuesday")
    service.check({"page": "b", "content": f"Hi\n\n{near}"})
    name = "dedup_block_candidates"
    assert service.metric(f"{name}_count", call="check") == 4  # all that are long enough
    assert service.metric(f"{name}_sum", call="check") == 1  # what has equal text has no candidates
    assert service.metric(f"{name}_bucket", call="check", le="0.0") == 3
    assert service.metric("dedup_problems_total", problem="invalid") == 1
    assert service.metric("dedup_index_originals", namespace="default") == 2
    assert service.metric("dedup_batch_pages_count") == 2
    for name in ("requests_in_work", "requests_waiting", "bodies_bytes"):
        assert f"\ndedup_{name} 0.0" in text.text
    seconds = "dedup_http_request_seconds_count"
    assert service.metric(seconds, route="/v1/check") == 4


def test_a_bug_is_an_answer(service: InProcess, caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected error is logged with its request id, and says nothing of itself outside."""

    async def broken(*_: object) -> None:
        raise ZeroDivisionError("secret of the house")

    service.service.indexes.stats = broken  # type: ignore[assignment]
    answer = service.ask("GET", "/v1/stats")
    found = problem(answer, "internal")
    assert "secret" not in answer.text
    assert "secret of the house" in caplog.text
    assert any(
        getattr(record, "fields", {}).get("request_id") == found["request_id"]
        for record in caplog.records
    )


def lines_of(response: Any) -> list[Any]:
    """The objects of a JSON Lines answer."""
    return [json.loads(line) for line in response.text.splitlines()]


NDJSON = {"content-type": "application/x-ndjson"}


def test_json_lines(service: InProcess) -> None:
    """Each line has its answer in order, bad ones too, and the last line sums up."""
    pages = [{"page": str(at), "content": f"{A} Number {at % 3}."} for at in range(450)]
    lines = [json.dumps(page) for page in pages]
    lines[7] = "not JSON"
    lines[9] = json.dumps({"content": "no id"})
    answer = service.ask("POST", "/v1/check", content="\n".join(lines), headers=NDJSON)
    *found, last = lines_of(answer)
    assert len(found) == 450
    assert [each["page"] for each in found[10:]] == [str(at) for at in range(10, 450)]
    assert "error" in found[7]
    assert "no id" in found[9]["error"]
    with Deduper() as deduper:
        for at, page in enumerate(pages):
            if at not in (7, 9):
                expected = page_object(findings_of(deduper.check(page["content"], page["page"])))
                assert without_times(found[at]) == without_times(expected)
    assert last["summary"]["errors"] == 2
    assert service.service.budget.held == 0
    assert service.service.streams == 0


def test_wishes_for_json_lines(service: InProcess) -> None:
    """What stands in the body of other requests stands in the query of a stream."""
    service.check({"page": "a", "content": A})
    query = {"lookup": "true", "threshold": "0.9", "blocks": "true", "unique_text": "1"}
    body = json.dumps({"content": f"{A}\n\n{B}"})
    answer = service.ask("POST", "/v1/check", params=query, content=body, headers=NDJSON)
    page, last = lines_of(answer)
    assert [block["verdict"] for block in page["all_blocks"]] == ["exact", "new"]
    assert page["unique_text"] == B
    assert last["summary"]["exact"] == 1
    for wrong in (
        {"lookup": "perhaps"},
        {"nonsense": "1"},
        {"threshold": "0.5"},  # not without `lookup`
        {"lookup": "true", "threshold": "null"},
    ):
        answer = service.ask("POST", "/v1/check", params=wrong, content=body, headers=NDJSON)
        problem(answer, "invalid")


def test_a_line_that_is_too_long() -> None:
    """A stream that cannot go on ends with a problem; what came before was answered."""
    with InProcess(Options(limits=Limits(body_bytes=1000))) as service:
        answer = service.ask("POST", "/v1/check", content=b"x" * 2500, headers=NDJSON)
        problem(answer, "too-large")

        async def parts() -> Any:
            yield json.dumps({"page": "a", "content": A}).encode() + b"\n"
            yield b"x" * 900
            yield b"x" * 900
            yield b"x" * 900

        answer = service.ask("POST", "/v1/check", content=parts(), headers=NDJSON)
        first, last = lines_of(answer)
        assert first["page"] == "a"
        assert last["status"] == 413
        assert service.service.budget.held == 0


def test_a_body_that_is_too_large_is_not_read(service: InProcess) -> None:
    """A body of unknown length is read up to its limit and no further."""
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while sent < 200_000_000:
            sent += 1 << 20
            yield b" " * (1 << 20)

    headers = {"content-type": "application/json"}
    answer = service.ask("POST", "/v1/check", content=endless(), headers=headers)
    problem(answer, "too-large")
    assert answer.headers["connection"] == "close"
    assert sent <= service.service.limits.body_bytes + (3 << 20)
    assert service.service.budget.held == 0


def test_a_body_that_never_comes() -> None:
    """A body that does not arrive in time is given up, and so is a stream that falls silent."""
    with InProcess(Options(limits=Limits(body_seconds=0.05))) as service:

        async def silent() -> Any:
            yield json.dumps({"page": "a", "content": A}).encode() + b"\n"
            await asyncio.Event().wait()

        headers = {"content-type": "application/json"}
        problem(service.ask("POST", "/v1/check", content=silent(), headers=headers), "too-slow")
        answer = service.ask("POST", "/v1/check", content=silent(), headers=NDJSON)
        first, last = lines_of(answer)
        assert first["page"] == "a"
        assert last["type"] == "/docs#too-slow"
        assert service.service.budget.held == 0


def test_a_missing_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the service's libraries are missing, the command says what to install."""
    module = sys.modules["dedup.cli.serve"]  # the package's attribute is the command
    monkeypatch.setattr(module, "LIBRARIES", ("nothing_of_this_name",))
    assert run(["serve"]) == 2
    said = capsys.readouterr().err
    assert "pip install 'dedup[server]'" in said


ROUTES = ["/v1/check", "/v1/explain", "/v1/pages/x", "/v1/stats", "/docs", "/", "/metrics", "/x"]


@pytest.fixture(scope="module")
def shared() -> Iterator[InProcess]:
    """One service for a test that Hypothesis runs many times."""
    with InProcess(Options(limits=Limits(body_bytes=100_000))) as running:
        yield running


@given(
    method=st.sampled_from(["GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS"]),
    path=st.sampled_from(ROUTES),
    query=st.binary(max_size=20),
    media=st.sampled_from(
        ["application/json", "application/x-ndjson", "text/plain", "text/html; charset=x", "*/*"]
    ),
    body=st.one_of(
        st.binary(max_size=300),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(
                        ["page", "pages", "content", "lookup", "block", "original", "x"]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=8,
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
@settings(max_examples=200)
def test_nothing_is_a_bug(
    shared: InProcess, method: str, path: str, query: bytes, media: str, body: bytes
) -> None:
    """Any bytes to any route are answered, and never with a bug."""
    from urllib.parse import quote_from_bytes  # noqa: PLC0415

    url = f"{path}?{quote_from_bytes(query, safe='=&%')}"
    answer = shared.ask(method, url, content=body, headers={"content-type": media})
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400 and method != "HEAD":
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("host", "is_so"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("::", False)],  # noqa: S104 - what is tested
)
def test_off_loopback_it_needs_keys(keys: dict[str, str], host: str, is_so: bool) -> None:  # noqa: FBT001 - a parameter
    """Where others reach it, it does not start without keys."""
    assert is_loopback(host) is is_so
    check_start(Options(keys=Path(keys[""])), Listening(host))
    if is_so:
        check_start(Options(), Listening(host))
    else:
        with pytest.raises(SettingsError, match="needs keys"):
            check_start(Options(), Listening(host))


def test_what_does_not_start() -> None:
    """Several workers with an index of one process, half of TLS, an unknown store: refused."""
    with pytest.raises(SettingsError, match="one process"):
        check_start(Options(), Listening(workers=2))
    with pytest.raises(SettingsError, match="both"):
        check_start(Options(), Listening(certificate=SAMPLE))
    with pytest.raises(SettingsError, match="did you mean redis"):
        check_start(Options(index="rediss3://x"), Listening())
    with pytest.raises(SettingsError, match="threshold=7"):
        check_start(Options(settings={"threshold": 7}), Listening())
