"""`dedup serve` and `dedup serve-key`: the service, and the keys of those who may use it.

The commands are options around `dedup.service`, which needs the `server` extra.
"""

from __future__ import annotations

from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from dedup.cli.command import SettingsCommand
from dedup.cli.options import INDEX_OPTIONS, KEEP_OPTION, duration, with_options
from dedup.cli.values import MEGABYTES

LIBRARIES = ("msgspec", "prometheus_client", "starlette", "uvicorn")

KEYS_FILE = click.Path(dir_okay=False, path_type=Path)

SETTINGS = (
    click.option(
        "--threshold",
        type=float,
        show_default="0.5, or the index's own",
        help="Least similarity, over 0 to 1.",
    ),
    click.option(
        "--min-words",
        type=int,
        show_default="5, or the index's own",
        help="Blocks with fewer are not judged.",
    ),
    KEEP_OPTION,
    click.option(
        "--expire-after",
        type=duration,
        metavar="DURATION",
        show_default="never, or the index's own",
        help="Drop originals that were not seen for so long: seconds, or 90m, 36h, 7d, 2w.",
    ),
)
LISTENING = (
    click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on."),
    click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=8000,
        show_default=True,
        help="0: any that is free.",
    ),
    click.option(
        "--keys", type=KEYS_FILE, help="File of keys (dedup serve-key); needed off loopback."
    ),
    click.option("--certificate", type=KEYS_FILE, help="PEM file with the certificate, for TLS."),
    click.option("--private-key", type=KEYS_FILE, help="PEM file with its private key."),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Processes; more than one with an index in Redis.",
    ),
    click.option(
        "--stop-seconds",
        type=click.IntRange(min=1),
        default=30,
        show_default=True,
        help="How long a stop waits for what was accepted.",
    ),
    click.option(
        "--log-level",
        type=click.Choice(["debug", "info", "warning", "error"]),
        default="info",
        show_default=True,
        help="info: a line a request.",
    ),
)
LIMITS = (
    click.option(
        "--max-body-mb",
        type=click.FloatRange(min=0, min_open=True),
        default=32,
        show_default=True,
        help="Millions of bytes of a body; then 413.",
    ),
    click.option(
        "--max-pages",
        type=click.IntRange(min=1),
        default=1000,
        show_default=True,
        help="Pages of a request; then 422.",
    ),
    click.option(
        "--max-blocks",
        type=click.IntRange(min=1),
        default=200_000,
        show_default=True,
        help="Blocks of a request; then 422.",
    ),
    click.option(
        "--max-page-mb",
        type=MEGABYTES,
        default=8,
        show_default=True,
        help="Millions of characters of a page.",
    ),
    click.option(
        "--max-namespaces",
        type=click.IntRange(min=1),
        default=256,
        show_default=True,
        help="Namespaces in use; then 422.",
    ),
    click.option(
        "--max-wait",
        type=click.FloatRange(min=0, min_open=True),
        default=0.15,
        show_default=True,
        help="Seconds that a request may wait before it is worked on; then 503.",
    ),
    click.option(
        "--rate",
        type=click.FloatRange(min=0, min_open=True),
        show_default="any",
        help="Pages a second for each key, and each worker.",
    ),
)


@click.command(cls=SettingsCommand)
@with_options(*INDEX_OPTIONS, *SETTINGS, *LISTENING, *LIMITS)
def serve(
    *,
    index: str,
    namespace: str,
    threshold: float | None,
    min_words: int | None,
    keep: str | None,
    expire_after: float | None,
    host: str,
    port: int,
    keys: Path | None,
    certificate: Path | None,
    private_key: Path | None,
    workers: int,
    stop_seconds: int,
    log_level: str,
    max_body_mb: float,
    max_pages: int,
    max_blocks: int,
    max_page_mb: float,
    max_namespaces: int,
    max_wait: float,
    rate: float | None,
) -> None:
    """Answer over HTTP: one index for everybody who asks.

    Listens on this machine alone unless told otherwise; off loopback it asks for keys. Logs go to
    stderr, a JSON object a line. SIGTERM and Ctrl-C stop it, after what was accepted.
    """
    _require_server()
    from dedup.service.limits import Limits  # noqa: PLC0415 - late, for a quick --help
    from dedup.service.serve import Listening, serve_until_stopped  # noqa: PLC0415
    from dedup.service.state import Options  # noqa: PLC0415
    from dedup.urls import scheme_and_hosts  # noqa: PLC0415

    settings: dict[str, Any] = {
        "threshold": threshold,
        "min_words": min_words,
        "keep": keep,
        "expire_after": expire_after,
    }
    options = Options(
        index=index,
        settings={name: value for name, value in settings.items() if value is not None},
        namespace=namespace,
        keys=keys,
        limits=Limits(
            body_bytes=int(max_body_mb * 1e6),
            pages=max_pages,
            page_characters=int(max_page_mb * 1e6),
            blocks=max_blocks,
            namespaces=max_namespaces,
            wait_seconds=max_wait,
            rate=rate,
            held_bytes=max(Limits().held_bytes, int(max_body_mb * 4e6)),
        ),
        log_level=log_level,
    )
    listening = Listening(host, port, certificate, private_key, workers, stop_seconds)

    def announce(address: str) -> None:
        who = f"keys in {keys}" if keys else "no keys, for this machine alone"
        click.echo(
            f"dedup: serving {address} (index {scheme_and_hosts(index)}; {who}):"
            f" a web page there, the API at {address}/docs",
            err=True,
        )

    with suppress(KeyboardInterrupt):  # the ordinary way to stop one's own
        serve_until_stopped(options, listening, announce)


@click.command("serve-key")  # without settings: the rights of a key are said each time
@click.argument("name")
@click.option(
    "--keys", type=KEYS_FILE, required=True, help="File of keys; made if it is not there."
)
@click.option(
    "--write", is_flag=True, help="May check and forget; without it, look up and explain."
)
@click.option(
    "--namespace", "namespaces", multiple=True, help="Only for this one; can be repeated."
)
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Pages a second.")
def serve_key(
    name: str,
    keys: Path,
    write: bool,  # noqa: FBT001 - click calls it
    namespaces: tuple[str, ...],
    rate: float | None,
) -> None:
    """Make a key for those who may use a service, and print it: this once.

    The file keeps its SHA-256 under NAME. A running service reads the file again when it changes;
    to take a key back, remove its part of the file.
    """
    from dedup.service.keys import add_key  # noqa: PLC0415 - late, for a quick --help

    scope = "write" if write else "read"
    click.echo(add_key(keys, name, scope=scope, namespaces=namespaces, rate=rate))


def _require_server() -> None:
    """Say what to install where the extra is missing.

    Raises:
        SettingsError: it is.
    """
    from dedup.errors import SettingsError  # noqa: PLC0415

    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise SettingsError(f"the service needs {', '.join(missing)}: pip install 'dedup[server]'")
