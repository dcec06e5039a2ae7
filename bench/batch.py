"""How fast and how lean is `dedup check` on a folder, beside the command lines of its peers?

The same folder of text files for everybody: dedup judges its paragraphs, text-dedup (MinHash) and
datatrove (its MinHash pipeline) take each paragraph as a document. Everybody runs as its own
program, start included, with as many worker processes, and writes what it found. Peers are
installed in environments of their own, named by their Python:

    python3.12 -m venv A && A/bin/pip install text-dedup
    python3.11 -m venv B && B/bin/pip install 'datatrove[io,processing]' spacy
    python bench/batch.py --text-dedup A/bin/python --datatrove B/bin/python

`--large` measures dedup alone on 1.2 GB: rate and memory, with one worker and with more.
Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import corpora
from common import arguments, describe, print_table, progress, rounds_of, save, spread

HERE = Path(__file__).parent
PAGE_BLOCKS = 20
LARGE_BYTES = 1_200_000_000
INTERVAL = 0.02
"""Seconds between two looks at the memory of a program and its children."""

TEXT_DEDUP_CONFIG = """\
[input]
input_type = "local_files"
file_type = "json"
[input.read_arguments]
path = "text"
data_dir = {folder}
split = "train"
[algorithm]
algorithm_name = "minhash"
text_column = "text"
seed = 42
batch_size = 10000
num_perm = 240
threshold = 0.7
false_positive_weight = 0.5
false_negative_weight = 0.5
hash_bits = 64
ngram_size = 5
check_false_positive = true
num_proc = {jobs}
[output]
output_dir = "output"
clean_cache = false
save_clusters = true
[debug]
enable_profiling = false
"""
"""The configuration in its README; the reader is that of `datasets` for lines of text."""


class Run(NamedTuple):
    """One run of a program: seconds, the most memory of it and its children, what it found."""

    seconds: float
    peak_mb: float
    found: dict[str, int]


Contender = Callable[[Path, Path, int], Run]
"""Runs a program over a folder, in an empty working folder, with so many jobs."""


# ---- programs ------------------------------------------------------------------------------------


def run(command: list[str], work: Path, **environment: str) -> tuple[float, float]:
    """Run a program to its end; return seconds, and the peak of memory in MB.

    The memory is the sum of resident sets of all processes of its session: what processes share
    counts for each, so more of them look larger than they are.
    """
    log = work / "log"
    with log.open("wb") as output:
        start = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - the contenders
            command,
            cwd=work,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        peak = 0
        try:
            while process.poll() is None:
                peak = max(peak, _resident_pages(process.pid))
                time.sleep(INTERVAL)
        finally:
            if process.poll() is None:  # interrupted
                os.killpg(process.pid, signal.SIGTERM)
        took = time.perf_counter() - start
    if process.returncode:
        tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        sys.exit(f"error: {command[0]} ended with {process.returncode}:\n{tail}")
    return took, peak * os.sysconf("SC_PAGE_SIZE") / 1e6


def _resident_pages(session: int) -> int:
    """The resident pages of all processes of a session."""
    pages = 0
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal():
            continue
        try:
            stat = Path(entry.path, "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:  # it has just ended
            continue
        fields = stat.rpartition(")")[2].split()
        if int(fields[3]) == session:
            pages += int(fields[21])
    return pages


def check(folder: Path, work: Path, jobs: int, *more: str) -> tuple[float, float]:
    """Run `dedup check`; return seconds, and the peak of memory in MB."""
    command = [sys.executable, "-m", "dedup.cli", "check", str(folder), f"--jobs={jobs}"]
    path = os.pathsep.join(filter(None, sys.path))
    options = ["--exit-zero", "--quiet", *more]
    return run([*command, *options], work, PYTHONPATH=path, DEDUP_NO_CONFIG="1")


def run_dedup(folder: Path, work: Path, jobs: int) -> Run:
    """`dedup check`, with a report of everything it found."""
    took, peak = check(folder, work, jobs, "--format=jsonl", "--output=report.jsonl")
    with (work / "report.jsonl").open("rb") as report:
        *_, last = report
    summary = json.loads(last)["summary"]
    kinds = {kind: int(summary[kind]) for kind in ("exact", "near", "excerpt")}
    return Run(took, peak, {"documents": summary["blocks"], "found": sum(kinds.values()), **kinds})


def text_dedup(python: str) -> Contender:
    """text-dedup's command line."""

    def contender(folder: Path, work: Path, jobs: int) -> Run:
        config = TEXT_DEDUP_CONFIG.format(folder=json.dumps(str(folder)), jobs=jobs)
        (work / "config.toml").write_text(config, encoding="utf-8")
        took, peak = run(
            [python, "-m", "text_dedup.minhash"],
            work,
            HF_HOME=str(work / "cache"),  # what an earlier run has computed is not to be had
            HF_HUB_OFFLINE="1",
            POLARS_MAX_THREADS=str(jobs),
        )
        log = (work / "log").read_text(encoding="utf-8", errors="replace")
        before, filtered, after = (
            int(re.findall(pattern, log)[-1])
            for pattern in (r"Before:?\s+(\d+)", r"Filtered (\d+) records", r"After:?\s+(\d+)")
        )
        documents = before - filtered  # blank lines, and texts under five words
        return Run(took, peak, {"documents": documents, "found": documents - after})

    return contender


def datatrove(python: str) -> Contender:
    """datatrove's pipeline."""

    def contender(folder: Path, work: Path, jobs: int) -> Run:
        command = [python, str(HERE / "batch_datatrove.py"), str(folder), str(work), str(jobs)]
        took, peak = run(command, work, HF_HUB_OFFLINE="1")
        kept, removed = (
            sum(file.read_bytes().count(b"\n") for file in (work / name).glob("*.jsonl"))
            for name in ("kept", "removed")
        )
        return Run(took, peak, {"documents": kept + removed, "found": removed})

    return contender


PEERS: dict[str, Callable[[str], Contender]] = {"text-dedup": text_dedup, "datatrove": datatrove}


def version_of(python: str, name: str) -> str:
    """The version of a peer in its environment; the benchmark ends if it is not there."""
    code = f"from importlib.metadata import version; print(version({name!r}))"
    try:
        done = subprocess.run(  # noqa: S603 - named by the user
            [python, "-c", code], capture_output=True, check=True, text=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"error: {python!r} has no {name}: {error}")
    return done.stdout.strip()


# ---- text ----------------------------------------------------------------------------------------


def write_folder(corpus: corpora.Corpus, folder: Path) -> int:
    """Write blocks as pages, a line a block with blank lines between; return the bytes."""
    folder.mkdir()
    size = 0
    for at in range(0, len(corpus.blocks), PAGE_BLOCKS):
        page = "\n\n".join(corpus.blocks[at : at + PAGE_BLOCKS]) + "\n"
        size += (folder / f"{at // PAGE_BLOCKS:06}.txt").write_text(page, encoding="utf-8")
    return size


def write_large(data: Path | None, folder: Path, wanted: int) -> tuple[int, int, str]:
    """Write the sets again and again under new page ids; return bytes, pages and their source."""
    size = pages = 0
    while size < wanted:
        for page in _large_pages(data):
            where = folder / f"{pages // 1000:05}"
            where.mkdir(exist_ok=True, parents=True)
            (where / f"{pages:07}.txt").write_bytes(page)
            size += len(page)
            pages += 1
            if size >= wanted:
                break
        progress(f"{size / 1e6:,.0f} MB written")
    real = any(_real_sets(data))
    return size, pages, "real, repeated under new ids" if real else "invented, repeated"


def _real_sets(data: Path | None) -> Iterator[Path]:
    for name in ("ota_terms", "civil_codes"):
        path = (data or corpora.DATA) / f"{name}.jsonl.gz"
        if path.exists():
            yield path


def _large_pages(data: Path | None) -> Iterator[bytes]:
    """The sets' pages once, as they are."""
    paths = list(_real_sets(data))
    for path in paths:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)["text"].encode()
    if not paths:
        yield from (page.encode() for page in corpora.Invented().pages(20_000, PAGE_BLOCKS))


# ---- the two questions ---------------------------------------------------------------------------


def compare(options: argparse.Namespace, peers: dict[str, Contender], work: Path) -> dict[str, Any]:
    """Everybody over the same folder, in rounds: dedup right before each peer."""
    count = options.blocks or (2_000 if options.quick else 20_000)
    corpus = corpora.stream(options.data, count)
    folder = work / "text"
    size = write_folder(corpus, folder)
    runs: dict[str, list[Run]] = {name: [] for name in ("dedup", *peers)}
    ratios: dict[str, list[float]] = {name: [] for name in peers}

    def once(name: str, contender: Contender) -> Run:
        progress(f"round {len(ratios[next(iter(peers))]) + 1}: {name}")
        place = work / "run"
        place.mkdir()
        found = contender(folder, place, options.jobs)
        shutil.rmtree(place)
        runs[name].append(found)
        return found

    for _ in range(rounds_of(options)):
        for name, peer in peers.items():
            ours, theirs = once("dedup", run_dedup), once(name, peer)
            ratios[name].append(theirs.seconds / ours.seconds)
    progress("")
    rows = [
        [
            name,
            f"{statistics.median(run.seconds for run in done):.1f}",
            f"{statistics.median(run.peak_mb for run in done):,.0f}",
            f"{done[-1].found['documents']:,}",
            f"{done[-1].found['found']:,}",
            _times(ratios[name]) if name in ratios else "",
        ]
        for name, done in runs.items()
    ]
    title = f"{count:,} paragraphs, {size / 1e6:.1f} MB, {options.jobs} jobs"
    print_table(title, ["", "seconds", "peak MB", "documents", "found", "dedup is faster"], rows)
    return {
        "text": corpus.describe(),
        "bytes": size,
        "runs": {
            name: {
                "seconds": spread([run.seconds for run in done]),
                "peak_mb": spread([run.peak_mb for run in done]),
                **done[-1].found,
            }
            for name, done in runs.items()
        },
        "times_faster": {name: spread(found) for name, found in ratios.items()},
    }


def _times(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.1f}x ({min(ratios):.1f}-{max(ratios):.1f})"


def measure_large(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Rate and memory of dedup alone on much text: one job, then more."""
    wanted = LARGE_BYTES // (20 if options.quick else 1)
    if shutil.disk_usage(work).free < 3 * wanted:
        sys.exit(f"error: {wanted / 1e9:.1f} GB of text need three times that of free disk")
    size, pages, source = write_large(options.data, work / "text", wanted)
    result: dict[str, Any] = {"source": source, "bytes": size, "pages": pages, "jobs": {}}
    rows = []
    for jobs in sorted({1, options.jobs}):
        progress(f"{size / 1e6:,.0f} MB with {jobs} jobs")
        place = work / "run"
        place.mkdir()
        took, peak = check(work / "text", place, jobs, f"--index={options.index}")
        report = (place / "log").read_text(encoding="utf-8").splitlines()
        shutil.rmtree(place)
        rate = size / took / 1e6
        rows.append([str(jobs), f"{took:.1f}", f"{rate:.1f}", f"{peak:,.0f}"])
        result["jobs"][jobs] = {"seconds": took, "mb_per_second": rate, "peak_mb": peak}
        result["found"] = report[0]
    progress("")
    title = f"dedup check, {size / 1e6:,.0f} MB in {pages:,} pages, index {options.index}"
    print_table(title, ["jobs", "seconds", "MB/s", "peak MB"], rows)
    return result


def main() -> None:
    """Run one of the two."""
    parser = arguments("batch", __doc__ and __doc__.split("\n\n")[0])
    for name in PEERS:
        parser.add_argument(f"--{name}", metavar="PYTHON", help=f"a Python that has {name}")
    parser.add_argument("--blocks", type=int, help="paragraphs (20,000; quick: 2,000)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="workers (all cores)")
    parser.add_argument("--large", action="store_true", help="dedup alone, on 1.2 GB")
    parser.add_argument("--index", default="memory://", help="for --large: where originals live")
    parser.add_argument("--work", type=Path, help="folder for the text (default: a temporary one)")
    options = parser.parse_args()
    named = {name: getattr(options, name.replace("-", "_")) for name in PEERS}
    pythons = {name: shutil.which(python) or python for name, python in named.items() if python}
    if not options.large and not pythons:
        parser.error("name a Python for a peer at least: --text-dedup, --datatrove; or --large")
    about = describe(options) | {"threads": options.jobs}
    about["libraries"] |= {name: version_of(python, name) for name, python in pythons.items()}
    if options.large and options.json.name == "batch.json":
        options.json = options.json.with_name("batch-large.json")
    with tempfile.TemporaryDirectory(dir=options.work, prefix="dedup-batch-") as folder:
        if options.large:
            result = measure_large(options, Path(folder))
        else:
            peers = {name: PEERS[name](str(Path(at).absolute())) for name, at in pythons.items()}
            result = compare(options, peers, Path(folder))
    save({**about, **result}, options.json)


if __name__ == "__main__":
    main()
