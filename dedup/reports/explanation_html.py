"""An explanation as one HTML file: nothing is loaded, nothing runs, light and dark.

First both texts as one with what changed, then each by itself, side by side where there is room,
then the numbers. Whatever the texts hold is escaped. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from dedup.evidence import Change, Explanation
from dedup.reports.explanation import Place, check_rows, deciding, parts

STYLE = """
:root { color-scheme: light dark; --page: #fbfbf9; --card: #fff; --text: #1c1d1f; --soft: #62666d;
  --line: #dfe0dd; --gone: #b3261e; --gone-back: #fdecea; --new: #12692f; --new-back: #e3f5e6;
  --moved: #7a5200; --moved-back: #fdf1d4; --decided: #eef3fb; --accent: #2457a6 }
@media (prefers-color-scheme: dark) { :root { --page: #131416; --card: #1b1d20; --text: #e6e7e9;
  --soft: #9a9fa7; --line: #34373c; --gone: #ff9d94; --gone-back: #40201e; --new: #84d99a;
  --new-back: #17351f; --moved: #f0c66b; --moved-back: #3a2e12; --decided: #1f2a3a;
  --accent: #8fb6f2 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif }
main { max-width: 68rem; margin: 0 auto; padding: 2rem 1.25rem 4rem }
h1 { font-size: 1.25rem; line-height: 1.45; font-weight: 600; margin: 0 0 .35rem;
  overflow-wrap: anywhere }
h1 b { color: var(--accent) }
h2 { font-size: .8rem; letter-spacing: .06em; text-transform: uppercase; color: var(--soft);
  font-weight: 600; margin: 2.2rem 0 .6rem }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 1rem 1.2rem; overflow-wrap: anywhere }
.card > p { margin: 0 }
.soft { margin: .5rem 0 0 }
.texts { display: grid; grid-template-columns: 1fr 1fr; gap: 0 1.25rem }
.texts p { margin: 0; border-top: 1px dashed var(--line); padding: .45rem 0 }
.texts p:nth-child(3), .texts p:nth-child(4) { border-top: 0 }
.texts header { font-weight: 600; padding-bottom: .3rem; border-bottom: 1px solid var(--line) }
.texts small, .soft { color: var(--soft); font-weight: 400; font-size: .85rem }
.one { max-width: 46rem; margin: 0; font-size: 1.06rem }
ins, del, mark { border-radius: 3px; padding: .05em .2em; -webkit-box-decoration-break: clone;
  box-decoration-break: clone }
ins { color: var(--new); background: var(--new-back); text-decoration: underline;
  text-decoration-thickness: 1px; text-underline-offset: 3px }
del { color: var(--gone); background: var(--gone-back); text-decoration-thickness: 1px }
mark { color: var(--moved); background: var(--moved-back) }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid var(--line);
  font-weight: 400 }
tr:last-child > * { border-bottom: 0 }
td.number { text-align: right; white-space: nowrap }
thead th { color: var(--soft); font-size: .85rem }
thead th.number { text-align: right }
tr.decided > * { background: var(--decided); font-weight: 600 }
tr.decided th::after { content: " decided"; color: var(--accent); font-weight: 400;
  font-size: .8rem; margin-left: .5em }
@media (max-width: 44rem) { main { padding: 1.2rem .9rem 3rem } h1 { font-size: 1.1rem }
  .wide { display: none } .card { padding: .8rem .9rem } th, td { padding: .4rem .3rem } }
@media (min-width: 44.01rem) { .narrow { display: none } }
"""

TAGS = {"deleted": "del", "inserted": "ins", "elsewhere": "mark"}

LEGEND = {
    "deleted": "<del>in the original alone</del>",
    "inserted": "<ins>in the block alone</ins>",
    "elsewhere": "<mark>in both, at other places</mark>",
}


def explanation_html(explanation: Explanation, block: Place, original: Place) -> bytes:
    """The explanation as a page, in UTF-8."""
    verdict, _, reason = explanation.reason.partition(": ")
    kinds = {kind for kind, _ in parts(explanation.changes)}
    legend = " &nbsp; ".join(text for kind, text in LEGEND.items() if kind in kinds)
    columns = [
        ("Original", original, explanation.original, "original"),
        ("Block", block, explanation.block, "block"),
    ]
    places = [
        f"{escape(str(place))}, {text.words:,} {'character' if text.unspaced else 'word'}"
        f"{'' if text.words == 1 else 's'}"
        for _, place, text, _ in columns
    ]
    heads = [
        f"<header>{label} <small>{place}</small></header>"
        for (label, *_), place in zip(columns, places, strict=True)
    ]
    rows = list(_rows(explanation.changes))
    cells = [
        f'<p dir="auto">{"".join(_side(change, side) for change in row)}</p>'
        for row in rows
        for *_, side in columns
    ]
    alone = [
        f'<section class="narrow"><h2>{label}</h2><div class="card"><p dir="auto">'
        f"{''.join(_side(change, side) for change in explanation.changes)}</p></div>"
        f'<p class="soft">{place}</p></section>'
        for (label, *_, side), place in zip(columns, places, strict=True)
    ]
    both = "".join(_tagged(kind, text) for kind, text in parts(explanation.changes))
    page = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>dedup: {escape(verdict)}</title><style>{STYLE}</style></head><body><main>",
        f"<h1><b>{escape(verdict)}</b>: {escape(reason)}</h1>",
        f'<h2>What changed</h2><div class="card"><p class="one" dir="auto">{both}</p></div>',
        f'<p class="soft">{legend}</p>' if legend else "",
        '<section class="wide"><h2>Side by side</h2><div class="card texts">',
        *heads,
        *cells,
        "</div></section>",
        *alone,
        "<h2>The numbers</h2>",
        f'<div class="card">{_table(explanation)}</div>',
        "</main></body></html>\n",
    ]
    return "\n".join(filter(None, page)).encode("utf-8", "replace")


def _side(change: Change, side: str) -> str:
    text = change.original if side == "original" else change.block
    kind = {"replaced": "deleted" if side == "original" else "inserted"}.get(
        change.kind, change.kind
    )
    return _tagged(kind, text) if text else ""


def _tagged(kind: str, text: str) -> str:
    """The text in its element; the space around it stays outside."""
    tag = TAGS.get(kind)
    if tag is None:
        return escape(text)
    inner = text.strip()
    start = text.index(inner) if inner else len(text)
    end = start + len(inner)
    return f"{escape(text[:start])}<{tag}>{escape(inner)}</{tag}>{escape(text[end:])}"


def _rows(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """The alignment in rows: what is the same, then what changed after it."""
    row: list[Change] = []
    for change in changes:
        if change.kind == "same" and row:
            yield row
            row = []
        row.append(change)
    if row:
        yield row


def _table(explanation: Explanation) -> str:
    decided = deciding(explanation)
    rows = []
    for at, (check, (name, value, limit)) in enumerate(
        zip(explanation.checks, check_rows(explanation), strict=True)
    ):
        mark = ' class="decided"' if at in decided else ""
        holds = "" if not limit else "✓" if check.holds else "✗"
        rows.append(
            f"<tr{mark}><th>{escape(name)}</th>"
            f'<td class="number">{value}</td><td class="number">{limit}</td><td>{holds}</td></tr>'
        )
    head = (
        '<thead><tr><th>measured</th><th class="number">value</th>'
        '<th class="number">needed</th><th></th></tr></thead>'
    )
    return f"<table>{head}<tbody>{''.join(rows)}</tbody></table>"
