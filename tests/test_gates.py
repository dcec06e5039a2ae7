"""What a run may find: gates, baselines, and texts written without their repeats."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup.cli import run
from dedup.cli.unique import LONGEST, file_name

TEASER = "The old customs house opens its doors to the public at last"
OTHER = "Seals return to the breakwater for the third spring running"
THIRD = "The night ferry keeps its old timetable until the end of May"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a crawl of two pages; one block stands on both."""
    monkeypatch.chdir(tmp_path)
    Path("crawl").mkdir()
    Path("crawl/a.txt").write_text(f"{TEASER}\n\n{OTHER}\n")
    Path("crawl/b.txt").write_text(f"{TEASER}\n\n{THIRD}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ([], 1),
        (["--max-repeated-share", "0.2"], 1),
        (["--max-repeated-share", "26%"], 0),
        (["--max-repeated-share", "0.26", "--max-repeats", "0"], 1),
        (["--max-repeated-share", "0.2", "--max-repeats", "5"], 1),
        (["--max-repeated-share", "1.5"], 2),
        (["--max-repeated-share", "-1%"], 2),
        (["--max-repeated-share", "nan"], 2),
        (["--max-repeated-share", "few"], 2),
        (["--min-words", "90"], 0),
        (["--min-words", "90", "--fail-on-empty"], 2),
        (["--min-words", "90", "--fail-on-empty", "--exit-zero"], 2),
        (["--fail-on-empty", "--exit-zero"], 0),
        (["--update-baseline"], 2),
    ],
)
def test_gates(arguments: list[str], status: int) -> None:
    """The exit status follows from what was allowed; what cannot be meant is an error."""
    assert run(["check", "crawl", "-q", *arguments]) == status


def test_only_what_is_new_counts(capfd: pytest.CaptureFixture[str]) -> None:
    """After a baseline was made, known texts are left out on any page, and new ones are told."""
    arguments = ["check", "crawl", "--format", "json", "--baseline", "known.json"]
    assert run(arguments) == 2
    assert "--update-baseline" in capfd.readouterr().err
    assert run([*arguments, "--update-baseline"]) == 0
    assert json.loads(capfd.readouterr().out)["summary"]["exact"] == 1
    assert TEASER in Path("known.json").read_text()

    Path("crawl/c.txt").write_text(f"{TEASER.upper()}\n")
    assert run(arguments) == 0
    summary = json.loads(capfd.readouterr().out)["summary"]
    assert (summary["exact"], summary["known"]) == (0, 2)

    Path("crawl/d.txt").write_text(f"{THIRD}\n")
    assert run(arguments) == 1
    (group,) = json.loads(capfd.readouterr().out)["groups"]
    assert group["text"] == THIRD
    assert run(["check", "crawl", "--baseline", "known.json"]) == 1
    assert "; 2 known repeats left out" in capfd.readouterr().out.replace("\n", " ")


def test_baseline_holds_what_this_run_found(capfd: pytest.CaptureFixture[str]) -> None:
    """An update drops what repeats no longer, and the file is the same for the same findings."""
    update = ["check", "crawl", "--baseline", "known.json", "--update-baseline", "-q"]
    assert run(update) == 0
    first = Path("known.json").read_bytes()
    assert run(update) == 0
    assert Path("known.json").read_bytes() == first
    Path("crawl/b.txt").unlink()
    assert run(update) == 0
    assert json.loads(Path("known.json").read_bytes())["repeats"] == {}
    assert "left out" in capfd.readouterr().out


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"version": 2, "repeats": {}}', '{"version": 1, "repeats": []}']
)
def test_bad_baseline(content: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A file that is no baseline is an error that says so, and it stays as it is."""
    Path("known.json").write_text(content)
    assert run(["check", "crawl", "--baseline", "known.json", "--update-baseline"]) == 2
    said = capfd.readouterr().err
    assert "known.json" in said
    assert "make a new one" in said
    assert Path("known.json").read_text() == content


def test_pages_are_written_without_their_repeats() -> None:
    """Every page has a file with its unique text, in the tree of its ids."""
    Path("crawl/deep").mkdir()
    Path("crawl/deep/c.html").write_text(f"<p>{TEASER}</p><p>Nothing but news from the harbour</p>")
    assert run(["check", "crawl", "-q", "--write-unique", "unique"]) == 1
    files = {
        str(path.relative_to("unique")): path.read_text()
        for path in Path("unique").rglob("*")
        if path.is_file()
    }
    assert files == {
        "crawl/a.txt": f"{TEASER}\n\n{OTHER}\n",
        "crawl/b.txt": f"{THIRD}\n",
        "crawl/deep/c.html.txt": "Nothing but news from the harbour",
    }
    assert run(["check", "unique", "-q"]) == 0


@pytest.mark.parametrize("place", ["crawl", "crawl/unique", "."])
def test_unique_texts_never_mix_with_inputs(place: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A folder that is an input, lies in one or holds one is refused before anything is done."""
    before = sorted(Path("crawl").iterdir())
    assert run(["check", "crawl", "--write-unique", place]) == 2
    assert "choose a folder of its own" in capfd.readouterr().err
    assert sorted(Path("crawl").iterdir()) == before


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("crawl/a.html.gz", "crawl/a.html.txt"),
        ("notes.MD", "notes.MD"),
        ("/var/../x/./a.txt", "var/x/a.txt"),
        ("https://example.org/", "example.org/index.txt"),
        ("https://example.org/a/b?page=2", "example.org/a/b_page=2.txt"),
        ("https://example.org:8080/a.txt", "example.org_8080/a.txt"),
        ("C:\\crawl\\a.txt", "C_/crawl/a.txt"),
        ("../../etc/passwd", "etc/passwd.txt"),
        (".hidden", "_hidden.txt"),
        ("..", "page.txt"),
        ("", "page.txt"),
    ],
)
def test_file_names(page: str, name: str) -> None:
    """A page's file is named after its id."""
    assert file_name(page) == name


@given(st.text(st.characters() | st.sampled_from("/.\\:\0\ud800 "), max_size=600))
def test_file_names_stay_in_their_folder(page: str) -> None:
    """Whatever the id, its file is a relative path below the folder, of parts that can exist."""
    name = file_name(page)
    assert name.endswith((".txt", ".md", ".TXT", ".MD")) or name.lower().endswith((".txt", ".md"))
    assert not Path(name).is_absolute()
    for part in name.split("/"):
        assert part not in {"", ".", ".."}
        assert not part.startswith(".")
        assert len(os.fsencode(part)) <= LONGEST + len(".txt")


def test_same_name_twice() -> None:
    """Two pages whose ids make one name get a file each."""
    Path("crawl/a_.txt").write_text(f"{OTHER}\n")
    Path("crawl/a?.txt").write_text(f"{THIRD}\n")
    assert run(["check", "crawl", "-q", "--write-unique", "unique", "--exit-zero"]) == 0
    assert {path.name for path in Path("unique/crawl").iterdir()} == {
        "a.txt",
        "b.txt",
        "a_.txt",
        "a_~2.txt",
    }
