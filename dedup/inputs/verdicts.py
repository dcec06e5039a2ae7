"""Verdicts and unread pages in one row, in the order of the inputs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from dedup.inputs.model import UnreadPage
from dedup.model import Page

Verdict = TypeVar("Verdict")


def check_inputs(
    check_many: Callable[[Iterable[Page]], Iterable[Verdict]], inputs: Iterable[Page | UnreadPage]
) -> Iterator[Verdict | UnreadPage]:
    """Judge the pages that could be read, and put the others in their places among the verdicts.

    Args:
        check_many: yields one verdict for each page, in order (`Deduper.check_many`).
        inputs: pages and unread pages, consumed as lazily as `check_many` does.
    """
    unread: deque[tuple[int, UnreadPage]] = deque()

    def pages() -> Iterator[Page]:
        count = 0
        for item in inputs:
            if isinstance(item, UnreadPage):
                unread.append((count, item))
            else:
                count += 1
                yield item

    for number, verdict in enumerate(check_many(pages())):
        while unread and unread[0][0] <= number:
            yield unread.popleft()[1]
        yield verdict
    for _, item in unread:
        yield item
