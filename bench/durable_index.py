"""What does it cost to keep an index in a file: beside the index in memory, and to open again?

Both check the same pages in turn, right after one another. Then the file is opened, compacted, and
opened again; single pages show what a commit of its own costs.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from common import (
    arguments,
    describe,
    print_table,
    progress,
    rounds_of,
    run_fairly,
    save,
    spread,
)

if TYPE_CHECKING:
    from dedup import Deduper

T = TypeVar("T")

BLOCKS_A_PAGE = 20
SINGLE_PAGES = 300
MEASURED = (
    *("in_memory", "ratio", "cpu_ratio", "single_ratio"),
    *("open", "open_cpu", "open_compacted", "open_compacted_cpu", "compact", "compact_cpu"),
)


def pages_of(blocks: list[str]) -> list[tuple[str, str]]:
    """Pages of so many blocks, under ids like a crawl's."""
    return [
        ("\n\n".join(blocks[at : at + BLOCKS_A_PAGE]), f"https://news.example/2026/{at}.html")
        for at in range(0, len(blocks), BLOCKS_A_PAGE)
    ]


def check(deduper: Deduper, pages: list[tuple[str, str]]) -> None:
    """Check pages in batches."""
    for _ in deduper.check_many(pages):
        pass


def check_singly(deduper: Deduper, pages: list[tuple[str, str]]) -> None:
    """Check pages one by one."""
    for page in pages[:SINGLE_PAGES]:
        deduper.check(*page)


def timed(job: Callable[..., T], *given: Any) -> tuple[float, float, T]:
    """How long a job takes, by the clock and of the processor, and its result."""
    start, cpu = time.perf_counter(), time.process_time()
    result = job(*given)
    return time.perf_counter() - start, time.process_time() - cpu, result


def measure(name: str, source: str, pages: list[tuple[str, str]], rounds: int) -> dict[str, Any]:
    """Everything about one set of pages."""
    from dedup import Deduper  # noqa: PLC0415 - after run_fairly
    from dedup.index import compact  # noqa: PLC0415

    found: dict[str, list[float]] = {name: [] for name in MEASURED}
    sizes: dict[str, float] = {}
    for at in range(rounds):
        progress(f"{name}: round {at + 1} of {rounds}")
        with tempfile.TemporaryDirectory(prefix="dedup-bench-") as folder:
            path = str(Path(folder) / "bench.dedup")
            with Deduper() as plain:
                in_memory, memory_cpu, _ = timed(check, plain, pages)
                stats = plain.stats()
            with Deduper(path) as kept:
                in_file, file_cpu, _ = timed(check, kept, pages)
                assert kept.stats().originals == stats.originals
            sizes["bytes"] = Path(path).stat().st_size
            opening, opening_cpu, kept = timed(Deduper, path)
            with kept:
                assert kept.stats().repeats == stats.repeats
            compacting, compacting_cpu, _ = timed(compact, path, "default")
            sizes["compacted_bytes"] = Path(path).stat().st_size
            *again, kept = timed(Deduper, path)
            kept.close()
            with Deduper() as plain, Deduper(str(Path(folder) / "single.dedup")) as kept:
                singly, *_ = timed(check_singly, plain, pages)
                singly_kept, *_ = timed(check_singly, kept, pages)
        million = stats.originals / 1e6
        values = (
            *(in_memory, in_memory / in_file, memory_cpu / file_cpu, singly / singly_kept),
            *(took / million for took in (opening, opening_cpu, *again)),
            # It opens the file, too.
            *((compacting - opening) / million, (compacting_cpu - opening_cpu) / million),
        )
        for key, value in zip(MEASURED, values, strict=True):
            found[key].append(value)
    progress("")
    judged = stats.originals + stats.repeats
    return {
        "text": source,
        "pages": len(pages),
        "originals": stats.originals,
        "repeats": stats.repeats,
        "blocks_per_second_in_memory": judged / spread(found["in_memory"])["median"],
        "rate_in_file_to_rate_in_memory": spread(found["ratio"]),
        "the_same_by_processor_time": spread(found["cpu_ratio"]),
        "the_same_page_by_page": spread(found["single_ratio"]),
        **{f"seconds_a_million_originals_to_{key}": spread(found[key]) for key in MEASURED[4:]},
        "file_bytes_an_original": sizes["bytes"] / stats.originals,
        "file_bytes_a_block": sizes["bytes"] / judged,
        "compacted_bytes_an_original": sizes["compacted_bytes"] / stats.originals,
        "memory_bytes_an_original": stats.bytes / stats.originals,
    }


def main() -> None:
    """Run it and print the tables."""
    run_fairly()
    options = arguments("durable_index", __doc__).parse_args()
    rounds = rounds_of(options)
    from corpora import Invented, stream  # noqa: PLC0415 - after run_fairly

    real = stream(options.data, 20_000 if options.quick else 100_000)
    invented = Invented(stream=5).pages(2_000 if options.quick else 50_000, BLOCKS_A_PAGE)
    sets = {
        "real": (real.source, pages_of(real.blocks), rounds),
        "invented": (
            "invented",
            [(page, f"https://news.example/2026/{at}.html") for at, page in enumerate(invented)],
            1 if not options.quick else rounds,
        ),
    }
    results = {name: measure(name, *some) for name, some in sets.items()}
    rows = []
    for key in results["real"]:
        values = [result[key] for result in results.values()]
        cells = [
            f"{v['median']:.2f} ({v['min']:.2f} to {v['max']:.2f})"
            if isinstance(v, dict)
            else v
            if isinstance(v, str)
            else f"{v:,.0f}"
            for v in values
        ]
        rows.append([key.replace("_", " "), *cells])
    print_table("index in a file", ["", *results], rows)
    save(describe(options) | {"sets": results}, options.json)


if __name__ == "__main__":
    main()
