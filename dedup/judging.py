"""Many inputs to their findings, in order, on as many cores as there are.

Workers read files, split, sketch, and tell what was found; this process alone decides, in the order
of the inputs, so what comes out does not depend on how many workers there are. A worker keeps the
pages of a batch until their verdicts come, so that texts need not travel:

    this process    find ───inputs──▶                        decide ──verdicts──▶      ──▶ findings
    a worker                 read, split, sketch ─sketches──▶          tell what was found ──┘

One job is a thread of this process. Worker processes start with the second batch. Knows nothing of
folders, reports or terminals.
"""

from __future__ import annotations

import gc
import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from itertools import chain, count, islice
from types import TracebackType
from typing import NamedTuple, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from dedup.bands import Bands
from dedup.detector import BATCH_CHARACTERS, BATCH_PAGES, Deduper
from dedup.errors import DedupError
from dedup.findings import EVERYTHING, Findings, Wanted, findings_of
from dedup.inputs import PageFile, UnreadPage
from dedup.lanes import Lane, LostWorkerError, start_processes
from dedup.model import Page
from dedup.pages import PageBatch, characters_of
from dedup.settings import Settings
from dedup.sketch import Sketches
from dedup.verdict import Verdicts

AHEAD = 3
"""Batches for each worker: one to work on, and others that wait, so that none is idle."""

MOST_READ = 8 * BATCH_CHARACTERS
"""Bytes and characters of files that are read at once. A batch holds far fewer, unless its files
unpack to more than anybody expects: then it is judged piece by piece."""

Input: TypeAlias = Page | PageFile | UnreadPage


class Sketched(NamedTuple):
    """What the decision about a batch needs.

    Attributes:
        sketches: see `PageBatch`, as the others.
        names: of its pages.
        bounds: of each page's blocks.
        taken: so many inputs; the rest of the batch is still to be split.
    """

    sketches: Sketches
    names: Sequence[str]
    bounds: npt.NDArray[np.int64]
    taken: int


class Splitter:
    """A worker: splits and sketches batches, keeps them, tells what was found by their verdicts."""

    def __init__(self, settings: Settings, wanted: Wanted) -> None:
        self._bands: Bands | None = settings.bands
        self._keeps_text = settings.keep == "text"
        self._wanted = wanted
        self._waiting: dict[int, tuple[list[UnreadPage | bool], PageBatch]] = {}

    def split(self, number: int, items: Sequence[Input]) -> Sketched:
        """A batch to its sketches."""
        pages: list[Page] = []
        outcomes: list[UnreadPage | bool] = []  # True: a page; False: nothing to tell of
        size = 0
        for item in items:
            if size > MOST_READ:
                break
            read = next(item.read(), None) if isinstance(item, PageFile) else item
            if isinstance(read, Page):
                pages.append(read)
                size += characters_of(read)
            outcomes.append(read if isinstance(read, UnreadPage) else read is not None)
        batch = PageBatch(pages, self._bands, places=True)
        self._waiting[number] = outcomes, batch
        sketches = batch.sketches
        # Arrays have room to spare, and texts need not travel unless the index keeps them.
        used = int(sketches.trace_spans.max(initial=0)), int(sketches.key_spans.max(initial=0))
        trimmed = replace(
            sketches, traces=sketches.traces[: used[0]], keys=sketches.keys[: used[1]]
        )
        if not self._keeps_text:
            trimmed = replace(trimmed, buffer=b"", text_bounds=None)
        return Sketched(trimmed, batch.names, batch.bounds, len(outcomes))

    def find(self, number: int, verdicts: Verdicts) -> list[Findings | None]:
        """What was found on each input of a batch, from its verdicts; None: nothing to tell of."""
        outcomes, batch = self._waiting.pop(number)
        reports = batch.reports(verdicts)
        found: list[Findings | None] = []
        for outcome in outcomes:
            if isinstance(outcome, UnreadPage):
                found.append(Findings(outcome.page, str(outcome.error)))
            else:
                found.append(findings_of(next(reports), self._wanted) if outcome else None)
        return found


def judge(
    deduper: Deduper,
    inputs: Iterable[Input],
    *,
    jobs: int = 1,
    wanted: Wanted = EVERYTHING,
    look_only: bool = False,
) -> Generator[tuple[Input, Findings]]:
    """Each input with what was found on it, in order; lazily, a few batches at a time.

    Args:
        deduper: decides.
        inputs: the pages, read or not, and what could not be read in their places.
        jobs: workers (1 or more).
        wanted: which repeats are told of.
        look_only: leave the index as it is: pages are compared with it, and each with itself.

    Raises:
        DedupError: the index failed, or a worker ended.
    """
    batches = _batches(inputs)
    # One batch alone is not worth a process.
    first = list(islice(batches, 2)) if jobs > 1 else []
    make = partial(_splitter, deduper.settings, wanted, alone=len(first) > 1)
    try:
        lanes = start_processes(make, jobs) if len(first) > 1 else [Lane(make)]
    except OSError as error:
        raise DedupError(
            f"{jobs} worker processes cannot be started ({error.strerror}): use fewer --jobs"
        ) from error
    with _Flow(deduper, lanes, look_only=look_only) as flow:
        try:
            for items in chain(first, batches):
                flow.split(items)
                yield from flow.told()
            yield from flow.rest()
        except LostWorkerError as error:
            raise DedupError(
                "a worker process was ended from outside (out of memory?): run again with fewer"
                " --jobs; what the index took before stays there"
            ) from error


class _Flow:
    """Batches on their way through the lanes. Decisions, and what is told, are in their order."""

    def __init__(
        self, deduper: Deduper, lanes: Sequence[Lane[Splitter]], *, look_only: bool
    ) -> None:
        self._deduper = deduper
        self._lanes = lanes
        self._look_only = look_only
        self._numbers = count()
        self._split: deque[_Splitting] = deque()
        self._decided: deque[tuple[Sequence[Input], Future[list[Findings | None]]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for lane in self._lanes:
            if kind is not None:
                lane.kill()
            lane.close()

    def split(self, items: Sequence[Input]) -> None:
        """Begin with a batch; decide about those that are ready, and wait if too many are not."""
        lane = min(self._lanes, key=lambda lane: lane.waiting)
        self._split.append(self._begin(lane, items))
        most = AHEAD * len(self._lanes)
        while self._split and (self._split[0].sketched.done() or len(self._split) >= most):
            self._decide()

    def told(self) -> Iterator[tuple[Input, Findings]]:
        """The findings that are there, and those that too many others wait behind."""
        most = AHEAD * len(self._lanes)
        while self._decided and (self._decided[0][1].done() or len(self._decided) > most):
            yield from self._tell()

    def rest(self) -> Iterator[tuple[Input, Findings]]:
        """All other findings."""
        while self._split:
            self._decide()
            yield from self.told()
        while self._decided:
            yield from self._tell()

    def _begin(self, lane: Lane[Splitter], items: Sequence[Input]) -> _Splitting:
        number = next(self._numbers)
        return _Splitting(number, items, lane, lane.submit(Splitter.split, number, items))

    def _decide(self) -> None:
        number, items, lane, future = self._split.popleft()
        sketches, names, bounds, taken = future.result()
        if taken < len(items):
            self._split.appendleft(self._begin(lane, items[taken:]))
        verdicts = self._deduper.verdicts(sketches, names, bounds, look_only=self._look_only)
        self._decided.append((items[:taken], lane.submit(Splitter.find, number, verdicts)))

    def _tell(self) -> Iterator[tuple[Input, Findings]]:
        items, future = self._decided.popleft()
        for item, found in zip(items, future.result(), strict=True):
            if found is not None:
                yield item, found


class _Splitting(NamedTuple):
    """A batch that is being split."""

    number: int
    items: Sequence[Input]
    lane: Lane[Splitter]
    sketched: Future[Sketched]


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _batches(inputs: Iterable[Input]) -> Iterator[list[Input]]:
    """The inputs in batches."""
    items: list[Input] = []
    size = 0
    for item in inputs:
        items.append(item)
        if isinstance(item, PageFile):
            size += item.weight
        elif isinstance(item, Page):
            size += characters_of(item)
        if size >= BATCH_CHARACTERS or len(items) >= BATCH_PAGES:
            yield items
            items, size = [], 0
    if items:
        yield items


def _splitter(settings: Settings, wanted: Wanted, *, alone: bool) -> Splitter:
    """A worker, in the process where it is to work."""
    if alone:
        # The trees of a batch are many objects and no rubbish until its end: to look for cycles
        # among them again and again takes a tenth of the time.
        gc.freeze()
        gc.set_threshold(200_000, 20, 20)
    return Splitter(settings, wanted)
