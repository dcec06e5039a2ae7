"""How fast, and how large, is the index in this process? dedup beside rensa, gaoya and datasketch.

Three questions: (a) check-and-add from raw text, the same blocks in the same order for everybody;
(b) bytes a block, by the resident set of a fresh process and by dedup's own count; (c) time a block
against the size of the index. One process, one thread, one core.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    arguments,
    compare,
    describe,
    print_table,
    progress,
    rate,
    require_peers,
    rounds_of,
    run_fairly,
    save,
    seconds,
    spread,
    times_faster,
)

if TYPE_CHECKING:
    from corpora import Invented

    from dedup import Deduper

PAGE_BLOCKS = 20
PAGES, SINGLES = "dedup, 20 blocks a page", "dedup, 1 block a page"
MEASURED_ALONE = (
    "dedup",
    "rensa RMinHashDeduplicator",
    "gaoya, same threshold",
    "datasketch, best",
)
"""Whose memory is measured: of each library the variant that does the same job."""


# ---- (a) rates -----------------------------------------------------------------------------------


def pages_of(blocks: Sequence[str], size: int) -> list[tuple[str, str]]:
    """Text pages of so many blocks, with their ids."""
    return [
        ("\n\n".join(blocks[first : first + size]), f"https://example.org/{first}")
        for first in range(0, len(blocks), size)
    ]


def check_and_count(pages: Sequence[tuple[str, str]]) -> tuple[int, int]:
    """Check pages against a fresh index and read every report: blocks, and repeats among them."""
    import dedup  # noqa: PLC0415 - after run_fairly

    blocks = repeats = 0
    for report in dedup.Deduper().check_many(pages):
        blocks += len(report.blocks)
        repeats += len(report.repeats)
    return blocks, repeats


def measure_rates(blocks: Sequence[str], rounds: int) -> dict[str, Any]:
    """Everybody's rates and what they found, and our ratios to each peer."""
    from peers import FINDERS  # noqa: PLC0415 - after run_fairly and require_peers

    found: dict[str, int] = {}

    def ours(name: str, size: int) -> Callable[[], float]:
        pages = pages_of(blocks, size)

        def run() -> float:
            counts = (0, 0)

            def job() -> None:
                nonlocal counts
                counts = check_and_count(pages)

            took = seconds(job)
            assert counts[0] == len(blocks), "the pages were not split into the blocks given"
            found[name] = counts[1]
            return took / len(blocks)

        return run

    def theirs(name: str) -> Callable[[], float]:
        def run() -> float:
            found[name] = 0

            def job() -> None:
                found[name] = sum(FINDERS[name]()(blocks))

            return seconds(job) / len(blocks)

        return run

    rates, ratios = compare(
        {PAGES: ours(PAGES, PAGE_BLOCKS), SINGLES: ours(SINGLES, 1)},
        {name: theirs(name) for name in FINDERS},
        rounds,
    )
    return {"blocks_per_second": rates, "times_faster": ratios, "repeats_found": found}


# ---- (b) memory ----------------------------------------------------------------------------------


def resident_bytes() -> int:
    """The resident set of this process, or its peak where the system does not tell the present."""
    gc.collect()
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)  # what glibc holds for later is nobody's
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def grow(deduper: Deduper, text: Invented, blocks: int, first: int) -> float:
    """Check so many fresh blocks, in pages; returns the seconds a block, making text left out."""

    def check(pages: list[tuple[str, str]]) -> int:
        return sum(len(report.repeats) for report in deduper.check_many(pages))

    took = 0.0
    done = 0
    while done < blocks:
        some = min(100 * PAGE_BLOCKS, blocks - done)
        pages = [
            (page, f"https://example.org/{first + done}/{at}")
            for at, page in enumerate(text.pages(some // PAGE_BLOCKS, PAGE_BLOCKS))
        ]
        took += seconds(partial(check, pages))
        done += some
    return took / blocks


def measure_alone(name: str, blocks: int) -> dict[str, float]:
    """Fill an index in this process, which should be fresh, and see what it takes.

    The generator's own arrays are there before and after, so they cancel out.
    """
    from corpora import Invented  # noqa: PLC0415 - after run_fairly

    text = Invented()
    if name == "dedup":
        import dedup  # noqa: PLC0415

        grow(dedup.Deduper(), text, 2000, 0)
        before = resident_bytes()
        deduper = dedup.Deduper()
        took = grow(deduper, text, blocks, 0)
        held = resident_bytes() - before
        stats = deduper.stats()
        return {
            "resident_bytes_a_block": held / stats.originals,
            "counted_bytes_a_block": stats.bytes / stats.originals,
            "blocks_per_second": 1 / took,
        }
    from peers import FINDERS  # noqa: PLC0415

    FINDERS[name]()(text.blocks(2000))
    before = resident_bytes()
    find = FINDERS[name]()
    for _ in range(0, blocks, 2000):
        find(text.blocks(2000))
    return {"resident_bytes_a_block": (resident_bytes() - before) / blocks}


def in_fresh_process(name: str, blocks: int) -> dict[str, float]:
    """`measure_alone` in a process of its own."""
    progress(f"memory of {name} at {blocks:,} blocks")
    command = [sys.executable, __file__, "--alone", name, str(blocks)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    progress("")
    result: dict[str, float] = json.loads(done.stdout)
    return result


def measure_memory(sizes: Sequence[int], peers_up_to: int) -> dict[str, dict[str, Any]]:
    """Bytes a block by library and size."""
    return {
        name: {
            str(size): in_fresh_process(name, size)
            for size in sizes
            if name == "dedup" or size <= peers_up_to
        }
        for name in MEASURED_ALONE
    }


# ---- (c) growth ----------------------------------------------------------------------------------


def measure_growth(sizes: Sequence[int], rounds: int, sample: int) -> dict[str, Any]:
    """Time a block at each size, the sizes taking turns; and while filling, growth included.

    Each size has an index of its own, filled with the same text. In a round each checks `sample`
    blocks that no index has seen.
    """
    from corpora import Invented  # noqa: PLC0415

    import dedup  # noqa: PLC0415 - after run_fairly

    indexes = []
    filling = {}
    for size in sizes:
        progress(f"filling an index with {size:,} blocks")
        deduper = dedup.Deduper()
        filling[str(size)] = 1 / grow(deduper, Invented(), size, 0)
        indexes.append(deduper)
    times: dict[str, list[float]] = {str(size): [] for size in sizes}
    fresh = Invented(stream=1)
    for at in range(rounds):
        for size, deduper in zip(sizes, indexes, strict=True):
            progress(f"{size:,} blocks, round {at + 1} of {rounds}")
            times[str(size)].append(grow(deduper, fresh, sample, size + at * sample))
    progress("")
    base = times[str(sizes[0])]
    return {
        "blocks_per_second": {size: spread([1 / t for t in took]) for size, took in times.items()},
        "time_against_smallest": {
            size: spread([t / b for t, b in zip(took, base, strict=True)])
            for size, took in times.items()
        },
        "blocks_per_second_filling": filling,
    }


# ---- reports -------------------------------------------------------------------------------------


def show_rates(result: dict[str, Any], text: dict[str, Any]) -> None:
    """Print the table of (a)."""
    rows = []
    for name, found in result["blocks_per_second"].items():
        by = result["times_faster"].get(name, {})
        ratios = [times_faster(by[ours]) if by else "" for ours in (PAGES, SINGLES)]
        rows.append([name, rate(found), *ratios, f"{result['repeats_found'][name]:,}"])
    print_table(
        f"Check and add, {text['blocks']:,} blocks of {text['mean_bytes']:.0f} bytes "
        f"({text['source']}), {text['blocks'] - text['distinct']:,} exact repeats",
        ["", "blocks/s (min-max)", PAGES, SINGLES, "repeats found"],
        rows,
    )


def show_memory(result: dict[str, dict[str, Any]]) -> None:
    """Print the table of (b)."""
    sizes = list(result["dedup"])
    rows = []
    for name, by in result.items():
        cells = [f"{by[s]['resident_bytes_a_block']:,.0f}" if s in by else "" for s in sizes]
        rows.append([name, *cells])
    counted = [f"{result['dedup'][s]['counted_bytes_a_block']:,.0f}" for s in sizes]
    rows.insert(1, ["dedup, by stats()", *counted])
    head = ["", *(f"{int(size):,} blocks" for size in sizes)]
    print_table("Bytes a block (resident set, verification data included)", head, rows)


def show_growth(result: dict[str, Any]) -> None:
    """Print the table of (c)."""
    rows = [
        [
            f"{int(size):,} blocks",
            rate(found),
            times_faster(result["time_against_smallest"][size]),
            f"{result['blocks_per_second_filling'][size]:,.0f}",
        ]
        for size, found in result["blocks_per_second"].items()
    ]
    head = ["index of", "fresh blocks/s (min-max)", "time a block", "while filling"]
    print_table("Against the size of the index", head, rows)


def plot(result: dict[str, Any], path: Path) -> None:
    """Rates, memory, and rate against size."""
    import matplotlib as mpl  # noqa: PLC0415 - takes a second to load

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure, (rates, memory, growth) = plt.subplots(1, 3, figsize=(16, 5), layout="constrained")
    names = list(result["rates"]["blocks_per_second"])
    found = list(result["rates"]["blocks_per_second"].values())
    medians = [f["median"] for f in found]
    errors = [
        [m - f["min"] for m, f in zip(medians, found, strict=True)],
        [f["max"] - m for m, f in zip(medians, found, strict=True)],
    ]
    colours = [BLUE if name.startswith("dedup") else GREY for name in names]
    bars = rates.barh(range(len(names)), medians, color=colours, xerr=errors, ecolor="black")
    rates.bar_label(bars, [f" {m:,.0f}" for m in medians])
    rates.set_yticks(range(len(names)), names)
    rates.invert_yaxis()
    rates.set_xlim(0, 1.3 * max(medians))
    rates.set_xlabel("blocks a second, one core (line: range over the rounds)")
    rates.set_title("Check and add, from raw text")

    styles = zip(result["memory"].items(), (BLUE, ORANGE, GREEN, GREY), "osD^", strict=True)
    for (name, by), colour, marker in styles:
        values = [figures["resident_bytes_a_block"] for figures in by.values()]
        memory.plot([int(s) for s in by], values, marker=marker, color=colour, label=name)
    memory.axhline(300, color="black", linestyle=":", label="the budget: 300 bytes")
    memory.set(xscale="log", yscale="log", xlabel="blocks in the index", ylabel="bytes a block")
    memory.set_title("Memory (resident set of a fresh process)")
    memory.legend()

    by = result["growth"]["blocks_per_second"]
    medians = [f["median"] for f in by.values()]
    errors = [
        [m - f["min"] for m, f in zip(medians, by.values(), strict=True)],
        [f["max"] - m for m, f in zip(medians, by.values(), strict=True)],
    ]
    growth.errorbar([int(s) for s in by], medians, errors, color=BLUE, marker="o", capsize=4)
    growth.set(xscale="log", xlabel="blocks in the index", ylabel="fresh blocks a second, dedup")
    growth.set_ylim(0, 1.2 * max(f["max"] for f in by.values()))
    growth.set_title("Rate against the size of the index")
    figure.savefig(path, dpi=120)


def sizes_of(options: argparse.Namespace) -> Iterator[tuple[str, list[int]]]:
    """The sizes of (b) and of (c)."""
    memory, growth = [10_000, 100_000], [100_000]
    if options.quick:
        growth = [20_000, 100_000]
    else:
        memory.append(1_000_000)
        growth.append(1_000_000)
    if options.huge:
        memory.append(10_000_000)
        growth.append(10_000_000)
    yield "memory", memory
    yield "growth", growth


def main() -> None:
    """Run the benchmark."""
    run_fairly()
    parser = arguments("inprocess", __doc__)
    parser.add_argument("--huge", action="store_true", help="10M blocks too: 4 GB and some minutes")
    parser.add_argument("--alone", nargs=2, metavar=("NAME", "BLOCKS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    require_peers()
    if options.alone:
        name, blocks = options.alone
        print(json.dumps(measure_alone(name, int(blocks))))
        return
    from corpora import stream  # noqa: PLC0415 - after run_fairly: loads NumPy

    corpus = stream(options.data, 4_000 if options.quick else 16_000)
    text = corpus.describe()
    rates = measure_rates(corpus.blocks, rounds_of(options))
    show_rates(rates, text)
    sizes = dict(sizes_of(options))
    memory = measure_memory(sizes["memory"], 10_000 if options.quick else 100_000)
    show_memory(memory)
    growth = measure_growth(sizes["growth"], rounds_of(options), 2_000 if options.quick else 10_000)
    show_growth(growth)
    result = {"text": text, "rates": rates, "memory": memory, "growth": growth}
    save({**describe(options), "rounds": rounds_of(options), **result}, options.json)
    plot(result, options.json.with_suffix(".png"))


if __name__ == "__main__":
    main()
