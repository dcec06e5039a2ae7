"""What Prometheus can ask: counters and histograms of one process, or of all workers together.

Several workers share files in `PROMETHEUS_MULTIPROC_DIR`, which `serve.py` sets before the library
is imported. Knows nothing of how requests are answered.
"""

from __future__ import annotations

import os
from collections import Counter as Tally
from collections.abc import Iterable, Mapping

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from dedup.model import Stats
from dedup.report import Report

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
CANDIDATES = (0, 1, 2, 4, 8, 16, 32)
"""Few keys lead to more: each holds four originals at most."""
_KINDS = ("skipped", "new", "exact", "near", "excerpt", "extension")


disable_created_metrics()  # type: ignore[no-untyped-call]


class TallyHistogram(Histogram):
    """A histogram that takes many observations at once: blocks are too many for one at a time."""

    def observe_all(self, tally: Mapping[int, int]) -> None:
        """Take so many observations of each value."""
        for value, count in tally.items():
            self._sum.inc(value * count)
            for bound, bucket in zip(self._upper_bounds, self._buckets, strict=True):
                if value <= bound:
                    bucket.inc(count)
                    break


class Metrics:
    """The service's metrics, in a registry of their own."""

    def __init__(self, version: str, kernel: str) -> None:
        self._registry = registry = CollectorRegistry()
        self._shared = bool(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
        self.requests = Counter(
            "dedup_http_requests",
            "Requests by route, method and status.",
            ("route", "method", "status"),
            registry=registry,
        )
        self.seconds = Histogram(
            "dedup_http_request_seconds",
            "Time from a request's head to the end of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=registry,
        )
        self.problems = Counter(
            "dedup_problems", "Problems answered, by kind.", ("problem",), registry=registry
        )
        self.pages = Counter(
            "dedup_pages", "Pages by what was asked and what came of it.", ("call", "outcome"),
            registry=registry,
        )  # fmt: skip
        self.verdicts = Counter(
            "dedup_verdicts", "Blocks by verdict.", ("call", "kind"), registry=registry
        )
        self.candidates = TallyHistogram(
            "dedup_block_candidates",
            "Originals with which a block was compared, one word pair after another.",
            ("call",),
            buckets=CANDIDATES,
            registry=registry,
        )
        self.index_seconds = Histogram(
            "dedup_index_seconds",
            "Time of a batch: reading, splitting, sketching, and the index's own.",
            ("call",),
            buckets=SECONDS,
            registry=registry,
        )
        self.batch_pages = Histogram(
            "dedup_batch_pages",
            "Pages that went to the index together.",
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
            registry=registry,
        )
        self.index_errors = Counter(
            "dedup_index_errors", "Calls that the index failed.", registry=registry
        )
        self.in_work = self._gauge("dedup_requests_in_work", "Requests that are worked on.")
        self.waiting = self._gauge("dedup_requests_waiting", "Requests that wait for that.")
        self.held = self._gauge("dedup_bodies_bytes", "Bytes of bodies in memory.")
        self._index = {
            field: Gauge(
                f"dedup_index_{field}",
                f"The index's {field}, as asked now.",
                ("namespace",),
                registry=registry,
                multiprocess_mode="mostrecent",
            )
            for field in ("pages", "originals", "repeats", "bytes", "disk_bytes")
        }
        Gauge(
            "dedup_info",
            "Which dedup runs.",
            ("version", "kernel"),
            registry=registry,
            multiprocess_mode="max",
        ).labels(version, kernel).set(1)
        if not self._shared:
            ProcessCollector(registry=registry)

    def _gauge(self, name: str, description: str) -> Gauge:
        return Gauge(name, description, registry=self._registry, multiprocess_mode="livesum")

    def judged(self, call: str, reports: Iterable[Report]) -> None:
        """Count what was decided."""
        pages = {"judged": 0, "error": 0}
        totals = dict.fromkeys(_KINDS, 0)
        candidates = Tally[int]()
        for report in reports:
            pages["error" if report.error else "judged"] += 1
            others = len(report.extensions) + report.skipped
            for block in report.repeats:
                others += 1
                totals[block.repeat.kind if block.repeat else "new"] += 1
            totals["skipped"] += report.skipped
            totals["extension"] += len(report.extensions)
            totals["new"] += len(report.blocks) - others
            candidates.update(report.candidates)
        candidates[0] -= totals["skipped"]  # those were not judged
        self.candidates.labels(call).observe_all(candidates)
        for outcome, count in pages.items():
            self.pages.labels(call, outcome).inc(count)
        for name, count in totals.items():
            self.verdicts.labels(call, name).inc(count)

    def index_holds(self, stats: Stats) -> None:
        """Take the state of an index."""
        for field, gauge in self._index.items():
            gauge.labels(stats.namespace).set(getattr(stats, field))

    def text(self) -> bytes:
        """What is answered to Prometheus."""
        registry = self._registry
        if self._shared:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
