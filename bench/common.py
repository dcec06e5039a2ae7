"""What every benchmark here shares: a fair process, rounds, ratios, the machine, results.

Knows nothing of what is measured.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import importlib.util
import json
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

RESULTS = Path(__file__).parent / "results"
PEERS = ("datasketch", "rensa", "gaoya")
LIBRARIES = ("numpy", "scipy", "xxhash", *PEERS)

ENVIRONMENT: Mapping[str, str | None] = {
    # One core for everybody: rensa and gaoya start a thread a core for their batch calls.
    "RAYON_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Pins OpenBLAS, so NumPy's, to an older processor's loops where somebody has set it.
    "OPENBLAS_CORETYPE": None,
}
"""Variables that these libraries read when they load: the value to run with, or None for unset."""

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#8C8C8C"
"""Okabe and Ito's colours: told apart with any kind of colour vision."""

Spread: TypeAlias = dict[str, float]
"""Median, min and max."""


def run_fairly() -> None:
    """Start this script again in the environment that is fair to everybody, unless it is in it."""
    wanted = {k: v for k, v in os.environ.items() if k not in ENVIRONMENT}
    wanted |= {name: value for name, value in ENVIRONMENT.items() if value is not None}
    if wanted != dict(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.argv], wanted)  # noqa: S606 - this script


def require_peers() -> None:
    """Leave with a message if the libraries to compare with are not there."""
    missing = [name for name in PEERS if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"error: {', '.join(missing)} not installed: pip install dedup[bench]")


def arguments(name: str, description: str | None) -> argparse.ArgumentParser:
    """The options of every benchmark."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="less text, fewer rounds: a minute")
    parser.add_argument("--rounds", type=int, help="rounds of each comparison (5; quick: 3)")
    parser.add_argument(
        "--json",
        type=Path,
        default=RESULTS / f"{name}.json",
        help="where the results go (default: %(default)s); the plot goes beside it",
    )
    parser.add_argument("--data", type=Path, help="folder with the real text (see README.md)")
    return parser


def rounds_of(options: argparse.Namespace) -> int:
    """How many rounds to run."""
    return int(options.rounds or (3 if options.quick else 5))


# ---- timing --------------------------------------------------------------------------------------


def seconds(job: Callable[[], object]) -> float:
    """How long the job takes, its garbage included."""
    start = time.perf_counter()
    result = job()
    del result
    return time.perf_counter() - start


def spread(values: Sequence[float]) -> Spread:
    """The median, the least and the most of the values."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def interval(values: Sequence[float], draws: int = 4000) -> Spread:
    """Where the true median is with 95 %: the bootstrap's percentiles (Efron, 1979).

    The same values give the same interval.
    """
    rng = random.Random(len(values))
    medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(draws))
    return {"low": medians[draws // 40], "high": medians[-1 - draws // 40]}


def compare(
    ours: Mapping[str, Callable[[], float]],
    peers: Mapping[str, Callable[[], float]],
    rounds: int,
) -> tuple[dict[str, Spread], dict[str, dict[str, Spread]]]:
    """Run everybody in rounds and compare neighbours.

    Each callable does its job once and returns its time a block (seconds). In a round all of ours
    run before each peer, so whatever else the machine does meets both sides of a pair; a ratio is
    taken within a pair, and its median over the rounds is the result.

    Returns:
        Blocks a second of everybody; and for each peer, how many times faster each of ours is.
    """
    times: dict[str, list[float]] = {name: [] for name in (*ours, *peers)}
    ratios: dict[str, dict[str, list[float]]] = {p: {name: [] for name in ours} for p in peers}
    for job in (*ours.values(), *peers.values()):  # not timed: caches, tables, lazy imports
        job()
    for at in range(rounds):
        progress(f"round {at + 1} of {rounds}")
        for peer, run_peer in peers.items():
            near = {name: job() for name, job in ours.items()}
            theirs = run_peer()
            times[peer].append(theirs)
            for name, mine in near.items():
                times[name].append(mine)
                ratios[peer][name].append(theirs / mine)
    progress("")
    return (
        {name: spread([1 / took for took in taken]) for name, taken in times.items()},
        {peer: {name: spread(found) for name, found in by.items()} for peer, by in ratios.items()},
    )


def progress(message: str) -> None:
    """Show where the benchmark is, if somebody is watching."""
    if sys.stderr.isatty():
        print(f"\r{message:<60}", end="" if message else "\r", file=sys.stderr, flush=True)


# ---- results -------------------------------------------------------------------------------------


def describe(options: argparse.Namespace) -> dict[str, Any]:
    """What a reader must know besides the figures; no names of hosts or folders."""
    from dedup import kernel  # noqa: PLC0415 - loads NumPy, which reads the environment

    words = [Path(word).name if "/" in word else word for word in sys.argv[1:]]
    return {
        "command": " ".join(["python", f"bench/{Path(sys.argv[0]).name}", *words]),
        "quick": bool(options.quick),
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d"),
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "cores": os.cpu_count(),
            "cpu_flags_level": _flags_level(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        },
        "python": platform.python_version(),
        "libraries": {
            name: importlib.metadata.version(name)
            for name in LIBRARIES
            if importlib.util.find_spec(name) is not None
        },
        "kernel": {"name": kernel.NAME, "level": kernel.LEVEL},
        "threads": 1,
    }


def _flags_level() -> str:
    """The x86-64 level whose telling flags the processor has, or "unknown"."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return "unknown"
    levels = {"x86-64-v4": {"avx512f", "avx512bw"}, "x86-64-v3": {"avx2", "bmi2"}}
    return next((name for name, needed in levels.items() if needed <= flags), "unknown")


def save(result: Mapping[str, Any], path: Path) -> None:
    """Write the results as JSON, figures to four digits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_rounded(result), indent=1) + "\n", encoding="utf-8")
    print(f"\nwrote {path.name}", file=sys.stderr)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table: the first column to the left, the others to the right."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    print(f"\n{title}")
    for row in (head, *rows):
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[0] = row[0].ljust(widths[0])
        print("  ".join(cells).rstrip())


def rate(found: Spread) -> str:
    """Blocks a second for a table: median (min to max)."""
    return f"{found['median']:,.0f} ({found['min']:,.0f}-{found['max']:,.0f})"


def times_faster(found: Spread) -> str:
    """A ratio for a table: median (min to max)."""
    digits = 1 if found["median"] < 20 else 0
    low, high = f"{found['min']:.{digits}f}", f"{found['max']:.{digits}f}"
    return f"{found['median']:.{digits}f}x ({low}-{high})"
