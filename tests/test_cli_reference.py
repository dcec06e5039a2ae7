"""docs/cli.md is what the commands say of themselves."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import click
from test_cli import environment

from dedup.cli import dedup as command_line
from dedup.cli.command import SettingsCommand
from dedup.cli.config import keys_of, variable
from dedup.cli.reference import SETTINGS, reference

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cli.md"


def test_reference_is_current() -> None:
    """The page is the one that the commands give."""
    current = PAGE.read_text(encoding="utf-8") == reference()
    assert current, "docs/cli.md is out of date: run `make docs`"


def test_reference_has_everything() -> None:
    """Every command, option, key and variable is in it."""
    text = reference()
    for name, command in command_line.commands.items():
        (section,) = (part for part in text.split("\n## ") if part.startswith(f"dedup {name}\n"))
        for param in command.params:
            if isinstance(param, click.Option):
                where = section if param.expose_value else text
                assert all(option in where for option in (*param.opts, *param.secondary_opts))
        if isinstance(command, SettingsCommand):
            for key in keys_of(command):
                assert f"| `{key}` | `{variable(key)}` |" in text


def test_example_file_is_valid() -> None:
    """The file of settings in the page has keys that exist."""
    table = tomllib.loads(SETTINGS.split("```toml\n")[1].split("```")[0])
    for command, settings in table.items():
        if isinstance(settings, dict):
            assert settings.keys() <= keys_of(command_line.commands[command]).keys()
        else:
            assert command in keys_of(command_line.commands["check"])


def test_reference_is_quick(tmp_path: Path) -> None:
    """It is written without loading what the commands load."""
    heavy = ["numpy", "turbohtml", "xxhash", "redis", "dedup.reports"]
    code = (
        "import sys; from dedup.cli.reference import main; main(sys.argv[1]);"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    page = tmp_path / "cli.md"
    done = subprocess.run(
        [sys.executable, "-c", code, str(page)],
        env=environment(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == b"[]\n"
    assert page.read_text(encoding="utf-8") == reference()
