"""Plots of the accuracy benchmark: recall against similarity, recall against bytes, F1 by length.

Colours are Okabe and Ito's, told apart with any kind of colour vision; everybody has a marker too.
Must not know how figures are measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

STYLE: Mapping[str, tuple[str, str]] = {
    "dedup": ("#000000", "o"),
    "datasketch": ("#E69F00", "s"),
    "rensa": ("#56B4E9", "^"),
    "gaoya": ("#009E73", "v"),
    "text-dedup": ("#D55E00", "D"),
    "datatrove": ("#0072B2", "P"),
    "onion": ("#CC79A7", "X"),
    "SimHash": ("#8C8C8C", "*"),
}


def _axes(columns: int, title: str) -> tuple[Any, Any]:
    import matplotlib as mpl  # noqa: PLC0415 - slow to import

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the backend is chosen

    figure, axes = plt.subplots(
        1, columns, figsize=(4.2 * columns, 4.2), squeeze=False, sharey=True
    )
    figure.suptitle(title)
    for axis in axes[0]:
        axis.grid(color="#DDDDDD", linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes[0]


def _finish(figure: Any, axes: Any, path: Path) -> None:
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=4, frameon=False)
    figure.tight_layout(rect=(0, 0.13, 1, 1))
    figure.savefig(path, dpi=110)
    print(f"wrote {path.name}")


def _entries(found: Mapping[str, Any], which: str) -> dict[str, Mapping[str, Any]]:
    return {"dedup": found["dedup"]} | {name: by[which] for name, by in found["peers"].items()}


def plot_recall(sets: Mapping[str, Mapping[str, Any]], which: str, path: Path) -> None:
    """Recall by bin of similarity, a panel a data set."""
    setting = "as documented" if which == "documented" else "at their best setting"
    figure, axes = _axes(len(sets), f"Recall over originals by similarity; peers {setting}")
    for axis, (name, found) in zip(axes, sets.items(), strict=True):
        for who, entry in _entries(found, which).items():
            colour, marker = STYLE[who]
            bins = {float(low): b["found"] for low, b in entry["bins"].items() if b["blocks"] >= 10}
            lows = [low for low, share in bins.items() if share is not None]
            shares = [bins[low] for low in lows]
            width = 2.4 if who == "dedup" else 1.2
            axis.plot(
                [low + 0.05 for low in lows],
                shares,
                color=colour,
                marker=marker,
                lw=width,
                label=who,
            )
        axis.set_title(name)
        axis.set_xlabel("Jaccard similarity of word pairs")
        axis.set_ylim(-0.02, 1.03)
    axes[0].set_ylabel("share of blocks found")
    _finish(figure, axes, path)


def plot_bytes(sets: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Recall from .6 on against bytes a block; hollow as documented, filled at the best setting."""
    figure, axes = _axes(len(sets), "Recall from .6 on against bytes a block")
    for axis, (name, found) in zip(axes, sets.items(), strict=True):
        for which, face in (("documented", "white"), ("best", None)):
            for who, entry in _entries(found, which).items():
                if who == "dedup" and face:
                    continue
                colour, marker = STYLE[who]
                axis.plot(
                    [entry["bytes"]],
                    [entry["from"]["0.6"]["found"]],
                    marker=marker,
                    color=colour,
                    markerfacecolor=face or colour,
                    markersize=9,
                    linestyle="",
                    label=who if not face else None,
                )
        axis.set_xscale("log")
        axis.set_title(name)
        axis.set_xlabel("bytes a block")
        axis.set_ylim(-0.02, 1.03)
    axes[0].set_ylabel("share of blocks found; hollow: as documented")
    _finish(figure, axes, path)


def plot_teasers(teasers: Mapping[str, Any], lengths: list[str], path: Path) -> None:
    """F1 by length, everybody at their best setting and as documented."""
    figure, axes = _axes(2, "Teaser benchmark: F1 by words of the changed block")
    for axis, which in zip(axes, ("documented", "best"), strict=True):
        for who, entry in _entries(teasers, which).items():
            colour, marker = STYLE[who]
            values = [entry["f1"][length] for length in lengths]
            width = 2.4 if who == "dedup" else 1.2
            axis.plot(lengths, values, color=colour, marker=marker, lw=width, label=who)
        axis.set_title("as documented" if which == "documented" else "at their best setting")
        axis.set_xlabel("words")
        axis.set_ylim(-0.02, 1.03)
    axes[0].set_ylabel("F1")
    _finish(figure, axes, path)
