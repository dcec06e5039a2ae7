"""What is deployed, and what is documented, fits the service that there is."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # stubs are a package of their own
from servers import make_certificate
from services import Process

from dedup.cli.serve import serve

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"


def options_exist(words: Sequence[str]) -> None:
    """All of these words' options are options of `dedup serve`."""
    known = {option for parameter in serve.params for option in parameter.opts}
    for word in words:
        if word.startswith("--"):
            assert word in known, word


def test_the_container() -> None:
    """The image is built in two stages, has an ordinary user, and serves others, with keys."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert text.count("\nFROM ") == 2
    last = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert "gcc" not in last
    words = re.findall(r"^(?:ENTRYPOINT|CMD) (\[.*\])", last, re.MULTILINE)
    entry, command = map(yaml.safe_load, words)
    assert entry[:2] == ["dedup", "serve"]
    assert "--keys" in entry
    options_exist([*entry, *command])
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8")
    for name in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE):
        assert all((ROOT / each).exists() for each in name.split())
        assert all(f"\n!{each}\n" in ignored for each in name.split())
    if lint := shutil.which("hadolint"):
        subprocess.run([lint, DEPLOY / "Dockerfile"], check=True)


def test_the_health_check(tmp_path: Path) -> None:
    """It says that a service lives, with a certificate or without, and that none does."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    (check,) = re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", text, re.MULTILINE)
    *command, script = yaml.safe_load(check)
    assert f"\nCOPY deploy/alive.py {script}\n" in text

    def alive(port: int) -> bool:
        words = [sys.executable, *command[1:], str(DEPLOY / "alive.py"), str(port)]
        ended = subprocess.run(words, capture_output=True, timeout=20, check=False)
        assert (ended.stdout, ended.stderr) == (b"", b"")
        return ended.returncode == 0

    certificate = make_certificate(tmp_path)
    tls = ["--certificate", str(certificate), "--private-key", str(tmp_path / "key.pem")]
    for scheme, arguments in (("http", []), ("https", tls)):
        with Process(*arguments) as service:
            assert service.url.startswith(f"{scheme}:")
            assert alive(service.port)
            assert not [line for line in service.lines if "Invalid" in line or "error" in line]
        assert not alive(service.port)


def test_the_composition() -> None:
    """Both have read-only file systems, and the index refuses when it is full."""
    found = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    services = found["services"]
    assert all(service["read_only"] for service in services.values())
    options_exist(services["dedup"]["command"])
    server = services["index"]["command"]
    assert server[server.index("--maxmemory-policy") + 1] == "noeviction"
    assert server[server.index("--appendonly") + 1] == "yes"
    assert services["dedup"]["ports"] == ["127.0.0.1:8000:8000"]
    for service in services.values():
        assert set(service["networks"]) <= set(found["networks"])
    assert "ports" not in services["index"]
    compose = ["docker", "compose"]
    if shutil.which("docker") and not subprocess.run([*compose, "version"], check=False).returncode:
        subprocess.run([*compose, "-f", DEPLOY / "compose.yaml", "config", "--quiet"], check=True)


def test_the_unit(tmp_path: Path) -> None:
    """The unit is well formed, hardened, and starts what there is."""
    text = (DEPLOY / "dedup.service").read_text(encoding="utf-8")
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    words = shlex.split(parser["Service"]["ExecStart"])
    assert words[1] == "serve"
    options_exist(words)
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not here")
    unit = tmp_path / "dedup.service"
    unit.write_text(text.replace("/opt/dedup/bin/dedup", "/bin/true"), encoding="utf-8")
    verified = subprocess.run(
        [analyze, "verify", unit], capture_output=True, text=True, check=False
    )
    assert "dedup.service" not in verified.stderr, verified.stderr
    judged = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=20", unit],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert judged.returncode == 0, judged.stdout[-500:]


def test_documented_examples() -> None:
    """Every command in docs/http.md, run in order, prints what stands there; … is anything."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not here")
    text = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
    examples = [
        re.split(r"\n(?=\{|\d{3}$)", example, maxsplit=1, flags=re.MULTILINE)
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        for example in re.split(r"(?:^|\n)\$ ", block)[1:]
    ]
    assert len(examples) == 11
    with Process() as service:
        for command, promised in examples:
            ended = subprocess.run(  # noqa: S602 - our own documentation
                command.replace("localhost:8000", f"localhost:{service.port}"),
                shell=True, capture_output=True, text=True, timeout=30, check=True,
            )  # fmt: skip
            parts = [re.escape(part) for part in promised.strip().split("…")]
            assert re.fullmatch(".*".join(parts), ended.stdout.strip()), (command, ended.stdout)


@pytest.mark.parametrize("name", ["http.md", "operating.md"])
def test_links_lead_somewhere(name: str) -> None:
    """Relative links name files that are there."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (ROOT / "docs" / target).exists(), target


def test_documented_options_and_metrics() -> None:
    """Options, metrics and problems that the documents name are there."""
    text = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    keys = {"--write", "--namespace", "--rate", "--help", "--rounds"}  # of other commands
    options_exist([word for word in re.findall(r"--[a-z][a-z-]+", text) if word not in keys])
    from dedup.service.metrics import Metrics  # noqa: PLC0415

    exposed = Metrics("0", "native").text().decode()
    for name in re.findall(r"dedup_[a-z_]+", text):
        base = re.sub(r"_(total|bucket|sum|count)$", "", name)
        assert f"# TYPE {base}" in exposed, name
