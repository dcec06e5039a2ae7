"""The command line as a shell sees it: exit status, streams, signals, files."""

from __future__ import annotations

import gzip
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import pytest
from click import Argument
from click.testing import CliRunner

import dedup
from dedup.cli import console, run
from dedup.cli import dedup as command_line
from dedup.cli.check import check
from dedup.cli.options import duration
from dedup.findings import findings_of
from dedup.inputs import check_inputs, find
from dedup.reports import JsonReport, Result
from dedup.settings import Settings

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "examples" / "harbour-news.html"
DATA = ROOT.parent / "shared" / "data"
TEASER = "The old customs house opens its doors to the public at last"
OTHER = "Seals return to the breakwater for the third spring running"

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"real pages are not at {DATA}")


@pytest.fixture(autouse=True)
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a page that repeats a block twice, one without, and one broken."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    Path("twice.txt").write_text(f"{TEASER}\n\n{TEASER}\n\n{OTHER}\n\n{TEASER}\n")
    Path("once.txt").write_text(f"{OTHER}\n")
    Path("broken.txt.gz").write_bytes(gzip.compress(b"a page that was cut off")[:-9])
    return tmp_path


def command(*arguments: str) -> list[str]:
    """The command line in a process of its own."""
    return [sys.executable, "-m", "dedup.cli", *arguments]


def environment(**more: str) -> dict[str, str]:
    """The environment in which such a process finds the modules that run here."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **more}


def shell(
    *arguments: str,
    stdin: bytes | None = None,
    stdout: int | IO[bytes] = subprocess.PIPE,
    **env: str,
) -> subprocess.CompletedProcess[bytes]:
    """Run it to its end."""
    return subprocess.run(
        command(*arguments),
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=environment(**env),
        check=False,
        timeout=60,
    )


def on_terminal(*arguments: str, **env: str) -> tuple[int, str]:
    """Run it with all streams on a terminal; return its status and what the terminal got."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command(*arguments),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(**{"TERM": "xterm", **env}),
    )
    os.close(theirs)
    received = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says so when the last writer is gone
            break
        if not part:
            break
        received += part
    os.close(ours)
    return process.wait(timeout=60), received.decode()


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["once.txt"], 0),
        (["twice.txt"], 1),
        (["twice.txt", "--max-repeats", "1"], 1),
        (["twice.txt", "--max-repeats", "2"], 0),
        (["twice.txt", "--exit-zero"], 0),
        (["once.txt", "twice.txt"], 1),
        (["broken.txt.gz", "once.txt"], 2),
        (["broken.txt.gz", "twice.txt", "--exit-zero"], 2),
        (["missing.txt"], 2),
        ([], 2),
        (["once.txt", "--nonsense"], 2),
        (["once.txt", "--format", "xml"], 2),
        (["once.txt", "--threshold", "7"], 2),
        (["once.txt", "--min-words", "0"], 2),
        (["once.txt", "--index", "nonsense://"], 2),
        (["once.txt", "-o", "nowhere/report.txt"], 2),
        (["once.txt", "-o", "."], 2),
        (["once.txt", "-o", "once.txt"], 2),
    ],
)
def test_exit_status(
    arguments: Sequence[str], status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """0: no more repeats than allowed; 1: more; 2: any error, said on one line of stderr."""
    assert run(["check", *arguments]) == status
    said = capfd.readouterr().err
    assert said.startswith("dedup: error: ") == (status == 2)
    assert said.count("\n") == (status == 2)


def test_errors_name_the_value_and_the_remedy(capfd: pytest.CaptureFixture[str]) -> None:
    """A message names the value, the remedy, and nothing of Python."""
    for arguments, said in (
        (["check", "missing.txt"], "'missing.txt'; check the path"),
        (["check", "once.txt", "--treshold", "1"], "--threshold"),
        (["check", "once.txt", "--threshold", "7"], "7.0: give a number over 0 and up to 1"),
        (["chekc"], "'chekc'"),
        (["check"], "see 'dedup check --help'"),
        (["check", "once.txt", "-o", "no/r.txt"], "'no/r.txt' (no such file or directory)"),
        (["check", "once.txt", "-o", "once.txt"], "would replace a page"),
    ):
        assert run(arguments) == 2
        captured = capfd.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("dedup: error: ")
        assert said in captured.err


def test_bad_page_is_named_and_the_rest_is_done() -> None:
    """A page that cannot be read stands in its place in the report, and the batch goes on."""
    done = shell("check", "twice.txt", "broken.txt.gz", "once.txt", "--format", "json")
    report = json.loads(done.stdout)
    assert done.returncode == 2
    assert [list(page)[1] for page in report["pages"]] == ["blocks", "error", "blocks"]
    assert report["summary"]["errors"] == 1
    assert report["summary"]["exact"] == 3
    assert b"'broken.txt.gz' is a gzip file that ends too early" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_bug_is_an_error_and_no_finding(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What nobody foresaw exits 2 as well, with all that is needed to report it."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("unforeseen")

    monkeypatch.setattr(dedup, "Deduper", fail)
    assert run(["check", "once.txt"]) == 2
    said = capfd.readouterr().err
    assert "Traceback" in said
    assert said.endswith(
        "unexpected ZeroDivisionError: a bug in dedup, please report the lines above\n"
    )


def test_command_is_a_library_call(capfd: pytest.CaptureFixture[str]) -> None:
    """The command says what the same few lines of Python say."""
    assert run(["check", "twice.txt", "once.txt", "--format", "json"]) == 1
    printed = json.loads(capfd.readouterr().out)
    written: list[bytes] = []
    result, report = Result(), JsonReport(written.append)
    with dedup.Deduper() as deduper:
        for judged in check_inputs(deduper.check_many, find(["twice.txt", "once.txt"])):
            assert isinstance(judged, dedup.Report)
            found = findings_of(judged)
            result.add(found)
            report.page(found)
    report.finish(result)
    assert without_times(printed) == without_times(json.loads(b"".join(written)))


def without_times(report: dict[str, Any]) -> dict[str, Any]:
    """A JSON report without what differs from run to run."""
    for page in report["pages"]:
        for repeat in page["repeats"]:
            del repeat["original"]["first_seen"], repeat["original"]["last_seen"]
    return report


def test_defaults_are_the_librarys() -> None:
    """What help says of options that name a setting is that setting's default."""
    said = {option.name: getattr(option, "show_default", None) for option in check.params}
    assert said["threshold"] == f"{Settings().threshold}, or the index's own"
    assert said["min_words"] == f"{Settings().min_words}, or the index's own"


def test_options_reach_the_verdicts(capfd: pytest.CaptureFixture[str]) -> None:
    """Threshold and least words decide what repeats."""
    Path("near.txt").write_text(f"{TEASER}\n\n{TEASER.replace('opens', 'shuts')}\n")
    assert run(["check", "near.txt"]) == 1
    assert " near " in capfd.readouterr().out
    assert run(["check", "near.txt", "--threshold", "0.9"]) == 0
    assert run(["check", "twice.txt", "--min-words", "50"]) == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("0.5", 0.5), ("45s", 45), ("90m", 5400), ("1.5D", 129_600), (" 2w ", 1_209_600)],
)
def test_durations(text: str, seconds: float) -> None:
    """A duration is a number of seconds, or of what its letter says."""
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "7 d", "-1", "1e3", "7x", "7dd", "٣d", "inf", "0"])
def test_bad_durations(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    """What is no duration is an error that says what is."""
    assert run(["check", "once.txt", "--expire-after", text]) == 2
    assert re.search(r"(expire-after': '.*'|expire_after=0.0): give a", capfd.readouterr().err)


@pytest.mark.parametrize("page_format", ["text", "json", "jsonl"])
def test_output_file_is_the_report(page_format: str, capfd: pytest.CaptureFixture[str]) -> None:
    """With -o stdout stays empty, the file is the whole report, and nothing else is left."""
    assert run(["check", "twice.txt", "--format", page_format]) == 1
    printed = capfd.readouterr().out
    assert run(["check", "twice.txt", "--format", page_format, "-o", "report"]) == 1
    assert capfd.readouterr().out == ""
    assert len(Path("report").read_text()) == len(printed)
    assert sorted(path.name for path in Path().iterdir()) == [
        "broken.txt.gz",
        "once.txt",
        "report",
        "twice.txt",
    ]


def test_output_stays_as_it_was_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    """A run that fails leaves the earlier report alone."""
    Path("report").write_text("earlier")
    assert run(["check", "missing.txt", "-o", "report"]) == 2
    assert run(["check", "once.txt", "--threshold", "7", "-o", "report"]) == 2
    assert Path("report").read_text() == "earlier"
    assert not list(Path().glob(".*"))
    assert capfd.readouterr().out == ""


def test_output_goes_through_links_and_into_pipes() -> None:
    """A link to a report keeps pointing at it, and what is no file is written as it is."""
    Path("link").symlink_to("report")
    assert shell("check", "once.txt", "-o", "link").returncode == 0
    assert Path("link").is_symlink()
    assert Path("report").read_text().startswith("dedup: no repeats")
    done = shell("check", "once.txt", "-o", "/dev/stdout")
    assert done.stdout.startswith(b"dedup: no repeats")


@pytest.mark.parametrize(
    "page_format", ["text", "json", "jsonl", "csv", "markdown", "sarif", "html"]
)
def test_own_reports_are_never_input(page_format: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A report in the folder that is checked is no page, in this run or in the next."""
    Path("broken.txt.gz").unlink()
    arguments = ["check", ".", "--format", page_format, "-o"]
    assert run([*arguments, "report.txt"]) == 1
    first = Path("report.txt").read_text()
    # Packed data is a few bytes shorter or longer with the time of day.
    slack = 40 if page_format == "html" else 0
    assert run([*arguments, "report.txt"]) == 1
    assert run([*arguments, "second.txt"]) == 1
    assert abs(len(Path("second.txt").read_text()) - len(first)) <= slack
    with Path("third.txt").open("wb") as third:
        done = shell("check", ".", "--format", page_format, stdout=third)
    assert done.returncode == 1
    assert abs(len(Path("third.txt").read_text()) - len(first)) <= slack
    assert capfd.readouterr().err == ""


def test_several_reports_in_one_run(capfd: pytest.CaptureFixture[str]) -> None:
    """Each goes to its place in the format that its name or its suffix says."""
    reports = ["a.csv", "b.md", "sarif=c", "d.html", "text=e.log"]
    options = [word for report in reports for word in ("--report", report)]
    assert run(["check", "twice.txt", "--format", "json", *options]) == 1
    assert json.loads(capfd.readouterr().out)["summary"]["exact"] == 2
    starts = {
        "a.csv": "page,",
        "b.md": "## dedup",
        "c": "{",
        "d.html": "<!doctype",
        "e.log": "dedup",
    }
    for path, start in starts.items():
        assert Path(path).read_text().startswith(start)
    assert run(["check", "once.txt", "-o", "f.json"]) == 0
    assert json.loads(Path("f.json").read_text())["summary"]["blocks"] == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--report", "x.foo"], "'x.foo': write FORMAT=FILE, with one of text, json"),
        (["--report", "xml=x.html"], "'xml=x.html': write FORMAT=FILE"),
        (["--report", "json=-"], "name a file"),
        (["--report", "a.csv", "--report", "text=./a.csv"], "the csv report goes there, too"),
        (["-o", "a.csv", "--report", "json=a.csv"], "the csv report goes there, too"),
        (["--report", "text=once.txt"], "--report 'once.txt' would replace a page"),
        (["--report", "html=no/r"], "choose another place for --report"),
        (["--min-similarity", "2"], "2"),
    ],
)
def test_reports_that_cannot_be(
    options: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is wrong with a report is said before anything is read, and nothing is written."""
    before = sorted(Path().iterdir())
    assert run(["check", "once.txt", *options]) == 2
    assert said in capfd.readouterr().err
    assert sorted(Path().iterdir()) == before


def test_only_some_repeats_count(capfd: pytest.CaptureFixture[str]) -> None:
    """Repeats of other kinds, scopes and similarities are not told, and not counted."""
    Path("near.txt").write_text(f"{TEASER}\n\n{TEASER.replace('opens', 'shuts')}\n")
    asked = ["check", "near.txt", "twice.txt"]
    assert run([*asked, "--kind", "near", "--min-similarity", "0.9"]) == 0
    assert run([*asked, "--kind", "near", "--scope", "page", "--format", "json"]) == 1
    told = capfd.readouterr().out.partition("{")[2]
    summary = json.loads("{" + told)["summary"]
    assert (summary["near"], summary["exact"]) == (1, 0)


def test_output_never_replaces_a_page(capfd: pytest.CaptureFixture[str]) -> None:
    """A report is not written over a page of an input folder; another file there may go."""
    assert run(["check", ".", "-o", "once.txt"]) == 2
    assert "would replace a page" in capfd.readouterr().err
    assert Path("once.txt").read_text() == f"{OTHER}\n"
    Path("notes.csv").write_text("1,2")
    assert run(["check", "twice.txt", "-o", "notes.csv"]) == 1


def test_standard_input() -> None:
    """`-` is a page from standard input, under the name that it is given."""
    text = f"{TEASER}\n\n{TEASER}\n".encode()
    done = shell("check", "-", "--format", "json", stdin=text)
    assert done.returncode == 1
    assert json.loads(done.stdout)["pages"][0]["page"] == "-"
    done = shell("check", "-", "--stdin-name", "https://example.org/a", stdin=gzip.compress(text))
    assert b"https://example.org/a: 1 exact" in done.stdout


def test_markup_from_standard_input_is_known_by_content() -> None:
    """HTML from standard input is taken for HTML."""
    html = f"<!doctype html><p>{TEASER}</p><p>{TEASER}</p>".encode()
    assert shell("check", "-", stdin=html).returncode == 1


@pytest.mark.parametrize("arguments", [["check", "twice.txt"], ["--help"], ["check", "--help"]])
def test_reader_that_went_away(arguments: Sequence[str]) -> None:
    """A reader that has seen enough ends the run quietly, with the status of a broken pipe."""
    reading, writing = os.pipe()
    os.close(reading)
    done = shell(*arguments, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_full_disk() -> None:
    """A report that cannot be written is an error, said once."""
    with Path("/dev/full").open("wb") as full:
        done = shell("check", "twice.txt", stdout=full)
    assert done.returncode == 2
    assert done.stderr.startswith(b"dedup: error: cannot read or write: ")
    assert done.stderr.count(b"\n") == 1
    assert shell("check", "twice.txt", "-o", "/dev/full").returncode == 2


def test_closed_streams() -> None:
    """A closed stdout is an error; a closed stdin or stderr is no matter unless it is needed."""
    line = " ".join(command("check", "twice.txt"))

    def closing(redirection: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["/bin/sh", "-c", f"{line} {redirection}"],
            env=environment(),
            capture_output=True,
            check=False,
            timeout=60,
        )

    closed = closing(">&-")
    assert closed.returncode == 2
    assert b"stdout is closed" in closed.stderr
    assert closing(">&- -o report").returncode == 1
    assert closing("<&-").returncode == 1
    assert closing("2>&-").returncode == 1
    assert closing("- <&-").returncode == 2


def interrupted(*arguments: str) -> tuple[int, bytes, bytes]:
    """Run it until it waits for standard input, press Ctrl-C; return status, stdout, stderr."""
    process = subprocess.Popen(
        command("check", *arguments, "-"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdin is not None
    # More than a pipe holds: once it is written, the process is reading it.
    process.stdin.write(b"x" * 1_000_000)
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    return process.returncode, stdout, stderr


def test_ctrl_c_tells_what_was_decided() -> None:
    """Ctrl-C exits 130 after a whole report on the pages read before it."""
    status, stdout, stderr = interrupted("twice.txt", "--format", "json")
    report = json.loads(stdout)
    assert status == 130
    assert [page["page"] for page in report["pages"]] == ["twice.txt"]
    assert report["summary"]["exact"] == 2
    assert report["summary"]["interrupted"] is True
    assert stderr == (
        b"dedup: warning: interrupted after 1 page; the report has only what was decided before\n"
    )
    status, stdout, stderr = interrupted("twice.txt", "-o", "report", "--quiet")
    assert (status, stdout, stderr) == (130, b"", b"")
    assert "stopped before the end" in Path("report").read_text()


def test_ctrl_c_with_workers() -> None:
    """Workers finish what was read before Ctrl-C, and end with the run."""
    Path("many").mkdir()
    for number in range(1200):
        Path(f"many/{number:04}.txt").write_text(f"{TEASER} {number // 2}\n\n{OTHER}\n")
    options = ["--format", "json", "--jobs", "2", "-o", "report.json"]
    status, _, stderr = interrupted("many", *options)
    assert (status, stderr.count(b"\n")) == (130, 1)
    assert len(json.loads(Path("report.json").read_bytes())["pages"]) == 1200


@pytest.mark.parametrize(
    ("option", "value"),
    [("--max-page-mb", "inf"), ("--max-page-mb", "nan"), ("--min-similarity", "nan")],
)
def test_numbers_without_an_order(
    option: str, value: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """What Python takes for a number, and no size or share is, is refused by name."""
    assert run(["check", "twice.txt", option, value]) == 2
    said = capfd.readouterr().err
    assert f"Invalid value for '{option}'" in said
    assert value in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("page_format", ["text", "json", "jsonl"])
def test_any_text_on_any_stdout(page_format: str) -> None:
    """No encoding of stdout and no name of a file stops a report."""
    name = os.fsdecode(b"caf\xe9.txt")
    text = "Ñandú 港口 \U0001f600 \ufffe one two three four five six seven eight"
    Path(name).write_text(f"{text}\n\n{text}\n")
    done = shell("check", name, "--format", page_format, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (done.returncode, done.stderr) == (1, b"")
    if page_format == "text":
        assert done.stdout.isascii()
    else:
        done.stdout.decode("utf-8")


def test_bad_name_in_a_message() -> None:
    """A path that is no text in any encoding is named all the same."""
    done = shell("check", os.fsdecode(b"caf\xe9.txt"), PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 2
    assert done.stderr.startswith(b"dedup: error: no such file or folder: 'caf")


def test_terminal_has_colour_and_progress() -> None:
    """On a terminal the report is coloured, unless NO_COLOR or a dumb terminal say otherwise."""
    status, received = on_terminal("check", "twice.txt")
    assert status == 1
    assert "\x1b[1mdedup: 2 of 4 blocks are repeats" in received
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b[1m" not in on_terminal("check", "twice.txt", "-q", **env)[1]
    assert "\x1b" not in shell("check", "twice.txt").stdout.decode()


def test_progress_is_for_terminals_and_people() -> None:
    """Progress is cleared before the report, and is silent for --quiet and without a terminal."""
    assert "\r\x1b[K" in on_terminal("check", "twice.txt")[1]
    assert "\r\x1b[K" not in on_terminal("check", "twice.txt", "--quiet")[1]
    assert shell("check", "twice.txt").stderr == b""


def test_progress_in_a_log(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where stderr is no terminal, a line now and then says how far the run has come."""
    monkeypatch.setattr(console, "LINES_INTERVAL", 0.0)
    assert run(["check", "twice.txt", "once.txt", "--exit-zero"]) == 0
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 4
    assert said[-1].startswith("dedup: 2 pages, 5 blocks, 3 repeats, ")
    assert run(["check", "twice.txt", "--exit-zero", "--quiet"]) == 0
    assert capfd.readouterr().err == ""


def test_time_left() -> None:
    """Time left follows from how much of the input was read, where that is known."""
    read = 0
    progress = console.Progress(shown=False, size=1000, position=lambda: read)
    start = time.monotonic()
    assert "left" not in progress.line(start + 10)
    read = 250
    assert progress.line(start + 10).endswith(", 25%, 30 s left")
    assert [console.duration(value) for value in (0, 99, 720, 12_000)] == [
        "1 s",
        "99 s",
        "12 min",
        "3 h 20 min",
    ]


def test_help_is_quick() -> None:
    """Help loads nothing that takes long to load."""
    heavy = ["numpy", "turbohtml", "xxhash", "charset_normalizer", "redis", "dedup.reports"]
    code = (
        "import sys; from dedup.cli import run; run(sys.argv[1:]);"
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    for arguments in (["--help"], ["check", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env=environment(),
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert done.stderr == b"[]\n"
        assert b"Usage: dedup" in done.stdout


def test_help_names_every_option_and_status() -> None:
    """Every option has a help text, and check's help tells the exit statuses."""
    for name, subcommand in command_line.commands.items():
        for option in subcommand.params:
            assert isinstance(option, Argument) or getattr(option, "help", None), name
    text = CliRunner().invoke(command_line, ["check", "--help"]).output
    assert "Exit status: 0" in text
    assert "130" in text


def test_without_arguments() -> None:
    """`dedup` alone is an error that shows the help."""
    done = shell()
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Usage: dedup" in done.stderr


def test_version(capfd: pytest.CaptureFixture[str]) -> None:
    """The version names the kernel that runs."""
    assert run(["--version"]) == 0
    assert capfd.readouterr().out.rstrip().endswith((", native kernel", ", reference kernel"))


def test_sample_page_shows_every_kind(capfd: pytest.CaptureFixture[str]) -> None:
    """The sample page has doubled teasers and headlines, a cut teaser, a reworked paragraph."""
    assert run(["check", str(SAMPLE), "--format", "json"]) == 1
    report = json.loads(capfd.readouterr().out)
    (page,) = report["pages"]
    found = sorted((repeat["kind"], repeat["text"].split()[1]) for repeat in page["repeats"])
    assert found == [
        ("exact", "eighty"),
        ("exact", "old"),
        ("exact", "old"),
        ("exact", "return"),
        ("exact", "returns"),
        ("excerpt", "ferry"),
        ("near", "repair"),
    ]


@needs_data
def test_real_page(capfd: pytest.CaptureFixture[str]) -> None:
    """The page that started it has five repeats, all exact, all of the page itself."""
    page_path = str(DATA / "horn-of-africa-page.txt")
    assert run(["check", page_path, "--format", "json"]) == 1
    report = json.loads(capfd.readouterr().out)
    (page,) = report["pages"]
    assert [(repeat["kind"], repeat["scope"]) for repeat in page["repeats"]] == [
        ("exact", "page")
    ] * 5
    assert [len(group["members"]) for group in report["groups"]] == [1, 3, 1]
    texts = [group["text"].split()[0] for group in report["groups"]]
    assert texts == ["Beijing\u2019s", "China", "Borrell"]


@needs_data
def test_real_crawl(capfd: pytest.CaptureFixture[str]) -> None:
    """Hundreds of real news pages are judged without a single error."""
    assert run(["check", str(DATA / "fundus_news"), "--format", "jsonl"]) == 1
    captured = capfd.readouterr()
    lines = [json.loads(line) for line in captured.out.splitlines()]
    assert captured.err == ""
    assert len(lines) == len(list((DATA / "fundus_news").glob("*.html.gz"))) + 1
    assert lines[-1]["summary"]["errors"] == 0
