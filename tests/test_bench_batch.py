"""The benchmark of folders: programs are run and measured, the text is what it says."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("datasketch")  # `corpora` needs what benchmarks need

if not sys.platform.startswith("linux"):
    pytest.skip("it reads /proc", allow_module_level=True)

BENCH = Path(__file__).parents[1] / "bench"
sys.path.insert(0, str(BENCH))  # scripts, not a package

import batch  # noqa: E402 - found in BENCH
import corpora  # noqa: E402

NOWHERE = Path("no such folder")


CHILD = """
import pathlib, time
start = time.perf_counter()
held = b"x" * 200_000_000
while not pathlib.Path("looked").exists() and time.perf_counter() < start + 60:
    time.sleep(0.01)
pathlib.Path("took").write_text(str(time.perf_counter() - start))
"""


def test_memory_of_children_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The peak has what a child of the program holds, and the time is that of the whole run."""
    look = batch._resident_pages

    def looked(session: int) -> int:
        """Look, and tell the child, which holds its memory for so long, however busy we are."""
        pages = look(session)
        if pages * os.sysconf("SC_PAGE_SIZE") > 200_000_000:
            (tmp_path / "looked").touch()
        return pages

    monkeypatch.setattr(batch, "_resident_pages", looked)
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"
    seconds, peak = batch.run([sys.executable, "-c", parent], tmp_path)
    assert seconds > float((tmp_path / "took").read_text(encoding="utf-8"))
    assert 200 < peak < 400


def test_program_that_fails_ends_the_benchmark(tmp_path: Path) -> None:
    """A contender that fails is no contender that is quick."""
    with pytest.raises(SystemExit, match="ended with 3"):
        batch.run([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)
    with pytest.raises(SystemExit, match="has no no-such-library"):
        batch.version_of(sys.executable, "no-such-library")


def test_folder_is_the_corpus(tmp_path: Path) -> None:
    """The pages hold the blocks, one a line, and dedup finds at least all that are equal."""
    corpus = corpora.stream(NOWHERE, 300)
    size = batch.write_folder(corpus, tmp_path / "text")
    pages = sorted((tmp_path / "text").iterdir())
    lines = [line for page in pages for line in page.read_text().splitlines() if line]
    assert lines == corpus.blocks
    assert size == sum(page.stat().st_size for page in pages)
    (tmp_path / "run").mkdir()
    found = batch.run_dedup(tmp_path / "text", tmp_path / "run", 1).found
    assert found["documents"] == 300
    assert found["exact"] >= 300 - len(set(corpus.blocks)) > 10
    assert found["found"] == found["exact"] + found["near"] + found["excerpt"]


def test_rounds_pair_each_peer_with_dedup(tmp_path: Path) -> None:
    """A peer's time is divided by that of the run of dedup just before it."""
    options = argparse.Namespace(quick=True, rounds=2, blocks=200, jobs=1, data=NOWHERE)

    def peer(_folder: Path, work: Path, jobs: int) -> batch.Run:
        assert not list(work.iterdir())
        return batch.Run(1000.0 * jobs, 1.0, {"documents": 200, "found": 1})

    result = batch.compare(options, {"peer": peer}, tmp_path)
    ours = result["runs"]["dedup"]["seconds"]
    ratio = result["times_faster"]["peer"]
    assert ratio["min"] == pytest.approx(1000 / ours["max"])
    assert ratio["max"] == pytest.approx(1000 / ours["min"])
    assert not (tmp_path / "run").exists()


def test_large_text_repeats_under_new_ids(tmp_path: Path) -> None:
    """The text has the wanted size, and every page has an id of its own."""
    size, pages, source = batch.write_large(NOWHERE, tmp_path / "text", 1_500_000)
    files = list((tmp_path / "text").rglob("*.txt"))
    assert len(files) == pages
    assert 1_500_000 <= size == sum(file.stat().st_size for file in files)
    assert source == "invented, repeated"
