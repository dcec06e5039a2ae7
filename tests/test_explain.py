"""Explanations: the verdict is the deduper's, the alignment is both texts, nothing is invented."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from itertools import cycle, islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import WORDS, texts
from hypothesis import assume, given
from hypothesis import strategies as st

from dedup import Deduper, Page, Settings
from dedup.align import align, matched_range, shared_chain
from dedup.cli import dedup as command_line
from dedup.cli import run
from dedup.cli.explain import explain as command
from dedup.evidence import Explanation
from dedup.explanation import explain, most_alike
from dedup.kernel.kinds import VerdictKind
from dedup.kernel.reference.judge import Rule, judge_pair
from dedup.normalise import normalise
from dedup.reports import Look
from dedup.reports.columns import width
from dedup.reports.explanation import Place, explanation_json, explanation_text
from dedup.reports.explanation_html import explanation_html
from dedup.sketch import sketch_texts
from dedup.words import split_words

SAMPLE = Path(__file__).parent.parent / "examples" / "harbour-news.html"
BLOCK, ORIGINAL = Place("b.txt", 3, 12), Place("a.txt", 0, 1)
LONG = (
    "The council of the town has decided on Monday evening to repair the old quay before the next "
    "winter, since the storm of last year had washed out the stones under the crane; the work will "
    "cost some ninety thousand crowns and is to begin in April, when the fishing boats are out."
)
TEASERS = {
    "start": (0, 22, "{} … Read more"),
    "middle": (15, 37, "{} …"),
    "end": (30, 54, "… {}"),
    "labels": (0, 24, "Premium – Updated 5 minutes ago: {} … Weiterlesen"),
    "label before": (12, 34, "By Malin Brückner, harbour desk. {}"),
}

tokens = st.lists(st.integers(0, 6), max_size=40)


def trace(text: str) -> np.ndarray[tuple[int], np.dtype[np.uint16]]:
    """The trace of a text."""
    data = text.encode("utf-8", "surrogatepass")
    return sketch_texts(data, np.array([0]), np.array([len(data)])).trace(0)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[str, str]:
    """Two texts of one block each: unrelated, or one an edit, a part or a shuffle of the other."""
    prose = st.integers(12, len(LONG.split())).map(lambda count: " ".join(LONG.split()[:count]))
    first = " ".join(draw(prose | texts(60)).split())
    words = first.split(" ")
    start = draw(st.integers(0, len(words)))
    end = draw(st.integers(start, len(words)))
    second = draw(
        st.sampled_from(
            [
                first.upper(),
                " ".join(words[start:end]),
                " ".join(words[start:end]) + " Read more",
                "By Jane Miller " + " ".join(words[:end]),
                " ".join(words[:start] + words[end:]),
                " ".join(words[end:] + words[start:end] + words[:start]),
                " ".join([*words[:start], "instead", *words[start + 1 :]]),
            ]
        )
        | texts(60).map(lambda text: " ".join(text.split()))
    )
    return draw(st.permutations([first, second]).map(lambda pair: (pair[0], pair[1])))


# ---- the verdict ---------------------------------------------------------------------------------


@given(pairs(), st.sampled_from([0.3, 0.6, 0.9]), st.sampled_from([1, 5]))
def test_verdict_is_the_dedupers(pair: tuple[str, str], threshold: float, min_words: int) -> None:
    """What is explained is what `Deduper` says of the same two texts, with the same numbers."""
    block, original = pair
    deduper = Deduper(threshold=threshold, min_words=min_words)
    first, second = deduper.check_many([Page(original, "a", "text"), Page(block, "b", "text")])
    assume(len(first.blocks) == len(second.blocks) == 1)
    (judged,) = second.blocks
    assume((judged.text, first.blocks[0].text) == (block, original))
    found = explain(block, original, settings=deduper.settings)
    match = judged.repeat or judged.extension
    assert found.verdict == (match.kind if match else "skipped" if judged.skipped else "new")
    assert found.is_repeat == bool(judged.repeat)
    if match and match.kind != "exact":
        assert (found.similarity, found.containment) == (match.similarity, match.containment)


@given(pairs(), st.sampled_from([0.3, 0.6, 0.9]))
def test_numbers_lead_to_the_verdict(pair: tuple[str, str], threshold: float) -> None:
    """The rule that is named follows from the conditions, and leads to the verdict."""
    found = explain(*pair, settings=Settings(threshold=threshold))
    outcomes = {
        "too short": {"skipped"},
        "original too short": {"new"},
        "equal": {"exact"},
        "no shared key": {"new"},
        "similar": {"near"},
        "contained": {"excerpt", "extension"},
        "begins": {"excerpt", "extension"},
        "unlike": {"new"},
    }
    assert found.verdict in outcomes[found.rule]
    assert found.reason.startswith(f"{found.verdict}: ")
    assert found.similarity == found.shared_pairs / found.all_pairs
    shorter = min(found.block.pairs, found.original.pairs)
    longer = max(found.block.pairs, found.original.pairs)
    assert found.size_ratio == (shorter / longer if longer else 1)
    assert (found.beginning > 0) == found.checks[-1].holds
    if shorter:
        assert found.containment == found.inside_pairs / shorter


@given(pairs())
def test_numbers_are_the_judges(pair: tuple[str, str]) -> None:
    """Similarity and containment are those of the rule that judges, whatever the verdict."""
    found = explain(*pair)
    everything = Rule(0, 1, 1, 1, 1, 1)
    verdict = judge_pair(everything, *(trace(text).tolist() for text in pair))
    assert verdict == (VerdictKind.NEAR, found.similarity, found.containment)


@pytest.mark.parametrize(
    ("block", "original", "reason"),
    [
        ("Read more", LONG, "skipped: a block of 2 words is not judged, it takes 5"),
        (LONG, "News", "new: a block of 1 word is no original of anything, it takes 5"),
        (LONG, LONG, "exact: the texts are equal, 53 words"),
        (
            LONG.upper(),
            LONG,
            "exact: the same 53 words; only case, punctuation or white space differ",
        ),
        (
            LONG.replace("Monday", "Friday"),
            LONG,
            (
                "near: 52 of the 56 word pairs stand in both texts, a similarity of 92%, and 50% is"
                " enough; “Monday” became “Friday”"
            ),
        ),
        (
            " ".join(LONG.split()[:24]) + " … Read more",
            LONG,
            (
                "excerpt: 23 of its 23 word pairs stand in the original, which is 2.2 times as"
                " long; behind the ellipsis, “Read more” is not compared"
            ),
        ),
        (
            LONG,
            " ".join(LONG.split()[:24]),
            (
                "extension: 23 of the 23 word pairs of the original stand in this block, which is"
                " 2.2 times as long; it is new, and not counted as a repeat"
            ),
        ),
        (
            "World News " + " ".join(LONG.split()[:7]),
            LONG,
            (
                "excerpt: its last 7 words are how the original begins, which is 7.6 times as long;"
                " the first two words, “World News”, do not"
            ),
        ),
        (
            " ".join(LONG.split()[:5]),
            LONG,
            "excerpt: its 5 words are how the original begins, which is 11 times as long",
        ),
        (
            " ".join(LONG.split()[:6]) + " xy… Read more",
            LONG,
            (
                "excerpt: its first 6 words are how the original begins, which is 8.8 times as"
                " long; the last word, “xy”, does not; behind the ellipsis, “Read more” is not"
                " compared"
            ),
        ),
        (
            LONG,
            "World News " + " ".join(LONG.split()[:7]),
            (
                "extension: it begins with the last 7 words of the original, and is 7.6 times as"
                " long; it is new, and not counted as a repeat"
            ),
        ),
    ],
)
def test_reason_is_a_sentence(block: str, original: str, reason: str) -> None:
    """The sentence names the numbers that decided and the words that differ."""
    assert explain(block, original).reason == reason


def test_characters_are_called_so() -> None:
    """In scripts without spaces the tokens are characters, and the sentence says so."""
    found = explain(
        "今日はとても天気がいいですね、散歩に行きましょう。",
        "明日はとても天気がいいですね、散歩に行きましょう。",
    )
    assert "character pairs" in found.reason
    assert "“明” became “今”" in found.reason


def test_most_alike() -> None:
    """The text most like a block is found among others, the first of equal ones."""
    others = ["Nothing of the kind at all here", LONG.upper(), LONG]
    assert most_alike(LONG.replace("Monday", "Friday"), others) == 1


# ---- words and their places ----------------------------------------------------------------------


@given(st.one_of(texts(), st.text()))
def test_words_make_up_the_normalised_text(text: str) -> None:
    """The tokens, joined, are the normalised text, and each stands where it says."""
    words = split_words(text)
    assert words.text == text
    assert " ".join(words.tokens) == normalise(text)
    assert all(0 <= start < end <= len(text) for start, end in words.spans)
    assert list(words.spans) == sorted(words.spans)
    cuts = words.cuts()
    assert (cuts[0], cuts == sorted(cuts)) == (0, True)
    assert not words.tokens or (len(cuts), cuts[-1]) == (len(words.tokens) + 1, len(text))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Café “so-called” don’t.", ["Café", "so", "called", "don", "t"]),
        ("½ ﷺ", ["½", "½", "ﷺ", "ﷺ", "ﷺ", "ﷺ"]),
        ("storm…Read", ["storm", "Read"]),
        ("日本語の か\u3099", ["日", "本", "語", "の", "か\u3099"]),
        ("ᄒ\u1161\u11ab jamo", ["ᄒ\u1161\u11ab", "jamo"]),
        ("co\u00adoper\u200bation", ["co\u00adoper\u200bation"]),
        ("<b>Caf&eacute;</b>&nbsp;bar", ["Caf&eacute;", "bar"]),
        ("W<i>o</i>rd &frac12;", ["W<i>o</i>rd", "&frac12;", "&frac12;"]),
    ],
)
def test_words_stand_as_written(text: str, parts: list[str]) -> None:
    """Each token leads to the characters that it was made of."""
    assert [text[start:end] for start, end in split_words(text).spans] == parts


def test_punctuation_goes_with_its_word() -> None:
    """What closes stays with the word before, what opens with the word after."""
    text = "He said, “hello (you)”. Bye"
    cuts = split_words(text).cuts()
    assert [text[a:b] for a, b in pairwise(cuts)] == ["He ", "said, ", "“hello ", "(you)”. ", "Bye"]


# ---- alignment -----------------------------------------------------------------------------------


@given(tokens, tokens)
def test_alignment_covers_both(block: list[int], original: list[int]) -> None:
    """The steps are both sequences, whole and in order, and what is the same is equal."""
    at = place = 0
    for step in align(block, original):
        assert (step.start, step.original_start) == (at, place)
        at, place = step.end, step.original_end
        mine, its = block[step.start : at], original[step.original_start : place]
        assert mine or its
        if step.kind == "same":
            assert mine == its
        if step.kind == "elsewhere":
            assert not (mine and its)
    assert (at, place) == (len(block), len(original))


@given(tokens, tokens)
def test_chain_is_in_order(block: list[int], original: list[int]) -> None:
    """Stretches of the chain are equal, in order in both, and none overlaps another."""
    at = place = 0
    for run_ in shared_chain(block, original):
        assert run_.block >= at
        assert run_.original >= place
        at, place = run_.block + run_.length, run_.original + run_.length
        assert run_.length > 0
        assert block[run_.block : at] == original[run_.original : place]


@pytest.mark.parametrize("edited", [False, True])
@pytest.mark.parametrize("cut", TEASERS)
def test_teaser_lies_where_it_was_cut(cut: str, *, edited: bool) -> None:
    """The range of the original that a teaser covers is found to the word, small edits or not."""
    start, end, label = TEASERS[cut]
    words = LONG.split()
    part = words[start:end]
    if edited:
        part[6:7] = ["quite", "another"]
        del part[14]
    found = matched_range(trace(label.format(" ".join(part))), trace(LONG))
    assert found == (start, min(end, len(words)))


def test_far_phrase_does_not_widen_the_match() -> None:
    """Three words that recur far from the match are no part of it."""
    original = LONG + " " + LONG.upper().replace(" ", "x ") + " read more of this"
    teaser = " ".join(LONG.split()[:20]) + " read more of"
    assert matched_range(trace(teaser), trace(original)) == (0, 20)


def test_nothing_shared_is_nowhere() -> None:
    """Without a shared shingle there is no range."""
    assert matched_range(trace("one two three four five"), trace(LONG)) is None
    assert matched_range(trace(""), trace("")) is None


@pytest.mark.parametrize("pattern", [[1], [1, 2, 3], list(range(50_000))])
def test_alignment_is_linear(pattern: list[int]) -> None:
    """One word or one phrase repeated thousands of times takes no longer than any other text."""
    text = list(islice(cycle(pattern), 50_000))
    (step,) = align(text, text)
    assert step == ("same", 0, 50_000, 0, 50_000)


# ---- changes -------------------------------------------------------------------------------------


@given(pairs())
def test_changes_are_both_texts(pair: tuple[str, str]) -> None:
    """The changes, put together, are both texts; what is the same has the same words."""
    found = explain(*pair)
    assert "".join(change.block for change in found.changes) == pair[0]
    assert "".join(change.original for change in found.changes) == pair[1]
    for change in found.changes:
        assert pair[0].startswith(change.block, change.start)
        assert pair[1].startswith(change.original, change.original_start)


def test_moved_sentence_is_told_from_a_new_one() -> None:
    """What stands in the other text at another place is marked so."""
    moved = "The ferry sails on Saturday morning at six."
    found = explain(f"{moved} {LONG} Nobody knows.", f"{LONG} {moved}")
    kinds = [(change.kind, change.block.strip()) for change in found.changes]
    assert ("elsewhere", moved) in kinds
    assert any(kind in ("inserted", "replaced") for kind, text in kinds if "Nobody" in text)


# ---- how it looks --------------------------------------------------------------------------------

EXCERPT = explain(" ".join(LONG.split()[:24]) + " … Read more", LONG)


@given(pairs(), st.builds(Look, st.integers(20, 120), st.booleans()))
def test_text_stays_in_its_columns(pair: tuple[str, str], look: Look) -> None:
    """No line is wider than asked for, and nothing steers the terminal but our own colours."""
    shown = explanation_text(explain(*pair), BLOCK, ORIGINAL, look)
    plain = re.sub(r"\x1b\[[0-9;]+m", "", shown)
    assert "\x1b" not in plain
    assert look.colour or "\x1b" not in shown
    assert all(width(line) <= max(look.width, 40) for line in plain.split("\n"))


def test_marks_stand_for_colours() -> None:
    """Without colours what is gone stands in [-...-], what is new in {+...+}."""
    shown = " ".join(explanation_text(EXCERPT, BLOCK, ORIGINAL, Look(80)).split())
    assert re.search(r"storm of last … \[-year had .* are out\.-\] \{\+Read more\+\}", shown)
    assert "original a.txt:1, block 0 53 words" in shown
    coloured = explanation_text(EXCERPT, BLOCK, ORIGINAL, Look(80, colour=True))
    assert "\x1b[4;32mRead more\x1b[0m" in coloured
    assert "{+" not in coloured


def test_deciding_conditions_are_marked() -> None:
    """The conditions that decided are marked in the table of numbers."""
    shown = explanation_text(EXCERPT, BLOCK, ORIGINAL, Look(80))
    marked = [line for line in shown.split("\n") if line.startswith("> ")]
    assert [line.split()[1].rstrip(":") for line in marked] == ["containment", "shared", "size"]


def test_long_stretches_are_folded() -> None:
    """Of a long stretch a person sees both ends and how much lies between; JSON has it all."""
    words = " ".join(f"word{at}" for at in range(500))
    found = explain(f"{words} one", f"{words} two")
    shown = explanation_text(found, BLOCK, ORIGINAL, Look(80))
    assert re.search(r"\(… [\d,]+ more\s+characters …\)", shown)
    assert len(shown) < 1500
    assert words in json.loads(explanation_json(found, BLOCK, ORIGINAL))["changes"][0]["block"]


def test_json_is_the_explanation() -> None:
    """JSON has every number, the place of the match, and both texts in parts."""
    made = json.loads(explanation_json(EXCERPT, BLOCK, ORIGINAL))
    assert (made["version"], made["verdict"], made["rule"]) == (1, "excerpt", "contained")
    assert made["reason"] == EXCERPT.reason
    assert made["block"]["page"] == "b.txt"
    assert made["original"]["words"] == 53
    where = made["matched"]
    assert (where["first_word"], where["end_word"]) == (0, 24)
    assert made["original"]["text"][where["start"] : where["end"]].endswith("the storm of last")
    assert [check["name"] for check in made["checks"]][4:6] == ["similarity", "containment"]
    assert made["settings"] == Settings().to_mapping()


class _Reader(HTMLParser):
    """Collects tags and text; complains about what is left open."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a start tag."""
        self.tags.append(tag)
        assert not {name for name, _ in attrs} & {"src", "href", "onclick"}
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Take an end tag."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Take text."""
        self.text += data


@given(pairs())
def test_html_holds_nothing_of_the_texts_as_markup(pair: tuple[str, str]) -> None:
    """Whatever the texts hold, the page is well-formed, loads nothing and runs nothing."""
    evil = f'{pair[0]} <script>alert("1")</script> <b onclick=x>&amp;'
    reader = _Reader()
    reader.feed(explanation_html(explain(evil, pair[1]), BLOCK, ORIGINAL).decode())
    assert reader.open == []
    assert not {"script", "link", "img", "iframe"} & set(reader.tags)
    assert '<script>alert("1")</script>' in reader.text


def test_html_is_for_light_and_dark() -> None:
    """The page follows the reader's colours, and marks changes by element too."""
    page = explanation_html(EXCERPT, BLOCK, ORIGINAL).decode()
    assert "prefers-color-scheme: dark" in page
    assert "<ins>Read more</ins>" in page
    assert re.search("<del>year had .* are out.</del>", page)


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory with an original, a teaser of it, and a page that has both."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    Path("long.txt").write_text(LONG)
    Path("teaser.txt").write_text(EXCERPT.block.text)
    other = "Seals return to the breakwater for the third spring running"
    Path("page.txt").write_text(f"{other}\n\n{LONG}\n\n{EXCERPT.block.text}\n\nShort.\n")
    Path("empty.txt").write_text("")
    Path("folder").mkdir()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["teaser.txt", "long.txt"], 1, ""),
        (["teaser.txt", "long.txt", "--exit-zero"], 0, ""),
        (["long.txt", "teaser.txt"], 0, ""),
        (["teaser.txt", "page.txt:1"], 1, ""),
        (["page.txt:2"], 1, ""),
        (["page.txt:3"], 0, ""),
        (["page.txt:1"], 0, "note: block 1 is an original itself"),
        (["page.txt"], 2, "4 blocks (repeats on it: 2): name one, as in 'page.txt:2'"),
        (["page.txt:0"], 2, "no block stands before block 0"),
        (["page.txt:9"], 2, "no block 9: its 4 are counted from 0"),
        (["long.txt"], 2, "no block stands before block 0"),
        (["empty.txt", "long.txt"], 2, "has no blocks"),
        (["folder", "long.txt"], 2, "is a folder: name a file in it"),
        (["missing.txt:3"], 2, "no such file or folder: 'missing.txt'"),
        (["long.txt", "teaser.txt", "--threshold", "7"], 2, "give a number over 0"),
        (["teaser.txt", "long.txt", "-o", "teaser.txt"], 2, "would replace a page"),
        (["teaser.txt", "long.txt", "--format", "xml"], 2, "--format"),
        ([], 2, "Missing argument 'BLOCK'"),
    ],
)
def test_exit_status(
    arguments: Sequence[str], status: int, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """0: no repeat; 1: a repeat; 2: any error, said on one line of stderr."""
    assert run(["explain", *arguments]) == status
    captured = capfd.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == bool(said)
    assert captured.err.startswith("dedup: error: ") == (status == 2)
    assert bool(captured.out) == (status != 2)


def test_block_is_explained_against_its_original(capfd: pytest.CaptureFixture[str]) -> None:
    """Alone, a block of the sample page is compared with the original that the report names."""
    assert run(["check", str(SAMPLE), "--format", "json"]) == 1
    (page,) = json.loads(capfd.readouterr().out)["pages"]
    for repeat in page["repeats"]:
        assert run(["explain", f"{SAMPLE}:{repeat['position']}", "--format", "json"]) == 1
        made = json.loads(capfd.readouterr().out)
        assert made["verdict"] == repeat["kind"]
        assert made["original"]["position"] == repeat["original"]["position"]
        if repeat["kind"] != "exact":
            assert made["similarity"] == repeat["similarity"]


def test_name_that_ends_like_a_block_is_a_file(capfd: pytest.CaptureFixture[str]) -> None:
    """A file called `a:1` is that file, and no block of a page `a`."""
    Path("teaser.txt:1").write_text(LONG)
    assert run(["explain", "teaser.txt:1", "long.txt", "--format", "json"]) == 1
    assert json.loads(capfd.readouterr().out)["verdict"] == "exact"


@pytest.mark.parametrize("report_format", ["text", "json", "html"])
def test_output_file(report_format: str, capfd: pytest.CaptureFixture[str]) -> None:
    """With -o the explanation goes to a file, and stdout stays empty."""
    arguments = ["explain", "teaser.txt", "long.txt", "--format", report_format]
    assert run(arguments) == 1
    printed = capfd.readouterr().out
    assert run([*arguments, "-o", "out"]) == 1
    assert capfd.readouterr().out == ""
    assert Path("out").read_text() == printed


def environment(**more: str) -> dict[str, str]:
    """The environment in which a process finds the modules that run here."""
    path = os.pathsep.join(filter(None, sys.path))
    return {**os.environ, "PYTHONPATH": path, "TERM": "xterm", **more}


def test_standard_input() -> None:
    """`-` is a block, or with a number a page, from standard input."""
    words = [sys.executable, "-m", "dedup.cli", "explain", "-:2", "-:1"]
    done = subprocess.run(
        words,
        input=Path("page.txt").read_bytes(),
        capture_output=True,
        env=environment(),
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"excerpt: " in done.stdout
    assert b"\x1b" not in done.stdout


@pytest.mark.parametrize(("no_colour", "expected"), [("", True), ("1", False)])
def test_terminal_has_colour(no_colour: str, *, expected: bool) -> None:
    """On a terminal changes are coloured, unless NO_COLOR says otherwise."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "dedup.cli", "explain", "teaser.txt", "long.txt"],
        stdout=theirs,
        env=environment(NO_COLOR=no_colour),
    )
    os.close(theirs)
    received = b""
    while part := _read(ours):
        received += part
    os.close(ours)
    assert process.wait(timeout=60) == 1
    assert (b"\x1b[4;32mRead more" in received) == expected
    assert (b"{+Read more+}" in received) != expected


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux says so when the last writer is gone
        return b""


def test_defaults_are_the_librarys() -> None:
    """Options that name a setting have its default."""
    assert command_line.commands["explain"] is command
    defaults = {option.name: option.default for option in command.params}
    assert defaults["threshold"] == Settings().threshold
    assert defaults["min_words"] == Settings().min_words


@pytest.mark.parametrize("name", ["explain", "tune"])
def test_help_is_quick(name: str) -> None:
    """Help loads nothing that takes long to load."""
    code = (
        "import sys; from dedup.cli import run; run(sys.argv[1:]);"
        "print([name for name in ('numpy', 'dedup.reports') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, name, "--help"],
        capture_output=True,
        env=environment(),
        check=True,
        timeout=60,
    )
    assert done.stdout.endswith(b"\n[]\n")
    assert b"Exit status: 0" in done.stdout


def test_explanation_is_a_value() -> None:
    """The same texts have equal explanations, whatever words they are made of."""
    assert explain(WORDS, LONG) == explain(WORDS, LONG)
    assert isinstance(hash(explain(WORDS, LONG)), int)
    assert isinstance(EXCERPT, Explanation)
