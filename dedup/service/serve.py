"""The server: a socket, one process or several, and a stop that finishes what was accepted."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from dedup.errors import IndexMismatchError, InputError, SettingsError
from dedup.index import stored_settings
from dedup.service.indexes import is_shared
from dedup.service.keys import Keys, check_namespace
from dedup.settings import Settings
from dedup.urls import scheme_and_hosts

if TYPE_CHECKING:
    from dedup.service.state import Options

BACKLOG = 1024
KEEP_ALIVE_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Listening:
    """Where and how the server listens.

    Attributes:
        host, port: where; port 0: any that is free.
        certificate, private_key: PEM files for TLS; None: none.
        workers: processes.
        stop_seconds: how long a stop waits for what was accepted.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    certificate: Path | None = None
    private_key: Path | None = None
    workers: int = 1
    stop_seconds: int = 30


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches an address."""
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ip_address(host.strip("[]")).is_loopback
    return False


def check_start(options: Options, listening: Listening) -> None:
    """Refuse to start in a way that cannot be meant, or is not safe.

    Raises:
        SettingsError: says what to do instead.
        IndexFailure: the index cannot be reached.
        IndexMismatchError: the index was made with other settings.
    """
    if options.keys is None and not is_loopback(listening.host):
        raise SettingsError(
            f"host {listening.host}: others than this machine could reach the service, so it needs "
            "keys: make one with dedup serve-key NAME --keys FILE, and start with --keys FILE"
        )
    if options.keys is not None:
        Keys(options.keys)
    if (listening.certificate is None) != (listening.private_key is None):
        raise SettingsError("TLS needs both --certificate and --private-key")
    check_namespace(options.namespace)
    settings = Settings.from_mapping(options.settings)
    stored = stored_settings(options.index, options.namespace)  # the URL, too
    if listening.workers > 1 and not is_shared(options.index):
        raise SettingsError(
            f"--workers {listening.workers}: an index at {scheme_and_hosts(options.index)} belongs"
            " to one process: use one worker, or an index in Redis, which workers share"
        )
    if stored is None:
        return
    its = stored.to_mapping()
    for name, value in settings.to_mapping().items():
        if name in options.settings and its.get(name) != value:
            raise IndexMismatchError(
                f"namespace {options.namespace!r} was made with {name}={its.get(name)}, and the "
                f"service is started with {name}={value}: leave it out, or use another namespace"
            )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        InputError: the address cannot be had.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # The protocol by its number: asyncio sends at once (TCP_NODELAY) only where it sees it, and
        # a head and a body that wait for one another cost 40 ms.
        found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"cannot listen on {host} port {port} ({error}): choose another --host or --port"
        ) from error
    found.set_inheritable(True)
    return found


def address_of(listener: socket.socket, *, tls: bool) -> str:
    """The URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{shown}:{port}"


def serve_until_stopped(
    options: Options, listening: Listening, announce: Callable[[str], None]
) -> None:
    """Serve until the process is asked to stop.

    Args:
        options: what is served.
        listening: where.
        announce: gets the address, once connections are accepted.

    Raises:
        DedupError: the service cannot be started so.
    """
    check_start(options, listening)
    options = replace(options, keys=options.keys and options.keys.resolve())
    if listening.workers > 1:
        with tempfile.TemporaryDirectory(prefix="dedup-workers-") as folder:
            metrics, ledger = Path(folder, "metrics"), Path(folder, "ledger")
            metrics.mkdir()
            ledger.mkdir()
            # Read when the metrics library is imported, which this process has done: the
            # workers are processes of their own.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
            _run(replace(options, ledger=ledger), listening, announce)
    else:
        _run(options, listening, announce)


def _run(options: Options, listening: Listening, announce: Callable[[str], None]) -> None:
    import uvicorn  # noqa: PLC0415 - the listener comes first: its errors are said at once
    from uvicorn.supervisors import Multiprocess  # noqa: PLC0415

    from dedup.service.app import create_app  # noqa: PLC0415

    listener = listen(listening.host, listening.port)
    config = uvicorn.Config(
        partial(create_app, options),
        factory=True,
        workers=listening.workers,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=listening.stop_seconds,
        ssl_certfile=listening.certificate,
        ssl_keyfile=listening.private_key and str(listening.private_key),
    )
    with listener:
        announce(address_of(listener, tls=listening.certificate is not None))
        # The server repeats the signal when it has stopped, which is then no reason to die.
        signal.signal(signal.SIGTERM, lambda *_: None)
        if listening.workers > 1:
            Multiprocess(config, sockets=[listener]).run()
        else:
            uvicorn.Server(config).run([listener])
