"""Is a verdict right? dedup and its peers against brute force, and on what web pages do to blocks.

Four questions, four tables: recall and precision on real data sets, against the exact join
(`accuracy_sets.py`); the teaser benchmark (`teasers.py`, scored by `accuracy_teasers.py`);
headlines with one word changed (`accuracy_short.py`); every script (`accuracy_scripts.py`). Peers
run as they are documented, and at the setting of a sweep that is best for the question at hand.
Nothing is timed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import arguments, describe, print_table, progress, require_peers, run_fairly, save

SETS = ("civil_codes", "ota_terms", "bible_pairs", "fundus_news")
"""Data sets for recall; `spdx_licenses` has too few blocks that are near anything."""
ALL = "all"


def share(value: float | None, digits: int = 4) -> str:
    """A share for a table."""
    return "-" if value is None else f"{value:.{digits}f}"


# ---- data sets -----------------------------------------------------------------------------------


def measure_sets(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Everybody on the data sets; the best settings of peers come from samples of two of them."""
    import accuracy_sets  # noqa: PLC0415 - the peers are imported once they are known to be there
    from accuracy_peers import PEERS  # noqa: PLC0415 - same
    from accuracy_text import distinct_blocks  # noqa: PLC0415 - same

    from dedup.settings import Settings  # noqa: PLC0415 - loads NumPy, after the environment

    threshold = Settings().threshold
    count = 4_000 if quick else 25_000
    texts = {
        name: [block.normalised for block in distinct_blocks(name, folder, count)] for name in SETS
    }
    samples = [texts[name][: 1_500 if quick else 4_000] for name in ("civil_codes", "ota_terms")]
    best = {}
    for name, peer in PEERS.items():
        progress(f"best setting of {name}")
        best[name] = (peer, accuracy_sets.choose(peer, samples, threshold))
    result: dict[str, Any] = {"threshold": threshold, "sets": {}}
    for name in SETS:
        progress(name)
        result["sets"][name] = accuracy_sets.measure(texts[name], best, threshold)
    result["tried"] = {name: dict(chosen.tried) for name, (_, chosen) in best.items()}
    return result


def print_sets(result: Mapping[str, Any]) -> None:
    """A table a data set, and dedup's own figures."""
    for name, found in result["sets"].items():
        rows = []
        entries = [("dedup", "", found["dedup"]), ("dedup, banded", "", found["banded"])]
        for peer, by in found["peers"].items():
            entries += [(peer, by[which]["setting"], by[which]) for which in ("documented", "best")]
        for who, setting, entry in entries:
            bins = [share(b["found"], 3) for b in entry["bins"].values()]
            rows.append(
                [
                    who,
                    setting,
                    *bins,
                    share(entry["from"]["0.6"]["found"]),
                    share(entry["precision"]),
                    f"{entry['keys']:.1f}",
                    f"{entry['candidates']:.2f}",
                    f"{entry['bytes']:.0f}",
                ]
            )
        counts = ", ".join(f"{b['blocks']}" for b in found["dedup"]["bins"].values())
        print_table(
            f"{name}: {found['blocks']} blocks; in dedup's bins {counts}",
            [
                "",
                "setting",
                ".5",
                ".6",
                ".7",
                ".8",
                ".9-1",
                ">= .6",
                "precision",
                "keys",
                "cand.",
                "bytes",
            ],
            rows,
        )
    rows = []
    for name, found in result["sets"].items():
        ours = found["dedup"]
        rows.append(
            [
                name,
                *(share(ours["from"][t]["found"]) for t in ("0.5", "0.6", "0.7", "0.8", "0.9")),
                share(ours["precision"]),
                share(ours["excerpt_precision"]),
                f"{ours['largest_error']:.5f}",
                *(share(cut["found"]) for cut in ours["cuts"].values()),
            ]
        )
    cuts = [f"teaser, {name}" for name in next(iter(result["sets"].values()))["dedup"]["cuts"]]
    recall = [f"J >= {t}" for t in (0.5, 0.6, 0.7, 0.8, 0.9)]
    print_table(
        "dedup against brute force", ["set", *recall, "precision", "excerpts", "error", *cuts], rows
    )


# ---- teasers -------------------------------------------------------------------------------------


def measure_teasers(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Everybody on the teaser benchmark."""
    import accuracy_teasers  # noqa: PLC0415 - the peers are imported once they are there
    from teasers import CHOSEN_ON, SEED, make_teasers  # noqa: PLC0415 - same

    progress("making teasers")
    sizes = {"a_class": 40, "others": 2_000} if quick else {"a_class": 200, "others": 12_000}
    others = make_teasers(folder, **sizes, seed=SEED + 1, half=CHOSEN_ON)
    return accuracy_teasers.measure(make_teasers(folder, **sizes), others)


def print_teasers(result: Mapping[str, Any]) -> None:
    """F1 by kind and by length, everybody at their best; false repeats; as documented overall.

    dedup stands there as it is by default, and at the setting that is best on other cases.
    """
    peers = result["peers"]
    names = ["dedup", "its best", "banded", *peers]
    ours = [result["dedup"], result["dedup_best"], result["banded"]]
    columns = [*ours, *(by["best"] for by in peers.values())]
    rows = [
        [row, str(result["cases"].get(row, "")), *(share(c["f1"][row], 3) for c in columns)]
        for row in result["dedup"]["f1"]
    ]
    for_row = [
        [
            row,
            share(result["dedup"]["f1"][row], 3),
            *(share(by["by_row"][row], 3) for by in peers.values()),
        ]
        for row in result["dedup"]["f1"]
    ]
    documented = (share(by["documented"]["f1"][ALL], 3) for by in peers.values())
    mine = (share(result[which]["f1"][ALL], 3) for which in ("dedup", "banded"))
    rows.append(["as documented, all", "", next(mine), "", next(mine), *documented])
    text = f"{result['source']}; {result['index']} blocks in the index"
    title = f"Teasers ({text}): F1, peers at the setting that is best overall"
    print_table(title, ["", "cases", *names], rows)
    print_table("The same, peers at another setting for every row", ["", "dedup", *peers], for_row)
    rows = [
        [row, str(result["cases"].get(row, "")), *(share(c["false"].get(row)) for c in columns)]
        for row in result["dedup"]["false"]
    ]
    print_table(
        "False repeats, peers at the setting that is best overall", ["", "cases", *names], rows
    )
    lengths = [key.split(" | ")[1] for key in result["dedup"]["recall"] if key.startswith("all | ")]
    rows = [
        [
            kind,
            *(share(result["dedup"]["recall"].get(f"{kind} | {length}"), 3) for length in lengths),
        ]
        for kind in dict.fromkeys(key.split(" | ")[0] for key in result["dedup"]["recall"])
    ]
    print_table("dedup's recall by words of the changed block", ["", *lengths], rows)
    best = [["dedup, chosen on other cases", result["dedup_best"]["setting"]]]
    best += [[name, by["best"]["setting"]] for name, by in peers.items()]
    print_table("Best settings", ["", "setting"], best)


# ---- short blocks, scripts -----------------------------------------------------------------------


def print_short(result: Mapping[str, Any]) -> None:
    """Headlines with one word changed, and headlines never seen."""
    rows = [[f"found, {n} words", share(found)] for n, found in result["found_by_words"].items()]
    rows += [
        ["found, all", share(result["found"])],
        ["unseen ones flagged", share(result["flagged_unseen"])],
        ["of them not a variant by one word", share(result["false_unseen"])],
    ]
    title = f"{result['headlines']} headlines, one word changed"
    print_table(title, ["", "share"], rows)


def print_scripts(result: Mapping[str, Any]) -> None:
    """Edits found by language, and repeats between languages."""
    rows = []
    for name, found in result["edits"].items():
        for which, entry in ((name, found), (f"{name}, sentences", found.get("sentences"))):
            if entry:
                cells = [share(entry[key]) for key in ("one word", "5%", "10%")]
                rows.append([which, str(entry["blocks"]), *cells])
    print_table("The same block with words edited", ["", "blocks", "one word", "5 %", "10 %"], rows)
    between = result["languages"]
    pairs = ", ".join(f"{a}~{b} {count}" for a, b, count in between["pairs"])
    print(
        f"\n{between['blocks']} blocks in {between['languages']} languages; between languages: "
        f"{between['kinds']}, of these unlike: {len(between['unlike'])}\n{pairs}"
    )


# ---- bars ----------------------------------------------------------------------------------------


def bars(result: Mapping[str, Any]) -> list[list[str]]:
    """The wished figures and the measured ones."""
    from teasers import UNKNOWN  # noqa: PLC0415 - once the environment is fair

    teasers, short, sets = result["teasers"], result["short"], result["sets"]["sets"]
    ours, best = teasers["dedup"], teasers["dedup_best"]
    recall, cases = ours["recall"], teasers["cases"]
    peers = teasers["peers"].values()
    theirs, by_row = [by["best"]["f1"] for by in peers], [by["by_row"] for by in peers]

    def lost(mine: Mapping[str, float], others: Sequence[Mapping[str, float]]) -> str:
        behind = [row for row, f1 in mine.items() if f1 < max(by[row] for by in others)]
        return f"{len(behind)} of {len(mine)}"

    def pooled(kinds: Sequence[str], lengths: Sequence[str]) -> float:
        rows = [f"{kind} | {length}" for kind in kinds for length in lengths]
        weights = {row: cases[row] for row in rows if row in recall}
        return float(np.average([recall[row] for row in weights], weights=list(weights.values())))

    long_enough = ("20-39", "40-80", "81+")
    unrelated = [name for name in ours["false"] if name.startswith("unrelated")]
    checks = sum(cases[name] for name in unrelated)
    false = sum(ours["false"][name] * cases[name] for name in unrelated) / max(1, checks)
    rows = [
        ["teasers, F1 of all", ">= .97", share(ours["f1"][ALL])],
        ["rows in which a peer at its best setting is better", "0", lost(ours["f1"], theirs)],
        ["the same, dedup at its best setting, too", "", lost(best["f1"], theirs)],
        ["rows in which a peer with a setting for the row is better", "0",
         lost(ours["f1"], by_row)],
        ["clean cuts, 20 words and more", ">= .99", share(pooled(["cut, clean"], long_enough))],
        ["quotes from the middle, 20 words and more", ">= .99",
         share(pooled(["quote from the middle"], long_enough))],
        ["words edited, 5 %", ">= .995", share(recall["words edited, 5 % | all"])],
        ["words edited, 10 %", ">= .97", share(recall["words edited, 10 % | all"])],
        [f"false repeats, unrelated ({checks} checks)", "<= .001", share(false)],
        ["false repeats, teasers of unknown texts", "", share(ours["false"][UNKNOWN])],
        ["the same, dedup at its best setting", "", share(best["false"][UNKNOWN])],
        ["5-9 words, one word changed", ">= .95", share(short["found"])],
        ["5-9 words, false repeats", "<= .01", share(short["false_unseen"])],
    ]  # fmt: skip
    for name, found in sets.items():
        rows.append(
            [f"{name}, recall from .6 on", ">= .995", share(found["dedup"]["from"]["0.6"]["found"])]
        )
        rows.append([f"{name}, precision", "1", share(found["dedup"]["precision"])])
    return rows


def main() -> None:
    """Measure, print, plot, save."""
    parser = arguments("accuracy", __doc__)
    options: argparse.Namespace = parser.parse_args()
    require_peers()
    run_fairly()
    import accuracy_plots  # noqa: PLC0415 - once the environment is fair
    import accuracy_scripts  # noqa: PLC0415 - same
    import accuracy_short  # noqa: PLC0415 - same
    from accuracy_text import missing  # noqa: PLC0415 - same
    from corpora import DATA  # noqa: PLC0415 - same
    from teasers import LENGTHS, length_class  # noqa: PLC0415 - same

    folder = (options.data or DATA).resolve()
    if missing(folder):
        sys.exit(f"error: {folder.name} has no {missing(folder)[0]}: say where it is with --data")
    quick = bool(options.quick)
    result: dict[str, Any] = describe(options)
    result["sets"] = measure_sets(folder, quick=quick)
    print_sets(result["sets"])
    result["teasers"] = measure_teasers(folder, quick=quick)
    print_teasers(result["teasers"])
    result["short"] = accuracy_short.measure(folder, 2_000 if quick else 10_000)
    print_short(result["short"])
    result["scripts"] = accuracy_scripts.measure(folder)
    print_scripts(result["scripts"])
    result["bars"] = bars(result)
    print_table(
        "What was wished, and what was measured", ["", "wished", "measured"], result["bars"]
    )
    save(result, options.json)
    plot = options.json.with_suffix("")
    sets = result["sets"]["sets"]
    for which in ("documented", "best"):
        accuracy_plots.plot_recall(sets, which, Path(f"{plot}-recall-{which}.png"))
    accuracy_plots.plot_bytes(sets, Path(f"{plot}-bytes.png"))
    lengths = [length_class(low) for low, _ in LENGTHS]
    accuracy_plots.plot_teasers(result["teasers"], lengths, Path(f"{plot}-teasers.png"))


if __name__ == "__main__":
    main()
