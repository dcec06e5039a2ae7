"""How fast is a sketch? dedup beside datasketch, rensa and gaoya: same text, one run, one core.

Two questions: (a) what dedup's index needs of a block (fingerprint, token trace, LSH keys) from raw
text, (b) the classic sketch of 128 MinHash values from raw text, bit-identical to datasketch's. The
peers make their sketch of 128 values from word 3-shingles of the same text.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from common import (
    BLUE,
    GREY,
    ORANGE,
    Spread,
    arguments,
    compare,
    describe,
    print_table,
    rate,
    require_peers,
    rounds_of,
    run_fairly,
    save,
    seconds,
    times_faster,
)

KEYS, KEYS_LIST = "dedup keys + trace", "dedup keys + trace, list of str"
MINHASH, MINHASH_LIST = "dedup MinHash-128", "dedup MinHash-128, list of str"
PLAIN, BEST_RENSA = "datasketch, plain loop", "rensa RMinHash, batch"


def lay_out(texts: Sequence[str]) -> tuple[bytes, Any, Any]:
    """One buffer with the texts, where each starts, and where it ends."""
    import numpy as np  # noqa: PLC0415 - after run_fairly

    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    bounds = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return b"".join(encoded), bounds[:-1], bounds[1:]


def our_sketchers(texts: Sequence[str]) -> dict[str, Callable[[], object]]:
    """Our calls on these texts: from one buffer; and from a list, encoding and joining included."""
    from dedup.minhash import minhash_texts  # noqa: PLC0415 - after run_fairly
    from dedup.sketch import sketch_texts  # noqa: PLC0415

    buffer = lay_out(texts)
    return {
        KEYS: lambda: sketch_texts(*buffer),
        KEYS_LIST: lambda: sketch_texts(*lay_out(texts)),
        MINHASH: lambda: minhash_texts(*buffer),
        MINHASH_LIST: lambda: minhash_texts(*lay_out(texts)),
    }


def assert_identical(texts: Sequence[str]) -> int:
    """Our MinHash values are datasketch's, bit for bit; returns how many blocks were compared."""
    import numpy as np  # noqa: PLC0415 - after run_fairly
    from peers import SEED, datasketch_values  # noqa: PLC0415

    from dedup.minhash import minhash_texts  # noqa: PLC0415
    from dedup.normalise import normalise  # noqa: PLC0415

    ours = minhash_texts(*lay_out(texts), num_perm=128, seed=SEED)
    assert np.array_equal(ours, datasketch_values(map(normalise, texts)))
    return len(texts)


def timed(job: Callable[[Sequence[str]], object], texts: Sequence[str]) -> Callable[[], float]:
    """The job's time a block on as many of the texts as it sketches in a quarter of a second."""
    some = texts[:30]
    took = min(seconds(lambda: job(some)) for _ in range(2)) / len(some)
    texts = texts[: max(len(some), int(0.25 / took))]
    return lambda: seconds(lambda: job(texts)) / len(texts)


def measure(texts: Sequence[str], rounds: int) -> dict[str, Any]:
    """Everybody's rates on these texts, and our ratios to each peer."""
    from peers import SKETCHERS  # noqa: PLC0415 - after run_fairly and require_peers

    def ours(job: Callable[[], object]) -> Callable[[], float]:
        return lambda: seconds(job) / len(texts)

    rates, ratios = compare(
        {name: ours(job) for name, job in our_sketchers(texts).items()},
        {name: timed(job, texts) for name, job in SKETCHERS.items()},
        rounds,
    )
    return {"blocks_per_second": rates, "times_faster": ratios}


def compare_scripts(ascii_texts: Sequence[str], others: Sequence[str], *, rounds: int) -> Spread:
    """How many times as long our keys take for a byte of the other text, in pairs too."""

    def timed_by_byte(texts: Sequence[str]) -> Callable[[], float]:
        job, size = our_sketchers(texts)[KEYS], sum(len(text.encode()) for text in texts)
        return lambda: seconds(job) / size

    _, ratios = compare(
        {"ascii": timed_by_byte(ascii_texts)}, {"other": timed_by_byte(others)}, 4 * rounds
    )
    return ratios["other"]["ascii"]


def show(title: str, result: dict[str, Any]) -> None:
    """Print one text's table."""
    head = ["", "blocks/s (min-max)", "keys+trace", "from a list", "MinHash-128", "from a list"]
    rows = []
    for name, found in result["blocks_per_second"].items():
        by = result["times_faster"].get(name)
        rows.append([name, rate(found), *(times_faster(r) for r in (by or {}).values())])
        rows[-1] += [""] * (len(head) - len(rows[-1]))
    print_table(title, head, rows)


def plot(results: dict[str, Any], path: Path) -> None:
    """Bars: how many times faster than each peer, both texts, both jobs."""
    import matplotlib as mpl  # noqa: PLC0415 - takes a second to load

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(1, len(results), figsize=(12, 5), sharey=True, layout="constrained")
    for axis, (title, result) in zip(axes, results.items(), strict=True):
        peers = list(result["times_faster"])
        for offset, (name, colour) in enumerate(((KEYS, BLUE), (MINHASH, ORANGE))):
            found = [result["times_faster"][peer][name] for peer in peers]
            medians = [f["median"] for f in found]
            bars = axis.barh(
                [at - 0.2 + 0.4 * offset for at in range(len(peers))],
                medians,
                0.38,
                color=colour,
                label=f"{name} ({result['blocks_per_second'][name]['median']:,.0f} blocks/s)",
                xerr=[
                    [m - f["min"] for m, f in zip(medians, found, strict=True)],
                    [f["max"] - m for m, f in zip(medians, found, strict=True)],
                ],
                ecolor=GREY,
            )
            axis.bar_label(bars, [f" {m:.0f}x" if m >= 20 else f" {m:.1f}x" for m in medians])
        axis.set_yticks(range(len(peers)), peers)
        axis.set_xscale("log")
        axis.set_xlim(1, 3 * axis.get_xlim()[1])
        axis.set_title(f"{title} text, {result['text']['mean_bytes']:.0f} bytes a block")
        axis.set_xlabel("times faster, one core (log scale; grey: range over the rounds)")
        axis.legend(loc="lower right", fontsize=8)
    axes[0].invert_yaxis()
    figure.suptitle("Sketching blocks of raw text: dedup against each peer in the same run")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Run the benchmark."""
    run_fairly()
    options: argparse.Namespace = arguments("sketch", __doc__).parse_args()
    require_peers()
    from corpora import english, other_scripts  # noqa: PLC0415 - after run_fairly: loads NumPy

    count = 8_000 if options.quick else 20_000
    texts = {
        "English": english(options.data, count),
        "Non-ASCII": other_scripts(options.data, count),
    }
    results: dict[str, Any] = {}
    for title, corpus in texts.items():
        identical = assert_identical(corpus.blocks[:500])
        results[title] = {
            "text": corpus.describe(),
            "identical_to_datasketch": identical,
            **measure(corpus.blocks, rounds_of(options)),
        }
        text = results[title]["text"]
        show(
            f"{title} text ({text['source']}; {text['mean_bytes']:.0f} bytes a block). "
            f"MinHash values identical to datasketch's on {identical} blocks.",
            results[title],
        )
    slower = compare_scripts(*(c.blocks for c in texts.values()), rounds=rounds_of(options))
    print(f"\nKeys + trace of text beyond ASCII, time a byte against ASCII: {times_faster(slower)}")
    save(
        {
            **describe(options),
            "rounds": rounds_of(options),
            "texts": results,
            "non_ascii_time_a_byte": slower,
        },
        options.json,
    )
    plot(results, options.json.with_suffix(".png"))


if __name__ == "__main__":
    main()
