"""The parts that say no: the gate, rates, keys; and the part that joins requests, the batcher."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_cli import environment

from dedup import IndexFailure, InputError, Page, Report, SettingsError
from dedup.batcher import Batcher
from dedup.service.keys import PREFIX, Keys, add_key, read_keys
from dedup.service.limits import Gate, Limits
from dedup.service.problems import Problem
from dedup.service.rates import Rates, SharedLedger


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_the_gate_lets_in_by_size_and_order() -> None:
    """Two are worked on always, more while they are small; those who wait come in order."""

    async def job() -> None:
        gate = Gate(Limits(work_bytes=100, wait_seconds=50))
        order: list[str] = []
        leave = {name: asyncio.Event() for name in "abcde"}

        async def one(name: str, cost: int) -> None:
            async with gate.work(cost):
                order.append(name)
                await leave[name].wait()

        sizes = {"a": 500, "b": 500, "c": 10, "d": 200, "e": 5}
        tasks = [asyncio.create_task(one(name, cost)) for name, cost in sizes.items()]
        await settle()
        assert order == ["a", "b"]
        assert (gate.working, gate.waiting) == (2, 3)
        leave["a"].set()
        await settle()
        assert order == ["a", "b", "c"]
        leave["b"].set()
        await settle()
        assert order == ["a", "b", "c", "d"]  # the second at work may have any size
        leave["d"].set()
        await settle()
        assert order == ["a", "b", "c", "d", "e"]
        for each in leave.values():
            each.set()
        await asyncio.gather(*tasks)
        assert (gate.working, gate.waiting) == (0, 0)

    asyncio.run(job())


def test_the_gate_foretells() -> None:
    """After long waits a newcomer is refused at once; after short ones, or no queue, he is not."""

    async def job() -> None:
        clock = Clock()
        gate = Gate(Limits(work_bytes=10, wait_seconds=1), clock)

        async def hold(event: asyncio.Event) -> None:
            async with gate.work(100, patient=True):
                await event.wait()

        events = [asyncio.Event() for _ in range(8)]
        tasks = [asyncio.create_task(hold(event)) for event in events]
        await settle()
        gate.refuse_if_full(100)
        for event in events[:3]:
            clock.now += 30
            event.set()
            await settle()
        with pytest.raises(Problem, match="more to do"):
            gate.refuse_if_full(100)
        with pytest.raises(Problem, match="more to do"):
            async with gate.work(100):
                pass
        for event in events:
            event.set()
        await asyncio.gather(*tasks)
        gate.refuse_if_full(100)
        async with gate.work(100):
            assert gate.working == 1

    asyncio.run(job())


def at_work(gate: Gate, clock: Clock, seconds: list[float], cost: int) -> list[int]:
    """How many are worked on at once, where there are always more, in turns that take so long."""
    found: list[int] = []

    async def job() -> None:
        inside: list[asyncio.Event] = []

        async def one() -> None:
            async with gate.work(cost, patient=True):
                inside.append(done := asyncio.Event())
                await done.wait()

        tasks = [asyncio.create_task(one()) for _ in range(1000)]
        await settle()
        for each in seconds:
            found.append(gate.working)
            clock.now += each
            for done in inside:
                done.set()
            inside.clear()
            await settle()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(job())
    return found


def test_a_slow_machine_has_less_at_work() -> None:
    """Where work takes too long, less is let in at once, by as much, and more again by and by."""
    clock = Clock()
    gate = Gate(Limits(work_bytes=1000, wait_seconds=0.1), clock)
    assert at_work(gate, clock, [0.09, 0.125, 0.09], 50) == [20, 20, 16]  # a quarter too long
    assert at_work(gate, clock, [1, 1, 1, 1, 1, 1], 50)[2:] == [4, 2, 2, 2]  # two always
    counts = at_work(gate, clock, [0.09] * 60, 50)
    assert counts == sorted(counts)
    assert counts[-1] == 20
    assert at_work(gate, clock, [60, 60], 900) == [2, 2]
    assert at_work(gate, clock, [0.09], 50) == [20]  # what is large takes its time by itself


@given(st.lists(st.tuples(st.integers(1, 300), st.booleans()), max_size=12), st.data())
def test_the_gate_forgets_nobody(wanted: list[tuple[int, bool]], data: st.DataObject) -> None:
    """Whoever gives up at whatever moment, in the end the gate is empty and all others were in."""
    cancelled = [data.draw(st.integers(0, 3)) for _ in wanted]

    async def job() -> None:
        gate = Gate(Limits(work_bytes=200, wait_seconds=50))
        done: list[int] = []

        async def one(at: int, cost: int, patient: bool) -> None:  # noqa: FBT001 - a draw
            async with gate.work(cost, patient=patient):
                await asyncio.sleep(0)
                done.append(at)

        tasks = [asyncio.create_task(one(at, *each)) for at, each in enumerate(wanted)]
        for turn in range(1, 4):
            await asyncio.sleep(0)
            for at, when in enumerate(cancelled):
                if when == turn:
                    tasks[at].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert set(done) >= {at for at, when in enumerate(cancelled) if when == 0}
        assert (gate.working, gate.waiting, gate._bytes, gate._queued) == (0, 0, 0, 0)

    asyncio.run(job())


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 5)), min_size=1, max_size=40))
def test_rates_hold_in_the_long_run(steps: list[tuple[int, float]]) -> None:
    """Pages let in never exceed the rate by more than one request and a second's worth."""
    clock = Clock()
    rates, rate, had, largest = Rates(10, clock=clock), 10.0, 0, 0
    for pages, pause in steps:
        clock.now += pause
        if rates.seconds_to_wait("a", None):
            continue
        rates.charge("a", pages)
        had += pages
        largest = max(largest, pages)
        assert had <= rate * (clock.now - 100) + rate + largest + 1e-6


def test_waiting_as_told_is_enough() -> None:
    """Whoever waits as long as he is told is let in."""
    clock = Clock()
    rates = Rates(3, clock=clock)
    rates.admit("a", None)
    rates.charge("a", 100)
    with pytest.raises(Problem) as caught:
        rates.admit("a", None)
    rates.admit("b", None)
    rates.admit("c", 1e6)
    clock.now += int(caught.value.headers["retry-after"])
    rates.admit("a", None)


def test_workers_count_together(tmp_path: Path) -> None:
    """Of several processes each charges the same accounts; what one key owes is no other's."""
    clock = Clock()
    one, other = (Rates(3, SharedLedger(tmp_path), clock) for _ in range(2))
    one.charge("a", 100)  # it has not been asked for: there is no account
    for turn in range(4):
        worker = (one, other)[turn % 2]
        assert worker.seconds_to_wait("a", None) == 0
        worker.charge("a", 1)
    assert one.seconds_to_wait("a", None) == other.seconds_to_wait("a", None) == 1 / 3
    assert one.seconds_to_wait("b", None) == 0
    clock.now += 1
    other.admit("a", None)


def test_processes_lose_no_charge(tmp_path: Path) -> None:
    """Charges of two processes at the same moment are all there."""
    rates = Rates(1000, SharedLedger(tmp_path), Clock())
    assert rates.seconds_to_wait("a", None) == 0
    code = (
        "import pathlib, sys; from dedup.service.rates import Rates, SharedLedger\n"
        "rates = Rates(1000, SharedLedger(pathlib.Path(sys.argv[1])))\n"
        "for _ in range(2000): rates.charge('a', 1)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    workers = [subprocess.Popen(command, env=environment()) for _ in range(2)]
    assert [worker.wait(timeout=60) for worker in workers] == [0, 0]
    assert rates.seconds_to_wait("a", None) == 3


def pages_of(*names: str) -> list[Page]:
    """Pages of these ids."""
    return [Page("", name) for name in names]


def test_requests_are_joined() -> None:
    """What arrives while two batches are under way goes together, and each gets his own reports."""

    async def job() -> None:
        batches: list[list[str]] = []
        go = asyncio.Event()

        async def check(pages: Any) -> list[Report]:
            batches.append([page.page for page in pages])
            await go.wait()
            return [Report(page.page) for page in pages]

        batcher = Batcher(check, lanes=2)
        calls = []
        for at in range(6):
            calls.append(asyncio.create_task(batcher.check_all(pages_of(f"{at}", f"{at}+"))))
            if at < 2:
                await settle()
        gone = asyncio.create_task(batcher.check_all(pages_of("gone")))
        await settle()
        gone.cancel()
        go.set()
        for at, call in enumerate(calls):
            assert [report.page for report in await call] == [f"{at}", f"{at}+"]
        assert batches[:2] == [["0", "0+"], ["1", "1+"]]
        assert batches[2] == ["2", "2+", "3", "3+", "4", "4+", "5", "5+"]
        assert len(batches) == 3
        await batcher.finish()

    asyncio.run(job())


def test_a_bug_meets_only_who_brought_it() -> None:
    """An index that fails fails the batch; an unexpected error fails one request alone."""

    async def job() -> None:
        started = asyncio.Event()

        async def check(pages: Any) -> list[Report]:
            await started.wait()
            names = [page.page for page in pages]
            if "bug" in names:
                raise ZeroDivisionError
            if "down" in names:
                raise IndexFailure("down")
            return [Report(name) for name in names]

        batcher = Batcher(check, lanes=2)

        async def ask(*names: str) -> list[Any]:
            started.clear()
            calls = []
            for at, name in enumerate(names):
                calls.append(asyncio.create_task(batcher.check_all(pages_of(name))))
                if at < 2:
                    await settle()
            await settle()
            started.set()
            return await asyncio.gather(*calls, return_exceptions=True)

        found = await ask("1", "2", "a", "bug", "b")
        assert [type(each) for each in found] == [list, list, list, ZeroDivisionError, list]
        found = await ask("1", "2", "a", "down")
        assert [type(each) for each in found] == [list, list, IndexFailure, IndexFailure]

    asyncio.run(job())


def test_a_file_of_keys(tmp_path: Path) -> None:
    """Keys are found by what they are, with what they allow; comments in the file are kept."""
    path = tmp_path / "keys.toml"
    path.write_text("# ours\n", encoding="utf-8")
    path.chmod(0o640)
    writer = add_key(path, "writer", scope="write", namespaces=["news", "blogs"], rate=2.5)
    reader = add_key(path, "reader")
    assert writer.startswith(PREFIX)
    keys = Keys(path)
    found = keys.find(writer)
    assert found
    assert (found.name, found.rate) == ("writer", 2.5)
    assert found.allows("write", "news")
    assert not found.allows("read", "other")
    assert not found.allows("read", None)
    other = keys.find(reader)
    assert other
    assert other.allows("read", None)
    assert not other.allows("write", "news")
    assert keys.find(writer + "x") is None
    assert keys.find("\ud800") is None
    assert path.read_text(encoding="utf-8").startswith("# ours\n")
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[key", "no file of keys"),
        ("other = 1", "nothing else"),
        ("key = 1", "nothing else"),
        ("key = [1]", "above each key"),
        ('[[key]]\nname = "a"', "64 digits"),
        (f'[[key]]\nsha256 = "{"0" * 64}"', "name"),
        (f'[[key]]\nname = "a"\nsha256 = "{"0" * 64}"\nscoop = "read"', "scoop"),
        (f'[[key]]\nname = "a"\nsha256 = "{"0" * 64}"\nscope = "all"', "read or write"),
        (f'[[key]]\nname = "a"\nsha256 = "{"0" * 64}"\nnamespaces = []', "leave it out"),
        (f'[[key]]\nname = "a"\nsha256 = "{"0" * 64}"\nrate = 0', "over 0"),
        (f'[[key]]\nname = "a"\nsha256 = "{"0" * 64}"\n' * 2, "twice"),
    ],
)
def test_a_bad_file_of_keys(tmp_path: Path, text: str, said: str) -> None:
    """A file that cannot be meant is refused with its name and what to write."""
    path = tmp_path / "keys.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_keys(path)
    with pytest.raises(InputError):
        Keys(path)
    with pytest.raises(InputError):
        add_key(path, "new")
    assert path.read_text(encoding="utf-8") == text


def test_a_key_that_cannot_be_made(tmp_path: Path) -> None:
    """Odd names, and no file to write to, are refused, and nothing is left behind."""
    with pytest.raises(SettingsError, match="letters"):
        add_key(tmp_path / "keys.toml", 'a"b')
    with pytest.raises(SettingsError, match="namespace"):
        add_key(tmp_path / "keys.toml", "a", namespaces=["a b"])
    with pytest.raises(InputError, match="cannot write"):
        add_key(tmp_path / "none" / "keys.toml", "a")
    assert list(tmp_path.iterdir()) == []
    empty = tmp_path / "empty.toml"
    empty.write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="has no keys"):
        Keys(empty)
