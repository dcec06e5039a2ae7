"""Reports: what a run found, told to people and to programs.

`result.Result` brings the findings of a run together; each format is a module of its own that
writes every page as it is decided (`page`) and the rest at the end (`finish`).
"""

from dedup.reports.json import JsonLinesReport, JsonReport
from dedup.reports.model import Summary
from dedup.reports.result import Result
from dedup.reports.text import Look, TextReport

__all__ = ["JsonLinesReport", "JsonReport", "Look", "Result", "Summary", "TextReport"]
