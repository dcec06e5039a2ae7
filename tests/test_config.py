"""Settings from files and the environment: which holds, where it is from, what is refused."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from dedup.cli import dedup as command_line
from dedup.cli import run
from dedup.cli.command import SettingsCommand
from dedup.cli.config import OTHER_VARIABLES, keys_of, settings_of, variable
from dedup.cli.config_file import find, line_of, read
from dedup.cli.values import FILE, FOLDER, FileName, FormatFile
from dedup.errors import SettingsError
from dedup.urls import scheme_and_hosts, without_passwords

TEASER = "The old customs house opens its doors to the public at last"
NEAR = TEASER.replace("opens", "shuts")

COMMANDS = {
    name: command
    for name, command in command_line.commands.items()
    if isinstance(command, SettingsCommand)
}

Shown = dict[str, tuple[Any, str]]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory two folders below the temporary one, with a page that has one repeat."""
    here = tmp_path / "project" / "crawl"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    for name in ("DEDUP_CONFIG", "DEDUP_NO_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    Path("page.txt").write_text(f"{TEASER}\n\n{NEAR}\n")
    return here


@pytest.fixture
def shown(capfd: pytest.CaptureFixture[str]) -> Callable[..., Shown]:
    """What `--show-settings` says: by key, the value (None: unset) and where it is from."""

    def show(*arguments: str) -> Shown:
        assert run([*arguments, "--show-settings"]) == 0
        printed = capfd.readouterr().out
        values = tomllib.loads(printed)
        origins = dict(line.rsplit("  # ", 1) for line in printed.splitlines()[1:])
        return {
            text.removeprefix("# ").split()[0]: (
                values.get(text.removeprefix("# ").split()[0]),
                origin,
            )
            for text, origin in origins.items()
        }

    return show


def refusal(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command line that must fail says on its one line of stderr."""
    assert run(arguments) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err.removeprefix("dedup: error: ").rstrip("\n")


def test_order_of_strength(shown: Callable[..., Shown], monkeypatch: pytest.MonkeyPatch) -> None:
    """Options before the environment before the file; what is for one command before the rest."""
    layers: list[tuple[str, Callable[[], object]]] = [
        ("default: 0.5, or the index's own", lambda: None),
        ("dedup.toml:1", lambda: Path("dedup.toml").write_text("threshold = 0.1\n")),
        (
            "dedup.toml:3",
            lambda: Path("dedup.toml").write_text("threshold=0.1\n[check]\nthreshold = 0.2"),
        ),
        ("DEDUP_THRESHOLD", lambda: monkeypatch.setenv("DEDUP_THRESHOLD", "0.3")),
        ("DEDUP_CHECK_THRESHOLD", lambda: monkeypatch.setenv("DEDUP_CHECK_THRESHOLD", "0.4")),
    ]
    for at, (origin, add) in enumerate(layers):
        add()
        assert shown("check")["threshold"] == (at / 10 or None, origin)
    assert shown("check", "--threshold", "0.5")["threshold"] == (0.5, "--threshold")
    assert shown("lookup")["threshold"] == (0.3, "DEDUP_THRESHOLD")
    monkeypatch.setenv("DEDUP_CHECK_THRESHOLD", "")
    assert shown("check")["threshold"] == (0.3, "DEDUP_THRESHOLD")


def test_settings_decide(capfd: pytest.CaptureFixture[str]) -> None:
    """What a file says holds for the run, and an option goes before it."""
    assert run(["check", "page.txt"]) == 1
    Path("dedup.toml").write_text('format = "json"\n[check]\nthreshold = 0.95\n')
    capfd.readouterr()
    assert run(["check", "page.txt"]) == 0
    assert json.loads(capfd.readouterr().out)["summary"]["near"] == 0
    assert run(["check", "page.txt", "--threshold", "0.5"]) == 1
    assert run(["check", "page.txt", "--no-config"]) == 1
    assert run(["explain", "page.txt:1"]) == 1, "another command's table does not matter"


def test_nearest_file_holds(folder: Path, shown: Callable[..., Shown]) -> None:
    """Going up, the first file with settings counts; dedup.toml before pyproject.toml."""
    parent, top = folder.parent, folder.parent.parent
    (top / "dedup.toml").write_text("top = 1\njobs = 1")
    assert shown("check")["top"] == (1, f"{top / 'dedup.toml'}:1")
    (parent / "pyproject.toml").write_text("[project]\nname = 'dedup-user'\n")
    assert shown("check")["top"][0] == 1, "a project without settings for dedup"
    (parent / "pyproject.toml").write_text("[project]\n\n[tool.dedup.check]\ntop = 2\n")
    assert shown("check")["top"] == (2, f"{parent / 'pyproject.toml'}:4")
    assert shown("check")["jobs"][1] == "default: all cores", "files are not merged"
    (parent / "dedup.toml").write_text("top = 3")
    assert shown("check")["top"][0] == 3
    Path("broken.toml").write_text("top = ")
    Path("pyproject.toml").write_text("broken [ but not ours")
    assert shown("check")["top"][0] == 3


def test_file_by_name(
    shown: Callable[..., Shown],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """`--config`, DEDUP_CONFIG, `--no-config` and DEDUP_NO_CONFIG choose; options go first."""
    for name, top in (("dedup.toml", 1), ("a.toml", 2), ("b.toml", 3)):
        Path(name).write_text(f"top = {top}")
    assert shown("check", "--config", "a.toml")["top"] == (2, "a.toml:1")
    monkeypatch.setenv("DEDUP_CONFIG", "b.toml")
    assert shown("check")["top"] == (3, "b.toml:1")
    assert shown("check", "--config", "a.toml")["top"][0] == 2
    assert shown("check", "--no-config")["top"] == (20, "default")
    monkeypatch.setenv("DEDUP_NO_CONFIG", "true")
    assert shown("check")["top"] == (20, "default")
    assert shown("check", "--config", "a.toml")["top"][0] == 2
    monkeypatch.setenv("DEDUP_NO_CONFIG", "perhaps")
    assert refusal(capfd, "check", "x") == "DEDUP_NO_CONFIG='perhaps': use 1 or 0"
    both = refusal(capfd, "check", "x", "--no-config", "--config", "a.toml")
    assert both.startswith("--config and --no-config: give one of them")


def test_every_option_can_be_set(folder: Path) -> None:
    """Each option of each command is a key and two variables, and click takes what they say."""
    for name, command in COMMANDS.items():
        for key, option in keys_of(command).items():
            value: Any = "1"
            if isinstance(option.type, click.Choice):
                value = option.type.choices[0]
            elif isinstance(option.type, FormatFile):
                value = "report.json"
            in_toml: Any = True if option.is_flag else value
            if option.multiple or option.nargs != 1:
                in_toml = [value]
            for text in (
                f"[{name}]\n{key} = {json.dumps(in_toml)}",
                f"{key.replace('-', '_')} = {json.dumps(in_toml)}",
            ):
                Path("dedup.toml").write_text(text)
                commands = {other: keys_of(found) for other, found in COMMANDS.items()}
                setting = settings_of(name, commands, {}, find(folder))[str(option.name)]
                assert option.type_cast_value(click.Context(command), setting.value) is not None
            for environ in ({variable(key): value}, {variable(key, name): value}):
                setting = settings_of(name, commands, environ, None)[str(option.name)]
                assert setting.origin in environ


def test_every_command_has_settings() -> None:
    """Commands with options take them from files and the environment too.

    But for those that give rights: these are said each time.
    """
    for name, command in command_line.commands.items():
        if keys_of(command) and name != "serve-key":
            assert isinstance(command, SettingsCommand), f"{name}: use cls=SettingsCommand"


def test_options_for_files_have_their_type() -> None:
    """What is shown as FILE or FOLDER is completed and anchored as one."""
    for name, command in COMMANDS.items():
        for param in command.params:
            if re.search(r"\b(FILE|FOLDER|DIR|PATH)\b", str(param.metavar)):
                known = hasattr(param.type, "anchored") or isinstance(param.type, click.Path)
                assert known, f"{name} {param.name}: use a type of dedup.cli.values"


@click.command(cls=SettingsCommand)
@click.option("--field", multiple=True, type=FILE)
@click.option("--pair", nargs=2, type=float)
@click.option("--pairs", nargs=2, multiple=True)
@click.option("--colour/--no-colour", default=True)
@click.option("-v", "--verbose", count=True)
@click.option("--how", type=click.Path())
@click.option("--slow", "speed", flag_value="slow")
@click.option("--folder", type=FOLDER)
@click.option("--report", type=FormatFile(lambda words: words.split("=")), multiple=True)
def sample(**options: Any) -> None:
    """Show what came in."""
    click.echo(repr(options))


def sampled(text: str, **environ: str) -> dict[str, Any]:
    """The options of the sample that this file and environment give it."""
    Path("dedup.toml").write_text(text)
    done = CliRunner(env=environ).invoke(sample, [], standalone_mode=False)
    if done.exception:
        raise done.exception
    return dict(eval(done.output))  # noqa: S307 - its own output


def test_kinds_of_options(folder: Path) -> None:
    """Repeated options, groups of values, switches and counts come as on the command line."""
    got = sampled(
        "field = ['a', '-', 's3://b/c']\npair = [1, 2.5]\npairs = [['a', 'b']]\ncolour = false\n"
        "verbose = 2\nhow = 'x/y'\nslow = true\nfolder = '/abs'\n"
        "report = ['json=a', 'b.html']"
    )
    assert got == {
        "field": (str(folder / "a"), "-", "s3://b/c"),
        "pair": (1.0, 2.5),
        "pairs": (("a", "b"),),
        "colour": False,
        "verbose": 2,
        "how": str(folder / "x/y"),
        "speed": "slow",
        "folder": "/abs",
        "report": (["json", str(folder / "a")], [str(folder / "b.html")]),
    }
    got = sampled(
        "",
        DEDUP_FIELD="a b",
        DEDUP_SAMPLE_PAIR="1 2.5",
        DEDUP_COLOUR="no",
        DEDUP_VERBOSE="2",
        DEDUP_HOW="x",
        DEDUP_SLOW="1",
    )
    assert got["field"] == ("a", "b")
    assert got["pair"] == (1.0, 2.5)
    assert (got["colour"], got["verbose"], got["how"], got["speed"]) == (False, 2, "x", "slow")
    assert sampled("slow = false", DEDUP_COLOUR="1")["speed"] is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("field = 'a'", "dedup.toml:1: field = 'a': write an array"),
        ("pairs = ['a']", "write an array of arrays"),
        ("pair = 5", "pair = 5: write an array"),
        ("colour = 'no'", "colour = 'no': use true or false"),
        ("how = true", "how = true: write a number or a string"),
        ("how = 2020-01-01", "write a number or a string"),
        ("how = ['a']", "how = ['a']: write a number or a string"),
        ("verbose = 1.5", r"verbose \(dedup.toml:1\): '1.5' is not a valid integer"),
        ("pair = [1]", r"pair \(dedup.toml:1\): Takes 2 values"),
    ],
)
def test_values_of_the_wrong_kind(text: str, said: str) -> None:
    """A value that the option does not take is refused, not bent."""
    with pytest.raises((SettingsError, click.BadParameter)) as raised:
        sampled(text)
    error = raised.value
    message = error.format_message() if isinstance(error, click.BadParameter) else str(error)
    assert said.replace("\\", "") in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("treshold = 1", "dedup.toml:1: treshold is no setting: did you mean threshold?"),
        ("[check]\n\ntreshold = 1", "dedup.toml:3: treshold is no setting of check: did you mean"),
        ("[chekc]\ntop = 1", "dedup.toml:1: there is no table [chekc]: did you mean [check]?"),
        ("[stats]\ntop = 1", "dedup.toml:2: top is no setting of stats: "),
        ("check = 5", "dedup.toml:1: check is a table: write [check]"),
        ("min-words = 1\nmin_words = 2", "dedup.toml:2: min-words is set twice: remove one"),
        ("show-settings = true", "dedup.toml:1: show-settings is no setting: "),
        ("top = 1\ntop = 2", "dedup.toml is not valid TOML: Cannot overwrite a value"),
        ("[check]\ntop = -1", "Invalid value for top (dedup.toml:2): -1 is not in the range x>=0"),
        ("threshold = 7", "dedup.toml:1: threshold=7.0: give a number over 0 and up to 1"),
        ("threshold = true", "dedup.toml:1: threshold = true: write a number or a string"),
        ("format = 'xml'", "Invalid value for format (dedup.toml:1): 'xml' is not one of 'text'"),
        ("index = 'nonsense://'", "dedup.toml:1: index 'nonsense://': known: memory://"),
    ],
)
def test_mistakes_in_a_file(text: str, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A mistake is one line: where it is, what it says, what would do."""
    Path("dedup.toml").write_text(text)
    assert refusal(capfd, "check", "page.txt").replace(str(Path.cwd()) + "/", "").startswith(said)
    assert run(["check", "page.txt", "--no-config"]) == 1
    assert run(["check", "--help"]) == 0


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DEDUP_TRESHOLD", "1", "DEDUP_TRESHOLD in the environment is no setting: did you mean"),
        ("DEDUP_STATS_TOP", "1", "DEDUP_STATS_TOP in the environment is no setting: "),
        ("DEDUP_TOP", "many", "Invalid value for DEDUP_TOP: 'many' is not a valid integer"),
        ("DEDUP_QUIET", "so so", "Invalid value for DEDUP_QUIET: 'so so' is not a valid boolean"),
        ("DEDUP_CHECK_THRESHOLD", "7", "DEDUP_CHECK_THRESHOLD: threshold=7.0: give a number over"),
        ("DEDUP_CONFIG", "no/such", "cannot read settings from '"),
    ],
)
def test_mistakes_in_the_environment(
    name: str,
    value: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A misspelt variable is an error with the nearest name; a bad value names its variable."""
    monkeypatch.setenv(name, value)
    assert refusal(capfd, "check", "page.txt").startswith(said)


def test_general_value_that_suits_another_command(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A general value that does not fit everywhere is to be set for the command that it fits."""
    Path("dedup.toml").write_text("format = 'jsonl'")
    said = refusal(capfd, "explain", "page.txt")
    assert "check takes it: for that alone, set format under [check]" in said
    monkeypatch.setenv("DEDUP_FORMAT", "html")
    assert "set DEDUP_CHECK_FORMAT; see 'dedup stats --help'" in refusal(capfd, "stats")


def test_typed_values_are_not_blamed_on_the_file(capfd: pytest.CaptureFixture[str]) -> None:
    """An error in what was typed names the option alone."""
    Path("dedup.toml").write_text("threshold = 0.5\ntop = 1")
    assert "dedup.toml" not in refusal(capfd, "check", "page.txt", "--threshold", "7")
    assert "dedup.toml" not in refusal(capfd, "check", "page.txt", "--top", "x")


@pytest.mark.parametrize(
    "text", [b"\xff = 1", b"top = ", b"tool = 5\n[dedup", b"[tool]\ndedup = 'x'"]
)
def test_broken_files(text: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    """A file that cannot be understood stops the run and is named."""
    for name in ("dedup.toml", "pyproject.toml"):
        Path(name).write_bytes(text + b" # dedup")
        if name == "dedup.toml" and b"'x'" in text:
            continue
        assert name in refusal(capfd, "check", "page.txt", "--config", name)
        Path(name).unlink()


def test_named_project_without_settings(capfd: pytest.CaptureFixture[str]) -> None:
    """A file that was named must have settings."""
    Path("pyproject.toml").write_text("[project]\n")
    assert "write them under [tool.dedup]" in refusal(
        capfd, "check", "page.txt", "--config", "pyproject.toml"
    )


def test_kubernetes_and_other_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that others set for a service called dedup, and the kernel's, stop nothing."""
    for name, value in (
        ("DEDUP_SERVICE_HOST", "10.0.0.1"),
        ("DEDUP_SERVICE_PORT_HTTP", "80"),
        ("DEDUP_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("DEDUP_PORT_80_TCP_ADDR", "10.0.0.1"),
    ):
        monkeypatch.setenv(name, value)
        assert OTHER_VARIABLES.fullmatch(name)
    assert run(["check", "page.txt", "--exit-zero"]) == 0

    @click.command(cls=SettingsCommand)
    @click.option("--port", type=int, default=8000)
    def serve(port: int) -> None:
        click.echo(port)

    options = {"serve": keys_of(serve)}
    assert settings_of("serve", options, {"DEDUP_PORT": "tcp://10.0.0.1:80"}, None) == {}
    assert settings_of("serve", options, {"DEDUP_PORT": "81"}, None)["port"].value == "81"


def test_paths_are_relative_to_the_file(
    folder: Path, shown: Callable[..., Shown], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path means what it means where the file lies; in a variable, where one works."""
    above = folder.parent
    monkeypatch.setenv("HOME", "/home/someone")
    lines = {
        "'report.json'": str(above / "report.json"),
        "'/tmp/report.json'": "/tmp/report.json",  # noqa: S108 - not written
        "'~/report.json'": "/home/someone/report.json",
        "'-'": "-",
    }
    for written, meant in lines.items():
        (above / "dedup.toml").write_text(f"output = {written}")
        assert shown("check")["output"][0] == meant
    for written, meant in {
        "crawl.dedup": str(above / "crawl.dedup"),
        "sqlite:///crawl.dedup": f"sqlite:///{above / 'crawl.dedup'}",
        "sqlite:////var/crawl.dedup": "sqlite:////var/crawl.dedup",
        "redis://localhost/0": "redis://localhost/0",
        "memory://": "memory://",
        "redsi": "redsi",
    }.items():
        (above / "dedup.toml").write_text(f"index = '{written}'")
        assert shown("check")["index"][0] == meant
    monkeypatch.setenv("DEDUP_OUTPUT", "report.json")
    assert shown("check")["output"] == ("report.json", "DEDUP_OUTPUT")


def test_unknown_home_is_a_name() -> None:
    """A file may begin with a tilde."""
    assert FileName().anchored("~no-such-user/x", Path("/a")) == "/a/~no-such-user/x"


def test_show_settings_needs_nothing_else(shown: Callable[..., Shown]) -> None:
    """Every command shows each of its settings without its arguments, and does nothing."""
    for name, command in COMMANDS.items():
        assert list(shown(name)) == list(keys_of(command)), name
    assert shown("check", "no-such-file", "-o", "report", "-q")["quiet"] == (True, "--quiet")
    assert not Path("report").exists()


def test_show_settings_needs_nothing_that_is_required() -> None:
    """What a command cannot do without, be it by a callback, is not needed to show its settings."""

    def needed(_context: click.Context, _param: click.Parameter, value: object) -> object:
        if not value:
            raise click.UsageError("missing")
        return value

    @click.command(cls=SettingsCommand)
    @click.argument("words", nargs=-1, callback=needed)
    @click.option("--key", required=True, callback=needed)
    def strict(**_: object) -> None:
        raise AssertionError

    done = CliRunner().invoke(strict, ["--show-settings"])
    assert (done.exit_code, done.output) == (
        0,
        "# strict: no file of settings\n# key is not set  # default\n",
    )
    assert "missing" in CliRunner().invoke(strict, ["--key", "x"]).output


def test_shown_settings_can_be_a_file(
    shown: Callable[..., Shown], capfd: pytest.CaptureFixture[str]
) -> None:
    """What is shown, kept as a file, gives the same settings again."""
    arguments = (
        "check",
        "-j",
        "2",
        "--expire-after",
        "7d",
        "--stdin-name",
        'a "b" \\ é',
        "--top=3",
    )
    before = shown(*arguments)
    assert run([*arguments, "--show-settings"]) == 0
    Path("kept.toml").write_text(capfd.readouterr().out, encoding="utf-8")
    after = shown("check", "--config", "kept.toml")
    assert after["expire-after"][0] == "7d"
    assert after["stdin-name"][0] == 'a "b" \\ é'
    assert {key: value for key, (value, _) in after.items()} == {
        key: value for key, (value, _) in before.items() if key in after
    }


def test_passwords_are_not_shown(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """No password of a URL gets into what is shown or said."""
    for url in ("redsi://me:hush@host/0", "redis+sentinel://me:hush@host/0"):
        monkeypatch.setenv("DEDUP_INDEX", url)
        assert run(["check", "--show-settings"]) == 0
        assert run(["check", "page.txt"]) == 2
        captured = capfd.readouterr()
        assert "***@host" in captured.out
        assert "***@host" in captured.err
        assert "hush" not in captured.out + captured.err


@given(st.text(st.characters(exclude_characters="@"), min_size=1), st.text(min_size=1))
def test_masks_hide_any_password(user: str, password: str) -> None:
    """Whatever user and password consist of, the host is all that a masked URL shows."""
    shown = scheme_and_hosts(f"redis://{user}:{password}@host:1/0")
    assert shown == "redis://***@host:1/0"


def test_masks_leave_the_rest() -> None:
    """Pages and hosts stay readable, passwords in queries do not."""
    for text in ("https://x.example/@me", "a@b", "redis://host/0", "memory://", "crawl.dedup"):
        assert without_passwords(text) == text
    for text in ("redis://host/0", "memory://", "crawl.dedup", "odd@name"):
        assert scheme_and_hosts(text) == text
    for mask in (scheme_and_hosts, without_passwords):
        assert mask("redis://h/0?password=x&a=b") == "redis://h/0?password=***&a=b"
    said = without_passwords("cannot reach 'redis://:p@h:1' or 'rediss://u:p@h'")
    assert said == "cannot reach 'redis://***@h:1' or 'rediss://***@h'"


TOML_KEY = st.text("abc-_", min_size=1, max_size=3)


@given(st.data())
def test_line_of_a_key(data: st.DataObject) -> None:
    """The line that is told is the one where the key was written, whatever stands around it."""
    names = data.draw(st.lists(TOML_KEY, min_size=1, max_size=5, unique=True))
    tables = data.draw(st.lists(TOML_KEY.map("T{}".format), max_size=2, unique=True))
    lines: list[str] = []
    written: dict[tuple[str, ...], int] = {}
    for table in ("", *tables):
        if table:
            lines.append(f"[{table}]")
        for name in names:
            lines += data.draw(
                st.lists(st.sampled_from(["", f"# {name} = 1", "  ", f"# [{table}]"]), max_size=2)
            )
            written[(table, name) if table else (name,)] = len(lines) + 1
            filler = " = 2\n".join(names)
            lines += data.draw(
                st.sampled_from(
                    [
                        [f"{name} = 1"],
                        [f"\"{name}\"='{filler.splitlines()[0]} = 1'"],
                        [f'{name} = """', *f"{filler} = 3".split("\n"), '"""'],
                        [f"{name} = [  # {filler.splitlines()[0]} =", *["1,"] * 2, "]"],
                    ]
                )
            )
    text = "\n".join(lines)
    tomllib.loads(text)
    assert {keys: line_of(text, keys) for keys in written} == written


def test_line_that_is_not_seen() -> None:
    """A key that is spelt with an escape is found in the file, if not on a line."""
    Path("dedup.toml").write_text('"t\\u006fp" = 1')
    file = read(Path("dedup.toml").absolute())
    assert file is not None
    assert file.place("top") == "dedup.toml"
