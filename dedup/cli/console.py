"""The terminal and its streams: messages, progress, colour, width, Ctrl-C.

stdout belongs to the report. Everything here writes to stderr.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self, TextIO, TypeVar

from dedup.findings import Findings
from dedup.reports.columns import cut, printable

Item = TypeVar("Item")

WIDEST = 120
"""Columns beyond which lines are hard to read, however wide the terminal."""

INTERVAL = 0.1
"""Seconds between two states of the progress line."""

LINES_INTERVAL = 30.0
"""Seconds between two lines of progress where nobody watches."""


def say(kind: str, message: str) -> None:
    """Write a message to stderr, on one line, whatever the encoding there."""
    if sys.stderr is None:
        return
    encoding = sys.stderr.encoding or "utf-8"
    line = f"dedup: {kind}: {printable(message)}\n"
    with suppress(OSError):  # nobody listens
        sys.stderr.write(line.encode(encoding, "backslashreplace").decode(encoding))
        sys.stderr.flush()


def width() -> int:
    """Columns for a text report: the terminal's, `COLUMNS`, or 80."""
    return min(shutil.get_terminal_size((80, 24)).columns, WIDEST)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person sees what is written there."""
    return stream is not None and not stream.closed and stream.isatty()


def has_colour(stream: TextIO | None) -> bool:
    """Whether colours are welcome there (https://no-color.org)."""
    dumb = os.environ.get("TERM") == "dumb"
    return is_terminal(stream) and not dumb and not os.environ.get("NO_COLOR")


class Progress:
    """How far a run has come, on stderr: a line that is rewritten, or a line now and then.

    A terminal gets the line that is rewritten; a log file, or whatever else stderr is, gets one
    line every `LINES_INTERVAL`, so that somebody who looks sees that the run goes on.
    """

    def __init__(
        self,
        *,
        shown: bool,
        rewritten: bool = True,
        size: int | None = None,
        position: Callable[[], int] = lambda: 0,
    ) -> None:
        """Begin now.

        Args:
            shown: anything at all.
            rewritten: one line for a terminal, not lines for a file.
            size: what there is to read, in bytes; None: nobody knows.
            position: how much of that was read.
        """
        self._shown = shown
        self._rewritten = rewritten
        self._interval = INTERVAL if rewritten else LINES_INTERVAL
        self._size = size
        self._position = position
        self._start = time.monotonic()
        self._due = self._start + self._interval
        self._pages = self._blocks = self._repeats = self._bytes = 0

    def reading(self, inputs: Iterable[Item]) -> Iterator[Item]:
        """Pass the inputs on, and show meanwhile how far they are."""
        for item in inputs:
            self._show()
            yield item

    def judged(self, found: Findings) -> None:
        """Count a page that was decided."""
        self._pages += 1
        self._bytes += found.size
        self._blocks += found.blocks
        self._repeats += len(found.repeats)
        self._show()

    def clear(self) -> None:
        """Leave the line empty for what follows."""
        if self._shown and self._rewritten:
            self._write("\r\x1b[K")

    def line(self, now: float) -> str:
        """The state at this moment (`time.monotonic`)."""
        passed = max(now - self._start, 1e-9)
        parts = [
            f"{self._pages:,} pages, {self._blocks:,} blocks, {self._repeats:,} repeats",
            f"{self._bytes / 1e6 / passed:.1f} MB/s",
        ]
        done = self._position()
        if self._size and 0 < done <= self._size:
            left = passed * (self._size - done) / done
            parts.append(f"{100 * done // self._size}%, {duration(left)} left")
        return ", ".join(parts)

    def _show(self) -> None:
        now = time.monotonic()
        if not self._shown or now < self._due:
            return
        self._due = now + self._interval
        if self._rewritten:
            line = cut(self.line(now), shutil.get_terminal_size().columns - 1)
            self._write(f"\r\x1b[K{line}")
        else:
            self._write(f"dedup: {self.line(now)}\n")

    def _write(self, line: str) -> None:
        with suppress(OSError):
            sys.stderr.write(line)
            sys.stderr.flush()


def duration(seconds: float) -> str:
    """A time to wait, as people say it: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


class Interruption:
    """Ctrl-C as the end of the input: what was read is judged, what was judged is reported.

    Nothing is torn in the middle of a page, a batch or a line of a report. A second Ctrl-C does not
    wait.

    Attributes:
        happened: somebody pressed Ctrl-C.
    """

    def __init__(self) -> None:
        self.happened = False
        self._reading = False
        self._previous: Any = None

    def __enter__(self) -> Self:
        """Take over Ctrl-C, in the main thread; elsewhere it never arrives."""
        with suppress(ValueError):
            self._previous = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Give it back."""
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def ending(self, inputs: Iterable[Item]) -> Iterator[Item]:
        """The inputs, up to the interruption."""
        iterator = iter(inputs)
        while not self.happened:
            try:
                # Only here may it take long without end: a pipe into which nobody writes.
                self._reading = True
                item = next(iterator)
            except (StopIteration, KeyboardInterrupt):
                return
            finally:
                self._reading = False
            yield item

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if self._reading or self.happened:
            self.happened = True
            raise KeyboardInterrupt
        self.happened = True
