"""The command line: `dedup COMMAND`.

Here are the group of commands and the one place where whatever goes wrong becomes a line on stderr
and an exit status: 0 and 1 are the command's own, 2 is any error (so an error never looks like a
finding), 130 an interruption, 141 a reader of the report that went away. Commands import what they
need when they run: `dedup --help` is quick.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import click

from dedup.cli.check import check, lookup
from dedup.cli.completion import completion
from dedup.cli.explain import explain
from dedup.cli.options import ERROR, INTERRUPTED
from dedup.cli.serve import serve, serve_key
from dedup.cli.stored import compact, forget, page, pages, repeated, stats
from dedup.cli.tune import tune
from dedup.errors import DedupError

READER_GONE = 141


def show_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click calls it
    """Print which version and which kernel run."""
    if not wanted or context.resilient_parsing:
        return
    from importlib import metadata  # noqa: PLC0415 - late, for a quick --help

    from dedup import kernel  # noqa: PLC0415

    try:
        version = metadata.version("dedup")
    except metadata.PackageNotFoundError:
        version = "(not installed)"
    click.echo(f"dedup {version}, {kernel.NAME} kernel")
    context.exit()


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Options can be set in dedup.toml, in [tool.dedup] of pyproject.toml, or as DEDUP_..."
    " variables; --show-settings of a command tells what holds and where from.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=show_version,
    help="Show the version and which kernel runs.",
)
def dedup() -> None:
    """Find repeated text blocks in scraped pages."""


COMMANDS = (
    check,
    lookup,
    explain,
    tune,
    stats,
    page,
    pages,
    repeated,
    forget,
    compact,
    serve,
    serve_key,
    completion,
)

for command in COMMANDS:
    dedup.add_command(command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status.

    Args:
        arguments: the words after `dedup`; None: the process's own.
    """
    stdout = sys.stdout
    warnings.showwarning = lambda message, *_, **__: _warn(message)
    try:
        status = dedup.main(arguments, prog_name="dedup", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return ERROR
    except SystemExit as end:
        # Click ends so when the reader of its help went away, after putting a wrapper in place.
        gone = sys.stdout is not stdout
        return _reader_gone() if gone else end.code if isinstance(end.code, int) else ERROR
    except BrokenPipeError:
        return _reader_gone()
    except BaseException as error:  # noqa: BLE001 - Python's own status would be 1, a finding
        return _answer(error)
    return status if isinstance(status, int) else 0


def main() -> NoReturn:
    """Run the process's command line and exit."""
    # No matrix is multiplied here, and threads for that take a while to start.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    status = run()
    gc.freeze()  # all of it goes now: to look for cycles first would take a while
    sys.exit(status)


def _warn(message: Warning | str) -> None:
    """Say a warning on one line of stderr, without the place in the code."""
    from dedup.cli.console import say  # noqa: PLC0415

    say("warning", str(message))


def _answer(error: BaseException) -> int:
    """Say on one line of stderr what went wrong, and return the status for it."""
    from dedup.cli.console import say  # noqa: PLC0415

    known = ((status, said) for types, status, said in ANSWERS if isinstance(error, types))
    status, message = next(known, (ERROR, _bug))
    if message is _bug:
        traceback.print_exception(error)
    if isinstance(error, OSError):
        _discard_stdout()
    from dedup.urls import without_passwords  # noqa: PLC0415

    say("error", without_passwords(message(error)))
    return status


def _usage(error: Any) -> str:
    command = error.ctx.command_path if error.ctx else "dedup"
    return f"{error.format_message().rstrip('.')}; see '{command} --help'"


def _bug(error: BaseException) -> str:
    return f"unexpected {type(error).__name__}: a bug in dedup, please report the lines above"


ANSWERS: tuple[tuple[Any, int, Callable[[Any], str]], ...] = (
    (click.UsageError, ERROR, _usage),
    (click.ClickException, ERROR, lambda error: str(error.format_message())),
    (DedupError, ERROR, str),
    ((click.Abort, KeyboardInterrupt), INTERRUPTED, lambda _: "interrupted"),
    (MemoryError, ERROR, lambda _: "out of memory: check fewer or smaller pages at a time"),
    (OSError, ERROR, lambda error: f"cannot read or write: {error}"),
)
"""What goes wrong, its exit status, its message. The first type that fits counts."""


def _reader_gone() -> int:
    """End quietly, as any filter does whose reader has seen enough."""
    _discard_stdout()
    return READER_GONE


def _discard_stdout() -> None:
    """Send what is still buffered nowhere: Python would fail on it once more at its end."""
    if sys.__stdout__ is not None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.__stdout__.fileno())
        os.close(nowhere)
