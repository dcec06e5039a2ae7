"""Clients of a service: the dedupers' reports over HTTP, and what becomes of lost answers."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from server_groups import Servers
from servers import start_standalone
from services import Process
from test_async import known_facts
from test_index import TEASER, A, B, counted, facts, pages_strategy
from test_redis import many_pages

from dedup import (
    AsyncClient,
    Block,
    Client,
    Deduper,
    IndexFailure,
    Page,
    PageError,
    PageList,
    PageTooLargeError,
    Report,
    ServiceError,
    SettingsError,
)
from dedup.client_calls import Answer, Calls, Lost, Pause, Send, Steps, whole_text

SAMPLE = Path(__file__).parent.parent / "examples" / "harbour-news.html"
PICTURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A service."""
    with Process("--max-pages", "30", "--max-namespaces", "1000") as running:
        yield running.url


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    """A client with a namespace of its own."""
    with Client(url, namespace=uuid.uuid4().hex) as opened:
        yield opened


def timeless(block: Block) -> Block:
    """The block without times, which differ between two indexes."""
    never = datetime.fromtimestamp(0, UTC)

    def match(found: Any) -> Any:
        original = found and replace(found.original, first_seen=never, last_seen=never)
        return found and replace(found, original=original)

    return replace(block, repeat=match(block.repeat), extension=match(block.extension))


def assert_equal(mine: Report, its: Report) -> None:
    """Two reports say the same."""
    assert list(map(timeless, mine.blocks)) == list(map(timeless, its.blocks))
    assert facts(mine) == facts(its)
    assert (mine.page, mine.site, mine.skipped) == (its.page, its.site, its.skipped)
    assert mine.unique_text == its.unique_text
    assert mine.characters == its.characters
    assert len(mine.extensions) == len(its.extensions)


def test_the_reports_of_the_library(client: Client) -> None:
    """Whatever a deduper says of text, HTML and bytes, a client says too."""
    html = SAMPLE.read_text(encoding="utf-8")
    contents: list[str | bytes] = [
        html, html.encode(), f"{TEASER}\n\n{A} {B}\n\nHi", A, "", "é\n\n\ud800 alone", "日本 " * 30,
    ]  # fmt: skip
    with Deduper() as deduper:
        for at, content in enumerate(contents):
            # A lone surrogate becomes the character that stands for what cannot be shown.
            whole = content.replace("\ud800", "\ufffd") if isinstance(content, str) else content
            page = f"https://example.org/{at}"
            assert_equal(client.check(content, page), deduper.check(whole, page))
            assert_equal(client.lookup(content), deduper.lookup(whole))
        assert_equal(client.lookup(A, threshold=0.9), deduper.lookup(A, threshold=0.9))
        mine, its = client.stats(), deduper.stats()
        assert (mine.pages, mine.originals, mine.repeats) == (its.pages, its.originals, its.repeats)
        for number in (0, 2, 99):
            page = f"https://example.org/{number}"
            assert known_facts(client.page(page)) == known_facts(deduper.page(page))
        repeated = counted(deduper.most_repeated(3))
        assert repeated
        assert counted(client.most_repeated(3)) == repeated
        assert counted(client.most_repeated(3, site="example.org")) == repeated
        assert client.most_repeated(3, site="example.net") == []
        with pytest.raises(SettingsError, match="limit=0"):
            client.most_repeated(0)
        listed, its_list = client.pages(limit=2), deduper.pages(limit=2)
        assert facts_of(listed) == facts_of(its_list)
        assert listed.after
        assert facts_of(client.pages("https://", after=listed.after)) == facts_of(
            deduper.pages("https://", after=its_list.after or "")
        )
        with pytest.raises(SettingsError, match="after='fff'"):
            client.pages(after="fff")
        assert client.page("https://example.org/99") is None
        assert client.forget("https://example.org/0")
        assert not client.forget("https://example.org/0")


def facts_of(found: PageList) -> list[tuple[str, int, int]]:
    """What a list says of each page, times left out."""
    return [(page.page, page.originals, page.repeats) for page in found.pages]


@given(pages=pages_strategy)
@settings(max_examples=20)
def test_any_pages(url: str, pages: list[tuple[str, str]]) -> None:
    """Any sequence of pages gives the reports of a deduper."""
    whole = [(whole_text(content), page) for content, page in pages]
    with Client(url, namespace=uuid.uuid4().hex) as client, Deduper() as deduper:
        for mine, its in zip(client.check_many(pages), deduper.check_many(whole), strict=True):
            assert_equal(mine, its)


def test_many_pages(client: Client) -> None:
    """Batches larger than the service takes are halved; a bad page is reported in its place."""
    pages: list[Any] = [*many_pages(70), (PICTURE, "picture"), Page("x" * 9_000_000, "large")]
    pages.insert(5, Page(A.encode("utf-16"), "utf-16", encoding="utf-16"))
    reports = list(client.check_many(iter(pages), batch_pages=64))
    with Deduper() as deduper:
        for mine, its in zip(reports[:-2], deduper.check_many(pages[:-2]), strict=True):
            assert_equal(mine, its)
    assert isinstance(reports[-2].error, PageError)
    assert isinstance(reports[-1].error, PageTooLargeError)
    with pytest.raises(PageError):
        client.check(PICTURE, "picture")
    with pytest.raises(PageTooLargeError):
        client.check("x" * 9_000_000, "large")


def test_coroutines(url: str) -> None:
    """The asynchronous client says the same, and takes asynchronous sources."""
    pages = many_pages(25)

    async def source() -> AsyncIterator[tuple[str, str]]:
        for page in pages:
            yield page

    async def job() -> None:
        async with AsyncClient(url, namespace=uuid.uuid4().hex) as client:
            with Deduper() as deduper:
                expected = iter(deduper.check_many(pages))
                async for report in client.check_many(source(), batch_pages=7):
                    assert_equal(report, next(expected))
                assert_equal(await client.check(A, "a"), deduper.check(A, "a"))
                assert_equal(await client.lookup(A), deduper.lookup(A))
                assert known_facts(await client.page("a")) == known_facts(deduper.page("a"))
                repeated = counted(await client.most_repeated())
                assert repeated == counted(deduper.most_repeated())
                assert facts_of(await client.pages("a")) == facts_of(deduper.pages("a"))
                assert await client.forget("a") == deduper.forget("a")
                assert (await client.stats()).pages == deduper.stats().pages

    asyncio.run(job())


def test_originals_with_their_text(redis_servers: Servers) -> None:
    """Where the index keeps texts, a client gets them."""
    valkey = redis_servers.get("valkey", start_standalone).url
    namespace = uuid.uuid4().hex
    keeping = ("--index", valkey, "--keep", "text", "--namespace", namespace)
    with Process(*keeping) as service, Client(service.url) as client:
        client.check(A, "a")
        (block,) = client.check(A, "b").repeats
        assert block.repeat
        assert block.repeat.original.text == A
        with Deduper(valkey, namespace=namespace, keep="text") as deduper:
            assert client.page("b") == deduper.page("b")
            assert client.most_repeated() == deduper.most_repeated()
    with Deduper(valkey, namespace=namespace, keep="text") as deduper:
        deduper.clear()


def test_the_same_methods() -> None:
    """Clients have the dedupers' methods with the same parameters, but for what HTTP lacks."""
    missing = {"add_minhashes", "clear", "settings_with", "verdicts"}
    for name, method in inspect.getmembers(Deduper, inspect.isfunction):
        if not name.startswith("_") and name not in missing:
            for kind in (Client, AsyncClient):
                found = list(inspect.signature(getattr(kind, name)).parameters)
                assert found == list(inspect.signature(method).parameters)


# ---- what becomes of answers, without a service --------------------------------------------------

REFUSED = Answer(503, {"retry-after": "2", "content-type": "text/html"}, b"")
GONE = Answer(204, {}, b"")


def problem(name: str, status: int = 422, **headers: str) -> Answer:
    """A problem as a service answers it."""
    body = json.dumps({"type": f"/docs#{name}", "detail": f"about {name}"}).encode()
    return Answer(status, {"content-type": "application/problem+json", **headers}, body)


def play(steps: Steps[Any], *answers: Answer | Lost) -> tuple[Any, list[Send | Pause]]:
    """Drive a call with these answers; its result and what it wanted."""
    wanted: list[Send | Pause] = []
    left = list(answers)
    try:
        step = next(steps)
        while True:
            wanted.append(step)
            step = steps.send(None if isinstance(step, Pause) else left.pop(0))
    except StopIteration as stop:
        assert not left
        return stop.value, wanted


def calls(tries: int = 3) -> Calls:
    """The calls of a client."""
    return Calls("http://localhost:1", tries)


def test_what_is_lost_is_sent_again() -> None:
    """Lost answers and a service without time lead to another try, later each time."""
    found, wanted = play(calls().forget("a"), Lost("reset"), REFUSED, GONE)
    assert found is True
    sends = [step for step in wanted if isinstance(step, Send)]
    assert sends == [Send("DELETE", "/v1/pages/a")] * 3
    short, said = (step.seconds for step in wanted if isinstance(step, Pause))
    assert 0.1 <= short <= 0.15
    assert 2 <= said <= 3


def test_an_end_of_trying() -> None:
    """After the last try the error says what happened."""
    with pytest.raises(ServiceError, match="does not answer \\(reset\\)"):
        play(calls().stats(), *[Lost("reset")] * 3)
    with pytest.raises(ServiceError, match="about overloaded") as caught:
        play(calls().stats(), *[problem("overloaded", 503, **{"x-request-id": "7"})] * 3)
    assert (caught.value.status, caught.value.problem) == (503, "overloaded")
    assert caught.value.request_id == "7"


def test_a_page_that_was_forgotten_by_a_lost_call() -> None:
    """A page that is gone after an answer was lost was there; else it was not."""
    assert play(calls().forget("a"), Lost("reset"), problem("not-found", 404))[0] is True
    assert play(calls().forget("a"), problem("not-found", 404))[0] is False


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (problem("invalid"), SettingsError, "about invalid"),
        (problem("index", 503), IndexFailure, "about index"),
        (problem("key-needed", 401), ServiceError, "about key-needed"),
        (Answer(200, {}, b"<html>"), ServiceError, "something else"),
        (Answer(404, {"content-type": "text/html"}, b""), ServiceError, "something else"),
        (Answer(200, {}, b'{"pages": [{}]}'), ServiceError, "something else"),
        (Answer(200, {}, b'{"pages": []}'), ServiceError, "something else"),
    ],
)
def test_errors_in_one_tree(answer: Answer, error: type[Exception], said: str) -> None:
    """Problems are the library's errors where it has them; what is no service is called so."""
    with pytest.raises(error, match=said):
        play(calls(tries=1).check([("text", "a")]), answer)


def test_answers_of_another_kind() -> None:
    """What tells of no page, and of no originals, is called no service."""
    said = Answer(200, {}, b'{"version": 1, "page": "a", "blocks": [{}], "originals": [{}]}')
    for steps in (calls().page("a"), calls().most_repeated(3)):
        with pytest.raises(ServiceError, match="something else"):
            play(steps, said)
    assert play(calls().page("a/."), problem("not-found", 404)) == (
        None,
        [Send("GET", "/v1/pages/a%2F%2E")],
    )


def test_what_cannot_be_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL that is none, no tries, odd keys and a missing library are refused at once."""
    with pytest.raises(SettingsError, match="http://localhost"):
        Client("localhost:8000")
    with pytest.raises(SettingsError, match="tries=0"):
        Client("http://localhost", tries=0)
    with pytest.raises(SettingsError, match="ASCII"):
        Client("http://localhost", key="ü\n")
    with Client("http://localhost", key="secret") as client:
        assert "secret" not in repr(client)
        with pytest.raises(SettingsError, match="whole characters"):
            client.forget("\ud800")
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(SettingsError, match=r"pip install 'dedup\[client\]'"):
        Client("http://localhost")
