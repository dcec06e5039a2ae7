"""Completion as a shell asks for it, in the shells that are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import environment, shell

from dedup.cli import run
from dedup.cli.completion import SHELLS
from dedup.index import STORES


def needs(name: str) -> str:
    """The path of a shell; the test skips where it is absent, which CI does not allow for Bash."""
    found = shutil.which(name)
    if found is None:
        if name == "bash" and os.environ.get("CI"):
            pytest.fail(f"needs {name}")
        pytest.skip(f"needs {name}")
    return found


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A PATH on which `dedup` is the code under test; the working directory has some files."""
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "dedup"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m dedup.cli "$@"\n')
    program.chmod(0o755)
    work = tmp_path / "work"
    (work / "crawl").mkdir(parents=True)
    (work / "page.txt").write_text("a page")
    monkeypatch.chdir(work)
    return f"{programs}{os.pathsep}{os.environ['PATH']}"


def asked(line: str) -> set[str]:
    """What the program answers to Bash for a line whose last word is not finished."""
    words = line.split(" ")
    done = shell(_DEDUP_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1))
    assert (done.returncode, done.stderr) == (0, b"")
    return set(done.stdout.decode().split())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("dedup ch", {"plain,check"}),
        ("dedup completion ", {f"plain,{name}" for name in SHELLS}),
        ("dedup check --max-p", {"plain,--max-page-mb"}),
        ("dedup stats --format ", {"plain,text", "plain,json"}),
        ("dedup stats --format=j", {"plain,json"}),
        ("dedup check pag", {"file,pag"}),
        ("dedup check page.txt ", {"file,"}),
        ("dedup check -o re", {"file,re"}),
        ("dedup check --config de", {"file,de"}),
        ("dedup check --index mem", {"file,mem", "plain,memory://"}),
        ("dedup stats --index ", {"file,", *(f"plain,{scheme}://" for scheme in STORES)}),
        ("dedup check --threshold ", set()),
    ],
)
def test_answers(line: str, expected: set[str]) -> None:
    """Commands, options, choices, schemes and files are what can come next."""
    assert asked(line) == expected


def test_broken_settings_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line is completed whatever the files of settings and the environment say."""
    monkeypatch.chdir(tmp_path)
    Path("dedup.toml").write_text("broken [")
    monkeypatch.setenv("DEDUP_NONSENSE", "1")
    assert asked("dedup check --max-p") == {"plain,--max-page-mb"}


@pytest.mark.parametrize("name", SHELLS)
def test_script_is_printed(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Each shell's script names the program and asks it with the variable that click listens to."""
    assert run(["completion", name]) == 0
    captured = capfd.readouterr()
    assert f"_DEDUP_COMPLETE={name}_complete" in captured.out.replace("env ", "")
    assert captured.err == ""


def test_unknown_shell(capfd: pytest.CaptureFixture[str]) -> None:
    """A shell that has no script is an error with those that have."""
    assert run(["completion", "csh"]) == 2
    assert "'csh' is not one of 'bash', 'zsh', 'fish'" in capfd.readouterr().err


BASH = """
eval "$(dedup completion bash)"
complete -p dedup
COMP_WORDS=(dedup check --format j)
COMP_CWORD=3
compopt() { :; }  # only for real key presses
_dedup_completion dedup
echo "${COMPREPLY[@]}"
COMP_WORDS=(dedup check --index unix)
_dedup_completion dedup
echo "${COMPREPLY[@]}"
"""


def test_bash_completes(path: str) -> None:
    """Bash takes the script as it is installed, and completes with it."""
    done = subprocess.run(
        [needs("bash"), "--norc", "-e", "-c", BASH],
        env=environment(PATH=path),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == b""
    registered, choices, schemes = done.stdout.decode().splitlines()
    assert registered.endswith("_dedup_completion dedup")
    assert choices == "json jsonl"
    assert schemes == "unix://"


def test_fish_completes(path: str) -> None:
    """Fish takes the script and completes with it."""
    code = "dedup completion fish | source; complete --do-complete 'dedup check --format j'"
    done = subprocess.run(
        [needs("fish"), "--no-config", "-c", code],
        env=environment(PATH=path),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.decode().split() == ["json", "jsonl"]


def test_zsh_takes_the_script(path: str) -> None:
    """Zsh takes the script after `compinit`, and knows what completes dedup."""
    code = 'autoload -U compinit; compinit -D; eval "$(dedup completion zsh)"; print $_comps[dedup]'
    done = subprocess.run(
        [needs("zsh"), "-f", "-c", code],
        env=environment(PATH=path),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == b"_dedup_completion\n"
