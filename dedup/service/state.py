"""What a service is started with, and what its routes share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from starlette.requests import Request

from dedup import kernel
from dedup.model import Page
from dedup.report import Report
from dedup.service.edge import notes
from dedup.service.indexes import Indexes
from dedup.service.keys import OPEN, Key, Keys
from dedup.service.limits import Budget, Gate, Limits
from dedup.service.metrics import Metrics
from dedup.service.problems import RETRY, Problem
from dedup.service.rates import Rates, SharedLedger
from dedup.service.shapes import Wishes

T = TypeVar("T")

WATCH_SECONDS = 2.0
"""Seconds after which a key that was removed from the file is refused at the latest."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a service is started with.

    Attributes:
        index: URL of the store.
        settings: the fields of `Settings` that were given; an index that is there has its own.
        namespace: the one that requests mean which name none.
        keys: the file of keys; None: everybody on this machine may do everything.
        limits: how much is taken.
        log_level: what is logged; None: somebody else sees to the logs.
        ledger: the folder in which workers keep what each key has used; None: there is one worker.
    """

    index: str = "memory://"
    settings: dict[str, Any] = field(default_factory=dict)
    namespace: str = "default"
    keys: Path | None = None
    limits: Limits = field(default_factory=Limits)
    log_level: str | None = None
    ledger: Path | None = None


class Service:
    """What the routes share.

    Attributes:
        stopping: set when the server was asked to stop: streams come to an end.
        streams: JSON Lines streams that are open.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.limits = options.limits
        self.keys = Keys(options.keys) if options.keys else None
        self.metrics = Metrics(version(), kernel.NAME)
        self.indexes = Indexes(
            options.index, options.settings, options.limits.namespaces, self.metrics
        )
        self.gate = Gate(options.limits)
        self.budget = Budget(options.limits.held_bytes)
        ledger = SharedLedger(options.ledger) if options.ledger else None
        self.rates = Rates(options.limits.rate, ledger)
        self.stopping = asyncio.Event()
        self.streams = 0

    def key_of(self, request: Request) -> Key:
        """The key that a request carries.

        Raises:
            Problem: there is none, or it is not known.
        """
        if self.keys is None:
            return OPEN
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        found = self.keys.find(key.strip()) if scheme.lower() == "bearer" and key else None
        if found is None:
            said = "this key is not known" if key else "send Authorization: Bearer KEY"
            raise Problem("key-needed", said, {"www-authenticate": 'Bearer realm="dedup"'})
        notes(request.scope)["key"] = found.name
        return found

    async def judge(self, namespace: str, pages: list[Page], wishes: Wishes) -> list[Report]:
        """The reports on pages.

        Raises:
            Problem: it took too long; what was begun goes on, and asking again is safe.
        """
        indexes = self.indexes
        return await self.in_time(
            indexes.lookup(namespace, pages, wishes.threshold)
            if wishes.lookup
            else indexes.check(namespace, pages)
        )

    async def in_time(self, call: Awaitable[T]) -> T:
        """What a call of the index gives, within the time that an answer may take.

        Raises:
            Problem: it took too long.
        """
        seconds = self.limits.answer_seconds
        try:
            async with asyncio.timeout(seconds):
                return await call
        except TimeoutError:
            raise Problem(
                "timeout",
                f"the index had no answer within {seconds:g} s: ask again, which is safe",
                RETRY,
            ) from None

    def measure(self) -> None:
        """Bring the metrics of what is going on up to date."""
        self.metrics.in_work.set(self.gate.working)
        self.metrics.waiting.set(self.gate.waiting)
        self.metrics.held.set(self.budget.held)

    async def watch(self) -> None:
        """Measure, and read the file of keys again when it changes, until the service ends.

        Other workers are asked for metrics as well, so each writes down how it is.
        """
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            self.measure()
            if self.keys is not None:
                await asyncio.to_thread(self.keys.refresh)


def version() -> str:
    """The version of dedup that runs."""
    try:
        return metadata.version("dedup")
    except metadata.PackageNotFoundError:
        return "unknown"
