"""Reports as the JSON that is answered: the shapes of `dedup check --format json`, and additions.

What is added on a wish stands beside what is always there; nothing changes its meaning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from dedup.findings import Finding, Findings, findings_of
from dedup.model import Block
from dedup.page_object import page_object
from dedup.report import Report
from dedup.reports.json import VERSION, dump, group_object
from dedup.reports.model import Summary
from dedup.reports.result import Result
from dedup.service.shapes import Wishes


class Answering:
    """Pages of one request, or one stream, on their way out.

    Attributes:
        totals: what was counted so far, by the names of `Summary`; and repeats.
    """

    def __init__(self, wishes: Wishes) -> None:
        self._wishes = wishes
        self._at_hand: dict[str, Report] = {}
        self._wasted = self._characters = 0
        # A database of its own, so only where groups are asked for.
        self._result = Result() if wishes.groups else None
        self.totals: Counter[str] = Counter()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let go of what was gathered."""
        if self._result is not None:
            self._result.close()

    def page(self, report: Report, *, keep: bool = True) -> dict[str, Any]:
        """A page's object.

        Args:
            report: what was found.
            keep: its texts may be quoted by pages that follow.
        """
        found = findings_of(report)
        self._count(found)
        page = page_object(found)
        if report.error is not None:
            return page
        if self._wishes.originals:
            self._at_hand[report.page] = report
        self._quote(found, page)
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

    def _count(self, found: Findings) -> None:
        if self._result is not None:
            self._result.add(found)
        counts = Counter(finding.kind for finding in found.repeats)
        counts.update(
            pages=1,
            blocks=found.blocks,
            skipped=found.skipped,
            errors=found.error is not None,
            repeats=len(found.repeats),
        )
        self.totals += counts
        self._wasted += sum(len(finding.text) for finding in found.repeats)
        self._characters += found.characters

    def _rest(self) -> dict[str, Any]:
        rest: dict[str, Any] = {}
        if self._result is not None:
            result = self._result
            rest["groups"] = [
                group_object(group, members) for group, members in result.groups_with_repetitions()
            ]
        share = self._wasted / self._characters if self._characters else 0.0
        names = ("pages", "blocks", "skipped", "exact", "near", "excerpt", "errors")
        counts = {name: self.totals[name] for name in names}
        return rest | {"summary": asdict(Summary(**counts, repeated_share=round(share, 4)))}

    def _quote(self, found: Findings, page: dict[str, Any]) -> None:
        """Add the originals' texts, where the index has them, or, as wished, this request."""
        objects = (*page["repeats"], *page.get("extensions", ()))
        for finding, shown in zip(found.repeats + found.extensions, objects, strict=True):
            text = self._text_of(finding)
            if text is not None or self._wishes.originals:
                shown["original"]["text"] = text

    def _text_of(self, finding: Finding) -> str | None:
        report = self._at_hand.get(finding.page)
        if finding.original_text is not None or report is None:
            return finding.original_text
        blocks, position = report.blocks, finding.original_position
        return blocks[position].text if position < len(blocks) else None


def noted(answering: Answering) -> dict[str, int]:
    """What is logged of an answer."""
    return {name: answering.totals[name] for name in ("pages", "blocks", "repeats")}


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
