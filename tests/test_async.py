"""The deduper as coroutines: the same reports, shared by tasks, safe to cancel."""

from __future__ import annotations

import asyncio
import inspect
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from server_groups import Servers
from servers import start_standalone
from test_index import INDEXES, LONG, A, B, counted, facts
from test_redis import many_pages

from dedup import AsyncDeduper, Deduper, PageEntry, PageError, SettingsError


@pytest.fixture(params=INDEXES)
def url(request: pytest.FixtureRequest, redis_servers: Servers, tmp_path: Path) -> str:
    """Every kind of store."""
    return INDEXES[request.param](redis_servers, tmp_path)


def run(job: Callable[[AsyncDeduper], Coroutine[Any, Any, None]], url: str) -> None:
    """Run a job with a deduper of its own."""

    async def main() -> None:
        async with AsyncDeduper(url, namespace=uuid.uuid4().hex) as deduper:
            await job(deduper)
            await deduper.clear()

    asyncio.run(main())


def known_facts(known: PageEntry | None) -> list[tuple[object, ...]]:
    """What is known of a page, times left out."""
    if known is None:
        return []
    return [(b.position, b.owned, *counted([b.original])) for b in known.blocks]


def test_the_same_reports(url: str) -> None:
    """An asynchronous check of an asynchronous source gives what the blocking one gives."""
    pages = many_pages(30)

    async def source() -> AsyncIterator[tuple[str, str]]:
        for page in pages:
            await asyncio.sleep(0)
            yield page

    async def job(deduper: AsyncDeduper) -> None:
        with Deduper() as local:
            found = [facts(report) async for report in deduper.check_many(source(), batch_pages=7)]
            assert found == [facts(report) for report in local.check_many(pages)]
            again = [facts(report) async for report in deduper.check_many(pages[:5])]
            assert again == [facts(local.check(*page)) for page in pages[:5]]
            assert facts(await deduper.lookup(LONG)) == facts(local.lookup(LONG))
            for name in (pages[0][1], pages[7][1], "nowhere"):
                mine_known, its_known = await deduper.page(name), local.page(name)
                assert known_facts(mine_known) == known_facts(its_known)
            repeated = counted(await deduper.most_repeated(500))
            assert sorted(repeated) == sorted(counted(local.most_repeated(500)))
            assert await deduper.forget(pages[0][1]) == local.forget(pages[0][1])
            mine, its = await deduper.stats(), local.stats()
            assert (mine.pages, mine.originals) == (its.pages, its.originals)

    run(job, url)


def test_tasks_share_a_deduper(url: str) -> None:
    """Many tasks that check the same blocks at once agree on one original for each."""

    async def job(deduper: AsyncDeduper) -> None:
        blocks = [f"{B} Number {n} of them was {'xyzuvw'[n % 6] * 4} that day." for n in range(12)]
        checks = [
            deduper.check(block, f"{t}/{n}") for t in range(5) for n, block in enumerate(blocks)
        ]
        reports = await asyncio.gather(*checks)
        survivors = sum(not report.repeats for report in reports)
        stats = await deduper.stats()
        assert (stats.pages, stats.originals) == (60, survivors)
        assert survivors <= len(blocks)

    run(job, url)


def test_cancelling_leaves_the_index_whole(redis_servers: Servers) -> None:
    """A check that is cancelled at any moment can be done again, and nothing of it stays behind."""
    url = redis_servers.get("valkey", start_standalone).url
    content = "\n\n".join([A, B, LONG, A.replace("Monday", "Friday")])

    async def job(deduper: AsyncDeduper) -> None:
        await deduper.check(A, "first")
        for delay in range(12):
            task = asyncio.create_task(deduper.check(content, "page"))
            await asyncio.sleep(delay / 2000)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        with Deduper() as local:
            local.check(A, "first")
            assert facts(await deduper.check(content, "page")) == facts(
                local.check(content, "page")
            )
            mine, its = await deduper.stats(), local.stats()
            assert (mine.pages, mine.originals, mine.repeats) == (2, its.originals, its.repeats)
        await deduper.forget("page")
        await deduper.forget("first")
        assert (await deduper.stats()).originals == 0

    run(job, url)


def test_the_same_methods() -> None:
    """Both dedupers have the same methods with the same parameters."""
    for name, method in inspect.getmembers(Deduper, inspect.isfunction):
        if not name.startswith("_"):
            other = getattr(AsyncDeduper, name)
            assert list(inspect.signature(method).parameters) == list(
                inspect.signature(other).parameters
            )


def test_errors() -> None:
    """Settings are refused at once, and a bad page raises from its own check."""
    with pytest.raises(SettingsError, match="threshold=3"):
        AsyncDeduper(threshold=3)

    async def job(deduper: AsyncDeduper) -> None:
        with pytest.raises(PageError):
            await deduper.check(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", "picture")

    run(job, "memory://")
