"""Many inputs to their findings, in order, on as many cores as there are.

Workers split, sketch, and tell what was found; this process alone reads and decides, in the order
of the inputs, so what comes out does not depend on how many workers there are. A worker keeps the
pages of a batch until their verdicts come, so that texts need not travel:

    this process    read ───pages──▶                 decide ──verdicts──▶             ──▶ findings
    a worker                split and sketch ─sketches──▶       tell what was found ──┘

One job is a thread of this process. Worker processes start once there is work for them. Knows
nothing of files, reports or terminals.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import replace
from multiprocessing.connection import wait
from types import TracebackType
from typing import NamedTuple, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from dedup.bands import Bands
from dedup.detector import BATCH_PAGES, Batching, Deduper
from dedup.errors import DedupError
from dedup.findings import EVERYTHING, Findings, Wanted, findings_of
from dedup.inputs import UnreadPage
from dedup.model import Page
from dedup.pages import PageBatch
from dedup.settings import Settings
from dedup.sketch import Sketches
from dedup.verdict import Verdicts

BATCHES_HERE = 3
"""Batches (of about a million characters) before worker processes are worth their start."""

AHEAD = 2
"""Batches that each worker has: one to work on, one that waits."""


class Sketched(NamedTuple):
    """What the decision about a batch needs: see `PageBatch`."""

    sketches: Sketches
    names: Sequence[str]
    bounds: npt.NDArray[np.int64]


class Splitter:
    """Splits and sketches batches, keeps them until their verdicts come, tells what was found."""

    def __init__(self, settings: Settings, wanted: Wanted) -> None:
        self._bands: Bands | None = settings.bands
        self._keeps_text = settings.keep == "text"
        self._wanted = wanted
        self._waiting: dict[int, PageBatch] = {}

    def split(self, number: int, pages: Sequence[Page]) -> Sketched:
        """A batch to its sketches."""
        batch = self._waiting[number] = PageBatch(pages, self._bands, places=True)
        sketches = batch.sketches
        # Arrays have room to spare, and texts need not travel unless the index keeps them.
        used = int(sketches.trace_spans.max(initial=0)), int(sketches.key_spans.max(initial=0))
        trimmed = replace(
            sketches, traces=sketches.traces[: used[0]], keys=sketches.keys[: used[1]]
        )
        if not self._keeps_text:
            trimmed = replace(trimmed, buffer=b"", text_bounds=None)
        return Sketched(trimmed, batch.names, batch.bounds)

    def find(self, number: int, verdicts: Verdicts) -> list[Findings]:
        """What was found on each page of a batch, from its verdicts."""
        batch = self._waiting.pop(number)
        return [findings_of(report, self._wanted) for report in batch.reports(verdicts)]


class _Here:
    """A lane: one worker that is a thread of this process."""

    def __init__(self, settings: Settings, wanted: Wanted) -> None:
        self.executor: Executor = ThreadPoolExecutor(max_workers=1)
        splitter = Splitter(settings, wanted)
        self.split, self.find = splitter.split, splitter.find


class _Elsewhere:
    """A lane: one worker that is a process of its own, so a batch comes back to where it waits."""

    def __init__(self, settings: Settings, wanted: Wanted) -> None:
        methods = multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        context.set_forkserver_preload(["dedup.judging"])  # imported once for all workers
        self.executor: Executor = ProcessPoolExecutor(
            1, mp_context=context, initializer=_start, initargs=(settings, wanted)
        )
        self.split, self.find = _split, _find


_Lane: TypeAlias = _Here | _Elsewhere
_Item: TypeAlias = Page | UnreadPage
_splitter: Splitter | None = None
"""That of a worker process."""


def judge(
    deduper: Deduper,
    inputs: Iterable[Page | UnreadPage],
    *,
    jobs: int = 1,
    wanted: Wanted = EVERYTHING,
    look_only: bool = False,
) -> Generator[tuple[Page | UnreadPage, Findings]]:
    """Each input with what was found on it, in order; lazily, a few batches at a time.

    Args:
        deduper: decides.
        inputs: the pages, and what could not be read in their places.
        jobs: workers (1 or more).
        wanted: which repeats are told of.
        look_only: leave the index as it is: pages are compared with it, and each with itself.

    Raises:
        DedupError: the index failed, or a worker ended.
    """
    with _Flow(deduper, wanted, look_only=look_only) as flow:
        try:
            for number, items in enumerate(_batches(inputs)):
                if jobs > 1 and number == 1:
                    flow.start_processes(jobs)
                if jobs > 1 and number == BATCHES_HERE:
                    flow.use_processes()
                flow.split(number, items)
                yield from flow.told()
            yield from flow.rest()
        except BrokenProcessPool as error:
            raise DedupError(
                "a worker process was ended from outside (out of memory?): run again with fewer"
                " --jobs; what the index took before stays there"
            ) from error


class _Flow:
    """Batches on their way through the lanes. Each stage takes them in order."""

    def __init__(self, deduper: Deduper, wanted: Wanted, *, look_only: bool) -> None:
        self._deduper = deduper
        self._wanted = wanted
        self._look_only = look_only
        self._stack = ExitStack()
        self._split: deque[tuple[int, list[_Item], _Lane, Future[Sketched]]] = deque()
        self._decided: deque[tuple[list[_Item], Future[list[Findings]]]] = deque()
        self._lanes: list[_Lane] = [_Here(deduper.settings, wanted)]
        self._started: list[_Elsewhere] = []
        self._stack.enter_context(self._lanes[0].executor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for lane in (*self._lanes, *self._started):
            lane.executor.shutdown(wait=False, cancel_futures=True)
        self._stack.__exit__(kind, error, trace)

    def start_processes(self, jobs: int) -> None:
        """Start so many worker processes: they import what they need while work goes on here."""
        self._started = [_Elsewhere(self._deduper.settings, self._wanted) for _ in range(jobs)]
        for lane in self._started:
            self._stack.enter_context(lane.executor)
            lane.executor.submit(os.getpid)

    def use_processes(self) -> None:
        """From here on, work is for them."""
        self._lanes = [*self._started]

    def split(self, number: int, items: list[_Item]) -> None:
        """Begin with a batch, and decide about an earlier one where enough are under way."""
        lane = self._lanes[number % len(self._lanes)]
        pages = [item for item in items if isinstance(item, Page)]
        future = lane.executor.submit(lane.split, number, pages)
        self._split.append((number, items, lane, future))
        if len(self._split) >= AHEAD * len(self._lanes):
            self._decide()

    def told(self) -> Iterator[tuple[_Item, Findings]]:
        """The findings that are there, and those that too many others wait behind."""
        most = len(self._lanes)
        while self._decided and (self._decided[0][1].done() or len(self._decided) > most):
            yield from self._tell()

    def rest(self) -> Iterator[tuple[_Item, Findings]]:
        """All other findings."""
        while self._split:
            self._decide()
            yield from self.told()
        while self._decided:
            yield from self._tell()

    def _decide(self) -> None:
        number, items, lane, future = self._split.popleft()
        verdicts = self._deduper.verdicts(*future.result(), look_only=self._look_only)
        self._decided.append((items, lane.executor.submit(lane.find, number, verdicts)))

    def _tell(self) -> Iterator[tuple[_Item, Findings]]:
        items, future = self._decided.popleft()
        found = iter(future.result())
        for item in items:
            if isinstance(item, UnreadPage):
                yield item, Findings(item.page, str(item.error))
            else:
                yield item, next(found)


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _batches(inputs: Iterable[_Item]) -> Iterator[list[_Item]]:
    """The inputs in batches, unread ones in their places."""
    batching = Batching(BATCH_PAGES)
    items: list[_Item] = []
    for item in inputs:
        items.append(item)
        is_full = isinstance(item, Page) and batching.add(item)
        if is_full or len(items) >= 2 * BATCH_PAGES:
            yield items
            items = []
    if items:
        yield items


def _start(settings: Settings, wanted: Wanted) -> None:
    """Begin a worker process."""
    global _splitter  # noqa: PLW0603 - a worker process is one splitter
    # Ctrl-C ends the inputs; workers finish what was read.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # The trees of a batch are many objects and no rubbish until its end: to look for cycles among
    # them again and again takes a tenth of the time.
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)
    _splitter = Splitter(settings, wanted)


def _end_with_parent() -> None:
    """Wait until the process that decides is gone, and end with it: it may have been killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _split(number: int, pages: Sequence[Page]) -> Sketched:
    if _splitter is None:
        raise RuntimeError("no splitter: the worker was not started")
    return _splitter.split(number, pages)


def _find(number: int, verdicts: Verdicts) -> list[Findings]:
    if _splitter is None:
        raise RuntimeError("no splitter: the worker was not started")
    return _splitter.find(number, verdicts)
