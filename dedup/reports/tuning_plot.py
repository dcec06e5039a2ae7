"""Which threshold suits, as a picture: SVG by hand, in light and dark, without a library.

Of labelled pairs: precision, recall and F1 by threshold, and below it how often pairs share a key.
Of a sample: the histogram of similarities, and below it the repeats by threshold. Knows nothing of
files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from dedup.tune import KeyRecall, PairTuning, SampleTuning

WIDTH, HEIGHT = 720, 660
LEFT, RIGHT = 76, 700
PANELS = ((62, 300), (386, 604))
LOW, HIGH = 0.3, 1.0

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1c1d1f } .soft { fill: #62666d }
.title { font-size: 16px; font-weight: 600 } .back { fill: #fbfbf9 } .grid { stroke: #dfe0dd }
.a { stroke: #2457a6; fill: #2457a6 } .b { stroke: #b3541e; fill: #b3541e }
.c { stroke: #12692f; fill: #12692f } .chosen { stroke: #62666d; stroke-dasharray: 2 4 }
polyline { fill: none !important; stroke-width: 2.2; stroke-linejoin: round }
.theory { stroke-width: 1.4; stroke-dasharray: 6 4 } .bar { stroke: none; opacity: .85 }
text.a, text.b, text.c { stroke: none }
@media (prefers-color-scheme: dark) { text { fill: #e6e7e9 } .soft { fill: #9a9fa7 }
.back { fill: #131416 } .grid { stroke: #34373c } .a { stroke: #8fb6f2; fill: #8fb6f2 }
.b { stroke: #f0a070; fill: #f0a070 } .c { stroke: #84d99a; fill: #84d99a } }
"""

Line = tuple[str, str, Sequence[tuple[float, float]]]
"""Name, classes, points."""


def tuning_plot(tuning: PairTuning | SampleTuning) -> bytes:
    """The picture, as an SVG file."""
    panels = _pair_panels(tuning) if isinstance(tuning, PairTuning) else _sample_panels(tuning)
    title = f"A threshold of {tuning.recommended:.2f} suits"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{title}</title><desc>{escape(tuning.reason)}</desc><style>{STYLE}</style>",
        f'<rect class="back" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text class="title" x="{LEFT}" y="24">{title}</text>',
        *panels,
        "</svg>\n",
    ]
    return "\n".join(parts).encode()


def _pair_panels(tuning: PairTuning) -> Iterator[str]:
    lines: list[Line] = [
        ("precision", "a", [(point.threshold, point.precision) for point in tuning.points]),
        ("recall", "b", [(point.threshold, point.recall) for point in tuning.points]),
        ("F1", "c", [(point.threshold, point.f1) for point in tuning.points]),
    ]
    name = f"{tuning.pairs:,} labelled pairs, by threshold"
    yield from _panel(0, name, lines, 1.0, tuning.recommended)
    yield from _key_panel(tuning.keys, tuning.recommended)


def _sample_panels(tuning: SampleTuning) -> Iterator[str]:
    most = _round(max((bar.blocks for bar in tuning.alike), default=0))
    name = "Blocks by the similarity of the most similar earlier block"
    yield from _panel(0, name, [], most, tuning.recommended)
    for bar in tuning.alike:
        x, end = _x(bar.low) + 1, _x(bar.high) - 1
        y, base = _y(0, bar.blocks, most), _y(0, 0, most)
        yield (
            f'<rect class="a bar" x="{x:.1f}" y="{y:.1f}" width="{end - x:.1f}"'
            f' height="{base - y:.1f}"/>'
        )
    points = [
        (point.threshold, float(point.exact + point.near + point.excerpt))
        for point in tuning.points
    ]
    exact = [(point.threshold, float(point.exact)) for point in tuning.points]
    most = _round(max((count for _, count in points), default=0.0))
    lines: list[Line] = [("all repeats", "c", points), ("exact", "a", exact)]
    yield from _panel(1, "Repeats by threshold", lines, most, tuning.recommended)


def _key_panel(keys: Sequence[KeyRecall], recommended: float) -> Iterator[str]:
    middles = [(row, (row.low + row.high) / 2) for row in keys]
    lines: list[Line] = [
        ("measured", "c", [(x, row.sharing / row.pairs) for row, x in middles if row.pairs]),
        ("theory, edits together", "a theory", [(x, row.together) for row, x in middles]),
        ("theory, scattered", "b theory", [(x, row.scattered) for row, x in middles]),
    ]
    yield from _panel(1, "Pairs that share a key, by similarity", lines, 1.0, recommended)


def _panel(
    panel: int, name: str, lines: Sequence[Line], most: float, recommended: float
) -> Iterator[str]:
    top, bottom = PANELS[panel]
    yield f'<text x="{LEFT}" y="{top - 14}">{escape(name)}</text>'
    for step in range(5):
        value = most * step / 4
        y = _y(panel, value, most)
        shown = f"{value:.2f}" if most == 1 else f"{value:,.0f}"
        yield f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield (
            f'<text class="soft" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{shown}</text>'
        )
    for tenth in range(3, 11):
        x = _x(tenth / 10)
        yield (
            f'<text class="soft" x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">'
            f"{tenth / 10:.1f}</text>"
        )
    x = _x(recommended)
    yield f'<line class="chosen" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>'
    at = float(LEFT)
    for label, classes, points in lines:
        if not points:
            continue
        path = " ".join(f"{_x(x):.1f},{_y(panel, y, most):.1f}" for x, y in points)
        yield f'<polyline class="{classes}" points="{path}"/>'
        key_y = bottom + 42
        yield (
            f'<polyline class="{classes}" points="{at:.0f},{key_y - 4} {at + 22:.0f},{key_y - 4}"/>'
            f'<text x="{at + 28:.0f}" y="{key_y}">{escape(label)}</text>'
        )
        at += 28 + 7.2 * len(label) + 22


def _round(most: float) -> float:
    """The next number of which people like the quarters."""
    scale = 10 ** (len(str(int(most))) - 1)
    return float(max(4, next(step * scale for step in (1, 2, 4, 6, 8, 10) if step * scale >= most)))


def _x(value: float) -> float:
    return LEFT + (value - LOW) / (HIGH - LOW) * (RIGHT - LEFT)


def _y(panel: int, value: float, most: float) -> float:
    top, bottom = PANELS[panel]
    return bottom - value / most * (bottom - top)
