"""Many inputs to findings: in order, the same on any number of workers, nothing left behind."""

from __future__ import annotations

import errno
import gzip
import os
import pickle
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import psutil
import pytest
from servers import wait_until

from dedup import Deduper, Page, judging
from dedup.errors import DedupError, InputError
from dedup.findings import Finding, Findings, PackedTexts, Wanted, findings_of
from dedup.inputs import PageFile, UnreadPage, find
from dedup.judging import Input, judge
from dedup.lanes import start_processes

WORDS = [
    "harbour",
    "ferry",
    "tower",
    "clerk",
    "pigeon",
    "quay",
    "customs",
    "seal",
    "breakwater",
    "spring",
    "door",
    "public",
    "repair",
    "hinge",
    "shipyard",
    "island",
    "engine",
    "crane",
    "market",
    "lantern",
    "fog",
    "pilot",
    "tide",
    "rope",
    "anchor",
    "bell",
    "chart",
]


@pytest.fixture(autouse=True)
def workers_are_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is no fork would not have what tests patch.

    Other tests may leave a thread (fsspec has one that never ends), which holds no lock.
    """
    monkeypatch.setattr(threading, "active_count", lambda: 1)


def sentence(rng: random.Random, words: int = 12) -> str:
    """A line of words."""
    return " ".join(rng.choice(WORDS) for _ in range(words))


def crawl(pages: int = 60) -> list[Page | UnreadPage]:
    """Pages of text and HTML that repeat each other's lines, and some that could not be read."""
    rng = random.Random(11)
    shared = [sentence(rng) for _ in range(12)]
    found: list[Page | UnreadPage] = []
    for number in range(pages):
        name = f"site{number % 3}/{number}"
        if number % 17 == 5:
            found.append(UnreadPage(f"{name}.txt", InputError(f"{name} is lost: fetch it again")))
            continue
        lines = [rng.choice(shared) if rng.random() < 0.4 else sentence(rng) for _ in range(8)]
        if number % 2:
            html = "".join(f"<p>{line}</p>\r\n" for line in lines)
            found.append(Page(f"<!doctype html><body>{html}", f"{name}.html"))
        else:
            found.append(Page("\n\n".join(lines).encode(), f"{name}.txt"))
    return found


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make batches of four pages; worker processes start with the second."""
    monkeypatch.setattr(judging, "BATCH_PAGES", 4)


def without_times(found: Findings) -> Any:
    """Findings as values that can be compared, whenever they were made."""
    rows = [row._replace(first_seen=0, last_seen=0) for row in found.repeats + found.extensions]
    return (
        *(found.page, found.error, found.blocks, found.skipped, found.characters, rows),
        *(found.texts, found.lines.tolist(), found.unique_text),
    )


def judged(inputs: Sequence[Input], **options: Any) -> list[Any]:
    """What is found with a new index."""
    with Deduper() as deduper:
        found = judge(deduper, iter(inputs), **options)
        return [without_times(item) for _, item in found]


def test_findings_do_not_depend_on_jobs() -> None:
    """One thread, two and three processes tell the same, and so does the library by itself."""
    inputs = crawl()
    here = judged(inputs)
    assert judged(inputs, jobs=2) == here
    assert judged(inputs, jobs=3) == here
    pages = [item for item in inputs if isinstance(item, Page)]
    with Deduper() as deduper:
        reports = [without_times(findings_of(report)) for report in deduper.check_many(pages)]
    assert [item for item in here if item[1] is None] == reports
    assert sum(len(item[5]) for item in here) > 50


@pytest.mark.parametrize("jobs", [1, 2])
def test_everything_stands_in_its_place(jobs: int) -> None:
    """Every input comes back in order with its own findings, the unread ones with their errors."""
    inputs = [*crawl(), UnreadPage("last", InputError("the last one is lost"))]
    with Deduper() as deduper:
        pairs = list(judge(deduper, iter(inputs), jobs=jobs))
    assert [item for item, _ in pairs] == inputs
    for item, found in pairs:
        assert found.page == item.page
        expected = str(item.error) if isinstance(item, UnreadPage) else None
        assert found.error == expected


@pytest.fixture
def files(tmp_path: Path) -> list[PageFile]:
    """Files with pages, one that is damaged, and one that is passed over."""
    for number, item in enumerate(crawl()):
        if isinstance(item, Page):
            content = item.content.encode() if isinstance(item.content, str) else item.content
            assert isinstance(content, bytes)
            suffix = ".html.gz" if number % 2 else ".txt"
            if number % 2:
                content = gzip.compress(content)[: -9 if number == 7 else None]
            (tmp_path / f"{number:02}{suffix}").write_bytes(content)
    (tmp_path / "20-report.txt").write_text("dedup: no repeats in 3 blocks\n")
    found = list(find([tmp_path]).items())
    assert all(isinstance(item, PageFile) for item in found)
    return found  # type: ignore[return-value]  # as was just asserted


@pytest.mark.parametrize("jobs", [1, 2])
def test_files_are_read_by_workers(jobs: int, files: list[PageFile]) -> None:
    """Files give what their pages give; what is passed over is not there, damage has its place."""
    read = [page for file in files for page in file.read()]
    found = judged(files, jobs=jobs)
    assert found == judged(read)
    assert len(found) == len(files) - 1
    assert [item[1] for item in found if item[1]] == [
        str(item.error) for item in read if isinstance(item, UnreadPage)
    ]
    assert "ends too early" in next(item[1] for item in found if item[1])


@pytest.mark.parametrize("jobs", [1, 2])
def test_files_that_unpack_to_more(
    jobs: int, files: list[PageFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch whose files are larger than anybody expected is judged piece by piece."""
    usual = judged(files)
    pieces = []

    def verdicts(deduper: Deduper, *args: Any, **options: Any) -> Any:
        pieces.append(len(args[1]))
        return Deduper.verdicts(deduper, *args, **options)

    monkeypatch.setattr(judging, "MOST_READ", 300)
    with Deduper() as deduper:
        monkeypatch.setattr(deduper, "verdicts", partial(verdicts, deduper))
        found = judge(deduper, iter(files), jobs=jobs)
        assert [without_times(item) for _, item in found] == usual
    assert set(pieces) <= {0, 1}


@pytest.mark.parametrize("jobs", [1, 2])
def test_looking_only_changes_nothing(jobs: int) -> None:
    """A lookup compares pages with the index and with themselves, and leaves the index alone."""
    rng = random.Random(3)
    old, new = sentence(rng), sentence(rng)
    pages = [Page(f"{old}\n\n{new}\n\n{new}", str(number)) for number in range(20)]
    with Deduper() as deduper:
        deduper.check(old, "first")
        before = deduper.stats()
        found = [item for _, item in judge(deduper, iter(pages), jobs=jobs, look_only=True)]
        assert deduper.stats() == before
    assert {(row.position, row.page) for item in found for row in item.repeats} == {
        (0, "first"),
        *((2, str(number)) for number in range(20)),
    }


def test_only_what_is_wanted_is_told() -> None:
    """Kinds, scopes and a least similarity choose among the repeats; nothing else changes."""
    inputs = crawl()
    everything = judged(inputs, wanted=Wanted(unique_text=True))
    rows = [row for item in everything for row in item[5]]
    choices: list[tuple[Wanted, Callable[[Finding], bool]]] = [
        (Wanted(kinds=frozenset({"near"})), lambda row: row.kind == "near"),
        (Wanted(scopes=frozenset({"site"})), lambda row: row.scope == "site"),
        (Wanted(similarity=0.999), lambda row: row.similarity >= 0.999),
    ]
    for wanted, keeps in choices:
        chosen = judged(inputs, jobs=2, wanted=wanted)
        told = [row for item in chosen for row in item[5]]
        assert told == [row for row in rows if keeps(row)]
        assert [item[:5] for item in chosen] == [item[:5] for item in everything]


def test_reading_is_lazy() -> None:
    """No more than some batches are read ahead of what was told."""
    read = 0

    def reading() -> Iterator[Page | UnreadPage]:
        nonlocal read
        for item in crawl(400):
            read += 1
            yield item

    with Deduper() as deduper:
        for told, _ in enumerate(judge(deduper, reading(), jobs=2)):
            assert read <= told + 4 * (2 * judging.AHEAD * 2 + 2)


def test_nothing_is_left_behind() -> None:
    """A run that is given up half-way ends its workers."""
    with Deduper() as deduper, closing(judge(deduper, iter(crawl(200)), jobs=2)) as run:
        for _ in zip(range(30), run, strict=False):
            pass
        assert len(active_children()) == 2
    assert not active_children()


def test_workers_beside_other_threads() -> None:
    """Where other threads run, and no fork is safe, workers start afresh, and tell the same."""
    inputs = crawl(20)
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert judged(inputs, jobs=2) == judged(inputs)
    finally:
        done.set()
        thread.join()


class Divider:
    """A worker."""

    def divide(self, number: int) -> float:
        """A task that may fail."""
        return 1 / number

    def repeat(self, what: bytes) -> bytes:
        """A task whose answer is as large as its argument."""
        return what

    def no_answer(self) -> object:
        """A task whose answer cannot be sent."""
        return lambda: None


def test_tasks_and_answers_larger_than_a_pipe() -> None:
    """Tasks are sent ahead and answered in order, whatever their size; a lane ends among them."""
    (lane,) = start_processes(Divider, 1)
    sent = [bytes([number]) * 3_000_000 for number in range(8)]
    try:
        answers = [lane.submit(Divider.repeat, what) for what in sent]
        assert [answer.result() for answer in answers] == sent
        answers = [lane.submit(Divider.repeat, what) for what in sent]
    finally:
        lane.close()
    assert all(answer.done() for answer in answers)
    assert not active_children()


def test_answer_that_cannot_be_sent() -> None:
    """It is an error where it is awaited, and the worker goes on."""
    (lane,) = start_processes(Divider, 1)
    try:
        with pytest.raises((AttributeError, pickle.PicklingError)):
            lane.submit(Divider.no_answer).result()
        assert lane.submit(Divider.divide, 4).result() == 0.25
    finally:
        lane.close()


def test_errors_of_workers_come_back() -> None:
    """What a worker process raises is raised where its answer is awaited, and says where it was."""
    (lane,) = start_processes(Divider, 1)
    try:
        assert lane.submit(Divider.divide, 4).result() == 0.25
        with pytest.raises(ZeroDivisionError) as raised:
            lane.submit(Divider.divide, 0).result()
        assert "return 1 / number" in raised.value.__notes__[0]
        assert lane.submit(Divider.divide, number=2).result() == 0.5
    finally:
        lane.close()


def test_too_many_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no room for so many processes, the error says so, and none is left."""
    real = os.fork
    started: list[bool] = []

    def fork() -> int:
        if len(started) == 2:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        started.append(True)
        return real()

    monkeypatch.setattr(os, "fork", fork)
    with Deduper() as deduper, pytest.raises(DedupError, match="use fewer --jobs"):
        list(judge(deduper, iter(crawl()), jobs=3))
    assert not active_children()


def test_worker_that_is_killed() -> None:
    """A worker that ends from outside is an error that says what may have happened."""

    def killing() -> Iterator[Page | UnreadPage]:
        for number, item in enumerate(crawl(400)):
            if number == 40:
                for process in active_children():
                    process.kill()
            yield item

    with Deduper() as deduper, pytest.raises(DedupError, match="out of memory"):
        list(judge(deduper, killing(), jobs=2))


def test_workers_end_with_a_run_that_is_killed(tmp_path: Path) -> None:
    """No worker outlives the process that it works for, however that ends."""
    for number in range(2000):
        (tmp_path / f"{number}.txt").write_text(f"{sentence(random.Random(number))}\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "dedup.cli", "check", str(tmp_path), "-", "--jobs", "2", "-q"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    watched = psutil.Process(process.pid)

    def both_workers() -> list[psutil.Process]:
        found = watched.children(recursive=True)
        return found if len(found) == 2 else []

    found = wait_until(both_workers)
    process.kill()
    process.communicate()

    def runs(one: psutil.Process) -> bool:
        with suppress(psutil.NoSuchProcess):
            return one.is_running() and one.status() != psutil.STATUS_ZOMBIE
        return False

    wait_until(lambda: not any(map(runs, found)))


def test_packed_texts() -> None:
    """Any texts come back from packing as they were."""
    texts = ["", "plain", "ü 港 \U0001f600", "lone \ud800", "nul \0", ""]
    assert PackedTexts.of(texts).unpack() == texts
    assert PackedTexts.of([]).unpack() == []
