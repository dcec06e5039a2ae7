"""Crawls with asyncio: many pages in flight, in order, bounded, and safe to cancel."""

from __future__ import annotations

import asyncio
import gc
import random
import re
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest
from crawl_site import Site, serve, write_site
from hypothesis import given
from hypothesis import strategies as st
from servers import find_servers, require, start_standalone
from test_index import facts
from test_redis import many_pages

from dedup import AsyncDeduper, Deduper, IndexFailure, Page, PageError, Report, SettingsError
from dedup.batcher import Batcher

aiohttp = pytest.importorskip("aiohttp")

BINARY = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0"


def run(job: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a job; no task is left behind, and no error that nobody looked at."""
    complaints: list[dict[str, Any]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        await job()
        gc.collect()
        for _ in range(5):  # the loop closes what generators were left
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    gc.collect()
    assert not complaints


@pytest.fixture(scope="module")
def site() -> Site:
    """The site of 300 pages."""
    return write_site()


async def crawl(
    address: str, deduper: AsyncDeduper, in_flight: int
) -> AsyncIterator[tuple[str, tuple[str, ...], Report]]:
    """Every page of a site with its paragraphs and its report, in the order of judgement."""
    todo: asyncio.Queue[str] = asyncio.Queue()
    done: asyncio.Queue[tuple[str, tuple[str, ...], Report] | None] = asyncio.Queue()
    known = {"/section/0"}
    todo.put_nowait("/section/0")

    async def work(session: Any) -> None:
        while True:
            path = await todo.get()
            async with session.get(address + path) as response:
                page = await response.text()
            for link in re.findall(r'href="(.*?)"', page):
                if link not in known:
                    known.add(link)
                    todo.put_nowait(link)
            paragraphs = tuple(re.findall(r"<p>(.*?)</p>", page))
            report = await deduper.check(paragraphs, address + path)
            done.put_nowait((address + path, paragraphs, report))
            todo.task_done()

    async def finish() -> None:
        await todo.join()
        done.put_nowait(None)

    connector = aiohttp.TCPConnector(limit=20)  # pages wait for these, and the index for nothing
    async with aiohttp.ClientSession(connector=connector) as session:
        tasks = [asyncio.create_task(work(session)) for _ in range(in_flight)]
        tasks.append(asyncio.create_task(finish()))
        while (result := await done.get()) is not None:
            yield result
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_a_crawl_gives_the_same_verdicts(site: Site) -> None:
    """Two hundred pages in flight get the verdicts that one page after another gets."""

    async def job() -> None:
        with serve(site) as address, Deduper() as one_by_one:
            async with AsyncDeduper() as deduper:
                said: Counter[str] = Counter()
                pages = 0
                async for page, paragraphs, report in crawl(address, deduper, 200):
                    expected = one_by_one.check(paragraphs, page)
                    assert report.unique_parts == expected.unique_parts
                    kinds = [block.repeat and block.repeat.kind for block in report.blocks]
                    assert kinds == [
                        block.repeat and block.repeat.kind for block in expected.blocks
                    ]
                    said.update(site.labels[part] for part in report.unique_parts if part)
                    pages += 1
                assert pages == len(site.pages)
                assert set(said.values()) == {1}
                told = {label for label in site.labels.values() if not label.startswith("teaser")}
                assert told <= said.keys()

    run(job)


class Text(str):
    """A text whose end can be watched."""

    __slots__ = ("__weakref__",)


def test_memory_is_bounded_by_the_tasks() -> None:
    """Of 3,000 pages that 200 tasks check, never many more than 200 are alive."""
    alive: weakref.WeakValueDictionary[int, Text] = weakref.WeakValueDictionary()
    most = 0

    async def job() -> None:
        nonlocal most
        numbers = iter(range(3000))
        async with AsyncDeduper() as deduper:

            async def work() -> None:
                nonlocal most
                for number in numbers:
                    text = alive[number] = Text(f"Page {number} of them says something else. " * 3)
                    most = max(most, len(alive))
                    await deduper.check(text, str(number))

            await asyncio.gather(*(work() for _ in range(200)))
            assert (await deduper.stats()).pages == 3000
        gc.collect()
        assert len(alive) <= 1  # the last report is still a local name somewhere

    run(job)
    assert 200 <= most <= 600


def test_cancelled_tasks_lose_and_leak_nothing() -> None:
    """Tasks that are cancelled at any moment spoil no other's report, and can be done again."""
    pages = many_pages(400)

    async def job() -> None:
        rng = random.Random(3)
        async with AsyncDeduper() as deduper:
            tasks = [asyncio.create_task(deduper.check(*page)) for page in pages]
            cancelled = []
            for task in rng.sample(tasks, 200):
                if rng.random() < 0.3:
                    await asyncio.sleep(0)
                if not task.done():
                    task.cancel()
                    cancelled.append(task)
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert 0 < len(cancelled) < 400
            for task, result, (_, name) in zip(tasks, results, pages, strict=True):
                if isinstance(result, Report):
                    assert result.page == name
                else:
                    assert isinstance(result, asyncio.CancelledError)
                    assert task in cancelled
            again = [await deduper.check(*page) for page in pages]
            stats = await deduper.stats()
            assert stats.pages == len(pages)
            assert stats.originals + stats.repeats == sum(
                len(report.blocks) - report.skipped for report in again
            )

    run(job)


def test_what_is_cancelled_before_its_turn_is_not_checked() -> None:
    """A page taken back in time is unknown to the index."""

    async def job() -> None:
        async with AsyncDeduper() as deduper:
            task = asyncio.create_task(deduper.check(*many_pages(1)[0]))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await deduper.stats()).pages == 0

    run(job)


def test_errors_reach_their_own_caller() -> None:
    """A page that cannot be read, and one that is no page, spoil nothing for the others."""
    pages = many_pages(20)

    async def job() -> None:
        async with AsyncDeduper() as deduper:
            bad: list[Any] = [deduper.check(BINARY, "b"), deduper.check(7, "c")]  # type: ignore[arg-type]
            results = await asyncio.gather(
                *bad, *(deduper.check(*page) for page in pages), return_exceptions=True
            )
            assert isinstance(results[0], PageError)
            assert isinstance(results[1], SettingsError)
            with Deduper() as local:
                expected = [facts(local.check(*page)) for page in pages]
            assert [facts(report) for report in results[2:]] == expected  # type: ignore[arg-type]

    run(job)


def test_an_index_that_fails_is_told_to_everybody_and_comes_back() -> None:
    """Callers of a batch get the failure; when the server is back, so is the deduper."""
    server = start_standalone(require(find_servers(), "server"))
    pages = many_pages(30)

    async def job() -> None:
        async with AsyncDeduper(server.url) as deduper:
            await asyncio.gather(*(deduper.check(*page) for page in pages))
            server.kill()
            results = await asyncio.gather(
                *(deduper.check(*page) for page in pages), return_exceptions=True
            )
            assert all(isinstance(result, IndexFailure) for result in results)

    async def after() -> None:
        async with AsyncDeduper(server.url) as deduper:
            await asyncio.gather(*(deduper.check(*page) for page in pages))
            assert (await deduper.stats()).pages == len(pages)

    run(job)
    server.restart()
    run(after)
    server.stop()


def test_closing_finishes_what_is_under_way() -> None:
    """Checks that were called before `close` are answered."""

    async def job() -> None:
        deduper = AsyncDeduper(gather=0.001)
        tasks = [asyncio.create_task(deduper.check(*page)) for page in many_pages(50)]
        await asyncio.sleep(0)
        await deduper.close()
        assert all(task.done() for task in tasks) or len(await asyncio.gather(*tasks)) == 50

    run(job)


def test_one_deduper_in_two_loops() -> None:
    """A deduper in memory outlives an event loop, though the loop was left with a check waiting."""
    deduper = AsyncDeduper()

    async def leave() -> None:
        asyncio.create_task(deduper.check(*many_pages(1)[0]))  # noqa: RUF006 - left on purpose
        await asyncio.sleep(0)

    asyncio.run(leave())
    report = asyncio.run(deduper.check(*many_pages(2)[1]))
    assert report.page == "page 1"


def test_gather_is_checked() -> None:
    """What cannot be meant is refused."""
    with pytest.raises(SettingsError, match="gather=5: give seconds, from 0 to 1"):
        AsyncDeduper(gather=5)


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=40), st.booleans())
def test_batcher(steps: list[tuple[int, bool]], waits: bool) -> None:  # noqa: FBT001 - drawn
    """Pages are judged in order, each once, and whoever is not cancelled gets its own report."""
    judged: list[str] = []

    async def judge(pages: list[Any]) -> list[Report]:
        judged.extend(page.page for page in pages)
        await asyncio.sleep(0)
        return [Report(page.page) for page in pages]

    async def main() -> None:
        batcher = Batcher(judge, 0.0001 if waits else 0)
        tasks: list[tuple[asyncio.Task[Report], bool]] = []
        for number, (pauses, cancels) in enumerate(steps):
            task = asyncio.create_task(batcher.check(Page("", f"{number}")))
            tasks.append((task, cancels))
            for _ in range(pauses):
                await asyncio.sleep(0)
            if cancels:
                task.cancel()
        results = await asyncio.gather(*(task for task, _ in tasks), return_exceptions=True)
        await batcher.finish()
        for number, (result, (_, cancels)) in enumerate(zip(results, tasks, strict=True)):
            if isinstance(result, Report):
                assert result.page == str(number)
            else:
                assert cancels
        survivors = [str(n) for n, (_, cancels) in enumerate(steps) if not cancels]
        assert set(survivors) <= set(judged)
        assert judged == sorted(set(judged), key=int)

    asyncio.run(main())


# ---- check_many ----------------------------------------------------------------------------------


def test_a_slow_source_is_judged_as_it_comes() -> None:
    """A source that waits for the report on its last page before it gives the next one gets it."""

    async def job() -> None:
        answered = asyncio.Event()

        async def source() -> AsyncIterator[tuple[str, str]]:
            for page in many_pages(5):
                yield page
                await asyncio.wait_for(answered.wait(), 10)
                answered.clear()

        async with AsyncDeduper() as deduper:
            names = []
            async for report in deduper.check_many(source()):
                names.append(report.page)
                answered.set()
        assert names == [f"page {n}" for n in range(5)]

    run(job)


@pytest.mark.parametrize("awaited", [False, True])
def test_back_pressure(awaited: bool) -> None:  # noqa: FBT001 - a parameter
    """Who takes no reports stops the source, at three batches; who leaves ends the reading."""
    given_out = 0

    def endless() -> Iterator[tuple[str, str]]:
        nonlocal given_out
        while True:
            given_out += 1
            yield f"Page {given_out} of a source without an end.", str(given_out)

    async def endless_too() -> AsyncIterator[tuple[str, str]]:
        for page in endless():
            await asyncio.sleep(0)
            yield page

    async def job() -> None:
        nonlocal given_out
        given_out = 0
        async with AsyncDeduper() as deduper:
            source = endless_too() if awaited else endless()
            reports = deduper.check_many(source, batch_pages=10)
            taken = 0
            async for report in reports:
                taken += 1
                assert report.page == str(taken)
                for _ in range(3):  # a consumer that is slower than the source
                    await asyncio.sleep(0)
                assert given_out - taken <= 30
                if taken == 100:
                    break
            await reports.aclose()  # type: ignore[attr-defined]
            before = given_out
            await asyncio.sleep(0.001)
            assert given_out == before

    run(job)


def test_a_source_that_breaks() -> None:
    """What came before its error is judged and reported, then the error is raised."""

    async def source() -> AsyncIterator[tuple[str, str]]:
        for page in many_pages(7):
            yield page
        await asyncio.sleep(0)
        raise ConnectionResetError

    async def job() -> None:
        names = []

        async def take(deduper: AsyncDeduper) -> None:
            async for report in deduper.check_many(source(), batch_pages=5):
                names.append(report.page)  # noqa: PERF401 - what came before the error is wanted

        async with AsyncDeduper() as deduper:
            with pytest.raises(ConnectionResetError):
                await take(deduper)
            assert names == [f"page {n}" for n in range(7)]
            assert (await deduper.stats()).pages == 7

    run(job)


def test_cancelled_in_the_middle() -> None:
    """A task that is cancelled while it waits for a source takes its reader with it."""

    async def job() -> None:
        async def never() -> AsyncIterator[tuple[str, str]]:
            yield many_pages(1)[0]
            await asyncio.Event().wait()

        async def take(deduper: AsyncDeduper) -> None:
            async for _ in deduper.check_many(never()):
                seen.set()

        seen = asyncio.Event()
        async with AsyncDeduper() as deduper:
            task = asyncio.create_task(take(deduper))
            await seen.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            for _ in range(3):  # the loop closes the generator
                await asyncio.sleep(0)

    run(job)
