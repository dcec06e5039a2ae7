"""Tuning: what is counted is what is judged, and the recommendation follows from the counts."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import real_text, texts
from hypothesis import given
from hypothesis import strategies as st

from dedup import Deduper, InputError, Page, Settings, SettingsError
from dedup.cli import run
from dedup.cli.tune import tune as command
from dedup.explanation import explain
from dedup.inputs import find
from dedup.labelled import Pair, read_records
from dedup.reports import Look
from dedup.reports.tuning import tuning_json, tuning_text
from dedup.reports.tuning_plot import tuning_plot
from dedup.tune import THRESHOLDS, Point, _recommend, _valley, tune_pairs, tune_sample

VOCABULARY = [f"{a}{b}{c}" for a in "bdfgklmn" for b in "aeiou" for c in "rstx"]


def edited(chance: random.Random, text: str, share: float) -> str:
    """The text with this share of its words changed."""
    words = text.split()
    for at in chance.sample(range(len(words)), round(share * len(words))):
        words[at] = chance.choice(VOCABULARY)
    return " ".join(words)


def paragraphs(seed: int, count: int, length: int = 40) -> list[str]:
    """Unrelated paragraphs."""
    chance = random.Random(seed)
    return [" ".join(chance.choices(VOCABULARY, k=length)) for _ in range(count)]


def labelled(seed: int = 1, count: int = 120) -> list[Pair]:
    """Pairs with a few words changed, labelled repeats, and pairs with many, labelled different."""
    chance = random.Random(seed)
    pairs = []
    for at, text in enumerate(paragraphs(seed, 2 * count)):
        same = at < count
        share = chance.uniform(0.0, 0.1) if same else chance.uniform(0.3, 0.5)
        pairs.append(Pair(text, edited(chance, text, share), same))
    return pairs


# ---- labelled pairs ------------------------------------------------------------------------------


@given(st.lists(st.tuples(texts(30), texts(30), st.booleans()), min_size=1, max_size=5))
def test_counts_are_of_verdicts(drawn: list[tuple[str, str, bool]]) -> None:
    """A pair counts as called a repeat when an explanation of it, in either order, says so."""
    pairs = [Pair(*one) for one in drawn]
    pairs += [Pair(pairs[0].a, pairs[0].a.upper(), True), Pair("one", "two", False)]
    tuning = tune_pairs(pairs)
    for point in tuning.points[::4]:
        settings = Settings(threshold=point.threshold)
        called = [
            explain(pair.a, pair.b, settings=settings).is_repeat
            or explain(pair.b, pair.a, settings=settings).is_repeat
            for pair in pairs
        ]
        both = [(was, pair.same) for was, pair in zip(called, pairs, strict=True)]
        assert (point.right, point.wrong, point.missed) == (
            both.count((True, True)),
            both.count((True, False)),
            both.count((False, True)),
        )


def test_clear_pairs_have_a_clear_threshold() -> None:
    """Where repeats and the rest lie apart, the threshold lies between them, and the F1 is 1."""
    tuning = tune_pairs(labelled())
    (chosen,) = (point for point in tuning.points if point.threshold == tuning.recommended)
    assert chosen.f1 > 0.97
    assert tuning.points[0].wrong > chosen.wrong
    assert tuning.points[-1].missed > chosen.missed
    assert tuning.careful is not None
    assert (tuning.pairs, tuning.same, tuning.short) == (240, 120, 0)


def test_higher_threshold_flags_fewer() -> None:
    """As the threshold rises, no more pairs are called repeats, right or wrong."""
    points = tune_pairs(labelled(2)).points
    assert [point.threshold for point in points] == list(THRESHOLDS)
    assert [point.right for point in points] == sorted((p.right for p in points), reverse=True)
    assert [point.wrong for point in points] == sorted((p.wrong for p in points), reverse=True)


def test_default_stays_unless_another_is_better() -> None:
    """Of thresholds that do equally well, the nearest to the one in use is recommended."""
    equal = [Point(threshold, 50, 0, 0) for threshold in THRESHOLDS]
    threshold, reason = _recommend(equal, 0.6)
    assert threshold == 0.6
    assert "from 0.30 to 0.95 F1 is within" in reason
    better = [*equal[:-1], Point(THRESHOLDS[-1], 60, 0, 0)]
    worse = [Point(p.threshold, p.right, 0, 10) for p in better[:-1]] + better[-1:]
    threshold, reason = _recommend(worse, 0.6)
    assert threshold == 0.95
    assert "the highest tried" in reason


def test_excerpt_counts_in_either_order() -> None:
    """A teaser and its article are a repeat whichever stands first in the pair."""
    (article,) = paragraphs(3, 1, 60)
    teaser = " ".join(article.split()[:25])
    pairs = [Pair(article, teaser, True), Pair(teaser, article, True), Pair("a", "b", False)]
    point = tune_pairs(pairs).points[-1]
    assert (point.right, point.missed) == (2, 0)


def test_few_pairs_are_said_to_be_few() -> None:
    """A recommendation from a handful of pairs says so; labels of one kind are refused."""
    assert "with care" in tune_pairs(labelled(4, 10)).reason
    with pytest.raises(SettingsError, match="all 3 pairs are labelled repeats"):
        tune_pairs([Pair("a", "b", True)] * 3)
    with pytest.raises(SettingsError, match="labelled different"):
        tune_pairs([Pair("a", "b", False)] * 3)


def test_key_recall_is_measured_beside_theory() -> None:
    """The share of pairs with a common key rises with similarity, as theory says it does."""
    tuning = tune_pairs(labelled(5, 400))
    assert sum(row.pairs for row in tuning.keys) <= tuning.pairs
    for row in tuning.keys:
        assert 0 <= row.scattered <= row.together <= 1
        assert row.sharing <= row.pairs
        if row.pairs >= 50:
            # Single words were changed here, all over the text.
            assert abs(row.sharing / row.pairs - row.scattered) < 0.1
    theory = [row.together for row in tuning.keys]
    assert theory == sorted(theory)


# ---- samples -------------------------------------------------------------------------------------


def sample(seed: int = 6, share: tuple[float, float] = (0.02, 0.08)) -> list[Page]:
    """Pages with unrelated blocks, blocks of a template, and blocks that were lightly edited."""
    chance = random.Random(seed)
    pages = []
    for at, text in enumerate(paragraphs(seed, 120)):
        blocks = [text, edited(chance, text, chance.uniform(*share))]
        blocks.append(edited(chance, text, chance.uniform(0.3, 0.45)))
        pages.append(Page("\n\n".join(blocks), f"page{at}", "text"))
    return pages


def test_sample_counts_are_of_a_deduper() -> None:
    """How many repeats a threshold gives is what a deduper with that threshold gives."""
    pages = sample()
    tuning = tune_sample(pages)
    for point in tuning.points[::3]:
        reports = Deduper(threshold=point.threshold).check_many(pages)
        kinds = [b.repeat.kind for report in reports for b in report.repeats if b.repeat]
        assert kinds.count("exact") == point.exact
        assert kinds.count("near") == point.near
        assert kinds.count("excerpt") == point.excerpt


def test_valley_is_found() -> None:
    """Between what was edited and what shares a template, the valley is recommended."""
    tuning = tune_sample(sample())
    assert 0.5 <= tuning.recommended <= 0.8
    assert "there are fewest" in tuning.reason
    assert sum(bar.blocks for bar in tuning.alike) > 120


def test_without_a_valley_the_default_stays() -> None:
    """Too few pairs, or a smooth spread of them, are no reason for another threshold."""
    assert _valley(np.array([0.7, 0.8]), 0.6)[0] == 0.6
    assert "too few" in _valley(np.array([0.7, 0.8]), 0.6)[1]
    threshold, reason = _valley(np.linspace(0.3, 1, 1000), 0.6)
    assert (threshold, "no valley" in reason) == (0.6, True)


def test_examples_are_near_their_threshold() -> None:
    """Three pairs around each threshold, real blocks of the sample, none shown twice."""
    tuning = tune_sample(sample(7, (0.02, 0.3)))
    shown = [(example.text, example.earlier) for example in tuning.examples]
    assert len(shown) == len(set(shown)) > 3
    everything = " ".join(str(page.content) for page in sample(7, (0.02, 0.3)))
    for example in tuning.examples:
        assert abs(example.similarity - example.threshold) < 0.05
        assert example.text in everything
        assert explain(example.text, example.earlier).similarity == example.similarity


def test_bad_pages_are_named() -> None:
    """A page that cannot be read is named, the others count, and equal ids are two pages."""
    picture = Page(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", "x.png")
    tuning = tune_sample([*sample()[:2], picture, *sample()[:2]])
    assert [page for page, _ in tuning.errors] == ["x.png"]
    assert tuning.points[6].exact == 4  # a copy of a near repeat is near


def test_nothing_at_all() -> None:
    """A sample without blocks gives no repeats and keeps the default."""
    tuning = tune_sample([Page("", "empty")])
    default = Settings().threshold
    assert (tuning.blocks, tuning.recommended, tuning.examples) == (0, default, ())
    assert tuning_text(tuning, Look())
    assert tuning_plot(tuning)


# ---- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        '{"a": "x y", "b": "x z", "label": 1}\n\n{"b": "q", "a": "p", "label": false}\n',
        "Label,A,B\nduplicate,x y,x z\n0.0,p,q\n",
        "sentence1;sentence2;is_duplicate\n x y;x z;yes\np;q;no\n".replace(" x y", "x y"),
        "\ufefftext_a\ttext_b\tsame\nx y\tx z\tTrue\np\tq\t0\n",
    ],
)
def test_pairs_under_many_names(content: str) -> None:
    """CSV and JSON Lines, with the usual names of fields and of labels, are the same pairs."""
    assert read_records(content, "f") == [Pair("x y", "x z", True), Pair("p", "q", False)]


def test_texts_without_labels_are_pages() -> None:
    """Records with a text alone are pages, named by their id or their line."""
    assert read_records('{"text": "x\u2028y"}\n{"text": "z"}', "f") == [
        Page("x\u2028y", "f:1"),
        Page("z", "f:2"),
    ]
    assert read_records('{"url": "u", "content": "x"}', "f") == [Page("x", "u")]
    assert read_records('text\n"two\nlines"\n', "f") == [Page("two\nlines", "f:3")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "'f' has no records"),
        ("a,b\nx,y\n", "has no label"),
        ("c,d\nx,y\n", "has no pair of texts and its fields are c, d"),
        ('{"a": "x", "b": "y", "label": 1}\n{"a": 3, "b": "y", "label": 1}', "line 2: a is 3"),
        ('{"a": "x", "b": "y", "label": "perhaps"}', "'perhaps' says neither yes nor no"),
        ('{"a": "x", "b": "y", "label": 0.5}', "0.5 says neither yes nor no"),
        ('{"a": \n', "line 1 is no JSON"),
        ('{"text": "a"}\n[1]', "line 2 is no JSON object"),
        ("a,b,label\nx\n", "line 2: b is None"),
    ],
)
def test_broken_records_are_named(content: str, said: str) -> None:
    """A message names the file, the line, the value and the remedy."""
    with pytest.raises(InputError, match=said):
        read_records(content, "f")


# ---- how it looks --------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_text_stays_in_its_columns(columns: int) -> None:
    """No line is wider than asked for, the recommended row is marked, no colour unless wanted."""
    for tuning in (tune_pairs(labelled()), tune_sample(sample())):
        shown = tuning_text(tuning, Look(columns)).split("\n")
        widest = 62 if columns == 40 else columns  # a table is not broken
        assert all(len(line) <= widest for line in shown)
        (marked,) = (line for line in shown if line.startswith(">"))
        assert f"{tuning.recommended:.2f}" in marked
        assert "\x1b" not in "".join(shown)
        assert "\x1b[1m" in tuning_text(tuning, Look(columns, colour=True))


def test_json_has_every_number() -> None:
    """JSON has the table, the curve, the recommendation and its reason."""
    tuning = tune_pairs(labelled())
    made = json.loads(tuning_json(tuning))
    assert (made["version"], made["recommended"]) == (1, tuning.recommended)
    point = made["points"][6]
    assert point["recall"] == round(tuning.points[6].recall, 4)
    assert {"threshold", "right", "wrong", "missed", "precision", "f1"} <= set(point)
    made = json.loads(tuning_json(tune_sample(sample())))
    assert {"alike", "examples", "keys", "errors", "points", "reason"} <= set(made)


def test_plot_is_well_formed() -> None:
    """The plot is SVG that any reader of XML takes, with a curve for each name in its key."""
    for tuning, curves in ((tune_pairs(labelled()), 6), (tune_sample(sample()), 2)):
        root = ET.fromstring(tuning_plot(tuning))  # noqa: S314 - our own
        drawn = [e for e in root.iter() if e.tag.endswith("polyline")]
        assert len(drawn) == 2 * curves  # each with a sample of itself in the key
        assert b"prefers-color-scheme: dark" in tuning_plot(tuning)


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory with labelled pairs and a sample."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    rows = [json.dumps({"a": p.a, "b": p.b, "label": int(p.same)}) for p in labelled()]
    Path("pairs.jsonl").write_text("\n".join(rows))
    Path("pairs.jsonl.gz").write_bytes(gzip.compress("\n".join(rows).encode()))
    Path("pages").mkdir()
    for page in sample():
        Path("pages", f"{page.page}.txt").write_text(str(page.content))
    Path("texts.jsonl").write_text(
        "\n".join(json.dumps({"text": page.content}) for page in sample())
    )
    Path("bad.csv").write_text("a,b\nx,y\n")
    Path("x.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["pairs.jsonl"], 0, ""),
        (["pairs.jsonl.gz"], 0, ""),
        (["pages"], 0, ""),
        (["texts.jsonl"], 0, ""),
        (["pages", "x.png"], 2, "x.png"),
        (["bad.csv"], 2, "'bad.csv' has no label"),
        (["pairs.jsonl", "pages"], 2, "labelled pairs and pages come together"),
        (["missing.csv"], 2, "no such file or folder: 'missing.csv'"),
        (["pairs.jsonl", "--plot", "plot.png"], 2, "name it .svg"),
        (["pairs.jsonl", "--plot", "a.svg", "-o", "a.svg"], 2, "choose another file"),
        (["pairs.jsonl", "-o", "pairs.jsonl"], 2, "would replace a page"),
        (["pairs.jsonl", "--min-words", "0"], 2, "give a whole number from 1 on"),
        ([], 2, "Missing argument"),
    ],
)
def test_exit_status(
    arguments: Sequence[str], status: int, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """0, or 2 for any error, said on one line of stderr."""
    assert run(["tune", *arguments]) == status
    captured = capfd.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == bool(said)
    assert captured.err.startswith("dedup: error: ") == (status == 2)


def test_command_is_a_library_call(capfd: pytest.CaptureFixture[str]) -> None:
    """The command says what the library says, of pairs and of pages."""
    assert run(["tune", "pairs.jsonl", "--format", "json"]) == 0
    assert capfd.readouterr().out.encode() == tuning_json(tune_pairs(labelled()))
    assert run(["tune", "pages", "--format", "json"]) == 0
    pages = [page for page in find(["pages"]) if isinstance(page, Page)]
    assert capfd.readouterr().out.encode() == tuning_json(tune_sample(pages))


def test_output_and_plot_are_files(capfd: pytest.CaptureFixture[str]) -> None:
    """With -o stdout stays empty; --plot writes a picture beside the result."""
    assert run(["tune", "pairs.jsonl", "-o", "out", "--plot", "plot.svg"]) == 0
    assert capfd.readouterr().out == ""
    assert Path("out").read_text().startswith("dedup: a threshold of ")
    assert Path("plot.svg").read_bytes() == tuning_plot(tune_pairs(labelled()))


def test_standard_input() -> None:
    """Records and pages are told apart on standard input too."""
    for name, begins in (("pairs.jsonl", b"dedup: a threshold of"), ("texts.jsonl", b"dedup: a")):
        done = subprocess.run(
            [sys.executable, "-m", "dedup.cli", "tune", "-"],
            input=Path(name).read_bytes(),
            capture_output=True,
            env={"PYTHONPATH": ":".join(filter(None, sys.path))},
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.startswith(begins)


def test_default_is_the_librarys() -> None:
    """The option that names a setting has its default."""
    defaults: dict[str | None, Any] = {option.name: option.default for option in command.params}
    assert defaults["min_words"] == Settings().min_words


def test_real_sample(capfd: pytest.CaptureFixture[str]) -> None:
    """Hundreds of real pages are measured in one go."""
    assert run(["tune", str(real_text("fundus_news"))]) == 0
    assert "Pairs near" in capfd.readouterr().out
