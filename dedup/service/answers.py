"""Reports as the JSON that is answered: the shapes of `dedup check --format json`, and additions.

What is added on a wish stands beside what is always there; nothing changes its meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dedup.model import Block, Original
from dedup.report import Report
from dedup.reports.json import VERSION, dump, group_object, page_object, summary_object
from dedup.reports.model import Result
from dedup.service.shapes import Wishes


class Answering:
    """Pages of one request, or one stream, on their way out.

    Attributes:
        pages: pages so far.
        blocks: blocks so far.
        repeats: repeats so far.
    """

    def __init__(self, wishes: Wishes) -> None:
        self._wishes = wishes
        self._result = Result()
        self._at_hand: dict[str, Report] = {}
        self.pages = self.blocks = self.repeats = 0

    def page(self, report: Report, *, keep: bool = True) -> dict[str, Any]:
        """A page's object.

        Args:
            report: what was found.
            keep: its texts may be quoted by pages that follow.
        """
        self._result.add(report)
        self.pages += 1
        self.blocks += len(report.blocks)
        self.repeats += len(report.repeats)
        page = page_object(report)
        if report.error is not None:
            return page
        if self._wishes.originals:
            self._at_hand[report.page] = report
        self._quote(report, page)
        if not keep:
            self._at_hand.clear()
        if self._wishes.blocks:
            page["all_blocks"] = [block_object(block) for block in report.blocks]
        if self._wishes.unique_text:
            page["unique_text"] = report.unique_text
        return page

    def whole(self, reports: Sequence[Report]) -> bytes:
        """The answer to one request."""
        answer: dict[str, Any] = {
            "version": VERSION,
            "pages": [self.page(each) for each in reports],
        }
        return dump(answer | self._rest())

    def line(self, report: Report) -> bytes:
        """A page's line of JSON Lines."""
        return dump(self.page(report, keep=False)) + b"\n"

    def last_line(self) -> bytes:
        """The line after all pages."""
        return dump({"version": VERSION, **self._rest()}) + b"\n"

    def _rest(self) -> dict[str, Any]:
        rest: dict[str, Any] = {}
        if self._wishes.groups:
            rest["groups"] = [group_object(group) for group in self._result.groups()]
        return rest | {"summary": summary_object(self._result)}

    def _quote(self, report: Report, page: dict[str, Any]) -> None:
        """Add the originals' texts, where the index has them, or, as wished, this request."""
        found = [block.repeat for block in report.repeats]
        found += [block.extension for block in report.extensions]
        objects = (*page["repeats"], *page.get("extensions", ()))
        for repeat, shown in zip(found, objects, strict=True):
            text = self._text_of(repeat.original) if repeat is not None else None
            if text is not None or self._wishes.originals:
                shown["original"]["text"] = text

    def _text_of(self, original: Original) -> str | None:
        report = self._at_hand.get(original.page)
        if original.text is not None or report is None:
            return original.text
        blocks = report.blocks
        return blocks[original.position].text if original.position < len(blocks) else None


def block_object(block: Block) -> dict[str, Any]:
    """A block as JSON has it, whatever its verdict."""
    verdict = block.repeat.kind if block.repeat else "skipped" if block.skipped else "new"
    found: dict[str, Any] = {
        "position": block.position,
        "text": block.text,
        "start": block.start,
        "end": block.end,
        "line": block.line,
        "path": block.path,
        "hidden": block.hidden,
        "verdict": verdict,
    }
    return found | {"extension": True} if block.extension else found
