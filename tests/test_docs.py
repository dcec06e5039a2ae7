"""Documentation tells the truth: its examples run, and what it names exists."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYTHON_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


@pytest.mark.parametrize(
    "name", ["README.md", "bench/README.md", "docs/decisions.md", "docs/inputs.md"]
)
def test_examples_run_and_print_what_they_say(name: str) -> None:
    """Python examples run; a comment that follows a print is what it prints."""
    text = (ROOT / name).read_text(encoding="utf-8")
    for code in PYTHON_BLOCK.findall(text):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(code, name, "exec"), {})  # noqa: S102 - our own documentation
        promised = re.findall(r"^# (.*)$", code, re.MULTILINE)
        assert output.getvalue().splitlines() == promised


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "bench/README.md",
        "docs/decisions.md",
        "docs/inputs.md",
        "docs/scrapy.md",
        "examples/README.md",
    ],
)
def test_links_lead_somewhere(name: str) -> None:
    """Relative links name files that are there."""
    path = ROOT / name
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target
