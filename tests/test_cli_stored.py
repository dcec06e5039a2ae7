"""The commands that work on an index that outlives its process, over a real server."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from server_groups import Servers
from servers import start_standalone
from test_index import A, B

from dedup import Deduper
from dedup.cli import run, stored


@pytest.fixture
def index(redis_servers: Servers) -> Iterator[list[str]]:
    """Options that name an index of one test's own."""
    url, namespace = redis_servers.get("valkey", start_standalone).url, uuid.uuid4().hex
    yield ["--index", url, "--namespace", namespace]
    from dedup.cli.check import open_deduper  # noqa: PLC0415 - with whatever settings it has

    with open_deduper(url, namespace) as deduper:
        deduper.clear()


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two folders of pages in the working directory."""
    for name, text in (("a/1.txt", A), ("a/2.txt", B), ("b/1.txt", A.replace("Monday", "Friday"))):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def report(capsys: pytest.CaptureFixture[str]) -> Any:
    """The JSON that was written."""
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("pages")
def test_two_runs_share_an_index(index: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What one run checked, the next one finds, and a namespace of another name does not."""
    assert run(["check", "a", *index]) == 0
    capsys.readouterr()
    assert run(["check", "b", "--format", "json", *index]) == 1
    (found,) = report(capsys)["pages"][0]["repeats"]
    assert (found["kind"], found["original"]["page"]) == ("near", "a/1.txt")
    assert run(["check", "b", *index[:2], "--namespace", uuid.uuid4().hex]) == 0


@pytest.mark.usefixtures("pages")
def test_lookup_changes_nothing(index: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A lookup reports what a check would, and leaves the index as it is."""
    assert run(["check", "a", *index]) == 0
    for _ in range(2):
        assert run(["lookup", "b", *index]) == 1
    assert "near" in capsys.readouterr().out
    assert run(["stats", "--format", "json", *index]) == 0
    assert report(capsys)["pages"] == 2


@pytest.mark.usefixtures("pages")
def test_stats_and_forget(index: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Stats say what is there; forgetting a page takes it out; an unknown one is an error."""
    assert run(["check", "a", "b", "--exit-zero", *index]) == 0
    capsys.readouterr()
    assert run(["stats", *index]) == 0
    said = capsys.readouterr().out
    assert "pages      3\n" in said
    assert "repeats    1 (33% of the blocks judged)\n" in said
    assert "threshold 0.5" in said
    assert run(["forget", "a/1.txt", *index]) == 0
    assert run(["forget", "a/9.txt", "a/2.txt", *index]) == 2
    assert "a/9.txt: the index does not know this page" in capsys.readouterr().err
    assert run(["lookup", "a", *index]) == 0


@pytest.mark.usefixtures("pages")
def test_the_index_keeps_its_settings(index: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Commands take the settings of the index; asking for others is an error that names both."""
    assert run(["check", "a", "--threshold", "0.9", *index]) == 0
    assert run(["check", "b", *index]) == 0  # near, but not by the index's threshold
    assert run(["check", "b", "--threshold", "0.7", *index]) == 2
    assert "threshold=0.9, and is opened with threshold=0.7" in capsys.readouterr().err
    assert run(["stats", *index]) == 0
    assert "threshold 0.9" in capsys.readouterr().out
    with Deduper(index[1], namespace=index[3], threshold=0.9) as deduper:
        assert deduper.stats().pages == 3


@pytest.mark.usefixtures("pages")
def test_the_index_keeps_its_duration(index: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """How long originals live is the index's, too; commands that do not say are content with it."""
    assert run(["check", "a", "--expire-after", "7d", *index]) == 0
    assert run(["check", "b", *index]) == 1
    assert run(["check", "b", "--expire-after", "8d", *index]) == 2
    assert "expire_after=604800.0, and is opened with" in capsys.readouterr().err
    assert run(["stats", *index]) == 0
    assert "expire_after 604800.0" in capsys.readouterr().out


@pytest.mark.usefixtures("pages")
def test_a_page_and_the_most_repeated(index: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What a page owns and repeats, and what is repeated most, for people and as JSON."""
    assert run(["check", "a", "b", "--exit-zero", *index]) == 0
    capsys.readouterr()
    assert run(["page", "b/1.txt", *index]) == 0
    said = capsys.readouterr().out
    assert "b/1.txt: 0 originals, 1 repeat\n" in said
    assert "repeats a/1.txt, block 0: repeated 1 time, on 2 pages\n" in said
    assert run(["page", "a/1.txt", *index]) == 0
    assert "block 0        original, repeated 1 time, on 2 pages\n" in capsys.readouterr().out
    assert run(["page", "b/1.txt", "--format", "json", *index]) == 0
    (block,) = report(capsys)["blocks"]
    assert (block["position"], block["owned"]) == (None, False)
    assert (block["original"]["page"], block["original"]["text"]) == ("a/1.txt", None)
    assert run(["page", "c.txt", *index]) == 2
    assert "c.txt: the index does not know this page" in capsys.readouterr().err
    assert run(["repeated", *index]) == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert row.startswith("        1         2  2")
    assert row.endswith("a/1.txt, block 0")
    assert row.index("a/1.txt") == heading.index("original")
    assert run(["repeated", "--limit", "1", "--format", "json", *index]) == 0
    assert report(capsys)["originals"] == [block["original"]]
    assert run(["repeated", "--site", "a", "--format", "json", *index]) == 0
    assert report(capsys)["originals"] == [block["original"]]
    assert run(["repeated", "--site", "b", *index]) == 0
    assert capsys.readouterr().out == "No original is repeated.\n"
    assert run(["repeated", "--limit", "0", *index]) == 2


@pytest.mark.usefixtures("pages")
def test_all_pages(
    index: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every page is listed, or those of a prefix, however many are asked for at once."""
    monkeypatch.setattr(stored, "PART", 2)
    assert run(["check", "a", "b", "--exit-zero", *index]) == 0
    capsys.readouterr()
    assert run(["pages", *index]) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert sorted(row[heading.index("page") :] for row in rows) == ["a/1.txt", "a/2.txt", "b/1.txt"]
    assert run(["pages", "--prefix", "b/", *index]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("        0         1  ")
    assert run(["pages", "--prefix", "a/", "--format", "jsonl", *index]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(page["page"] for page in found) == ["a/1.txt", "a/2.txt"]
    assert {(page["originals"], page["repeats"], page["checked"]) for page in found} == {
        (1, 0, None)
    }


def test_texts_are_harmless(
    index: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids and kept texts cannot steer a terminal; an index in which nothing repeats says so."""
    monkeypatch.setenv("COLUMNS", "60")
    with Deduper(index[1], namespace=index[3], keep="text") as deduper:
        assert run(["repeated", *index]) == 0
        assert capsys.readouterr().out == "No original is repeated.\n"
        deduper.check(f"\x1b[31m{A}\n\n{A}", page="\x1b[2Jp")
    for command in (["page", "\x1b[2Jp"], ["repeated"]):
        assert run([*command, *index]) == 0
        said = capsys.readouterr().out
        assert "\x1b" not in said
        assert "The harbour council" in said
        assert all(len(line) <= 60 for line in said.splitlines() if "council" in line)


def test_a_file_that_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An index in a file is read beside its writer, and tells when a page was checked."""
    place = str(tmp_path / "crawl.dedup")
    with Deduper(place) as deduper:
        deduper.check(A, page="p")
        assert run(["page", "p", "--index", place]) == 0
        assert re.search(
            r"p: 1 original, 0 repeats; last checked \d+-.* UTC", capsys.readouterr().out
        )
        assert run(["repeated", "--index", place]) == 0
