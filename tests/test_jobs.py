"""`dedup check --jobs`: every report is the same byte for byte, whenever and however made."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from servers import wait_until

REPORTS = [f"r.{suffix}" for suffix in ("txt", "json", "jsonl", "csv", "md", "sarif", "html")]
WORDS = [
    "harbour",
    "ferry",
    "tower",
    "clerk",
    "pigeon",
    "quay",
    "customs",
    "seal",
    "spring",
    "door",
]


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    """A folder of pages of every sort, of more than one batch, many of them alike, some broken."""
    rng = random.Random(5)
    lines = [" ".join(rng.choices(WORDS, k=rng.randint(4, 25))) for _ in range(120)]
    folder = tmp_path / "crawl"
    folder.mkdir()
    for number in range(300):
        chosen = [rng.choice(lines) for _ in range(6)]
        chosen[0] += f" {rng.choice(WORDS)}"
        if number % 2:
            html = "".join(f"<p class=a>{line}</p>\n" for line in chosen)
            (folder / f"{number}.html").write_text(f"<!doctype html><body>{html}")
        else:
            (folder / f"{number}.txt").write_text("\n\n".join(chosen))
    records = [{"id": f"r{number}", "text": rng.choice(lines)} for number in range(40)]
    (folder / "records.jsonl").write_text("\n".join(map(json.dumps, records)))
    (folder / "50-cut.txt.gz").write_bytes(gzip.compress(lines[0].encode())[:-9])
    (folder / "51-no-text.html").write_bytes(b"\xff\xfe\x00")
    return folder


def reports(folder: Path, jobs: int, *options: str) -> dict[str, bytes]:
    """What `check` writes about a folder, in every format, in a second of its own."""
    places = folder.parent / f"by-{jobs}-{time.monotonic_ns()}"
    places.mkdir()
    now = int(time.time())
    wait_until(lambda: int(time.time()) > now)
    subprocess.run(
        [
            *(sys.executable, "-m", "dedup.cli", "check", folder.name, "--exit-zero"),
            *("--no-config", "--jobs", str(jobs), *options, "-o", str(places / REPORTS[0])),
            *(option for name in REPORTS[1:] for option in ("--report", str(places / name))),
        ],
        cwd=folder.parent,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,  # some pages cannot be read, so it is 2
        timeout=60,
    )
    return {name: (places / name).read_bytes() for name in REPORTS}


def seen_first(report: bytes) -> Sequence[str | None]:
    """When the originals in a JSON report were seen first."""
    pages = json.loads(report)["pages"]
    return [
        repeat["original"]["first_seen"] for page in pages for repeat in page.get("repeats", ())
    ]


def test_reports_do_not_depend_on_jobs(crawl: Path) -> None:
    """With one worker or two, now or later, every report has the same bytes."""
    one, two = reports(crawl, 1), reports(crawl, 2)
    assert set(seen_first(one["r.json"])) == {None}
    for name in REPORTS:
        assert one[name] == two[name], name


def test_reports_on_an_index_do_not_depend_on_jobs(crawl: Path) -> None:
    """So it is beside an index that knows pages: of these it is told when they were seen first."""
    early = crawl.parent / "early"
    early.mkdir()
    for file in sorted(crawl.iterdir())[::3]:
        shutil.copy(file, early)
    reports(early, 1, "--index", "1.dedup")
    shutil.copy(crawl.parent / "1.dedup", crawl.parent / "2.dedup")
    one, two = (reports(crawl, jobs, "--index", f"{jobs}.dedup") for jobs in (1, 2))
    for name in REPORTS:
        assert one[name] == two[name], name
    told = seen_first(one["r.json"])
    assert None in told
    assert any(told)
