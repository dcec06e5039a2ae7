"""`dedup completion`: the script that lets a shell complete commands, options and values.

What can stand at a place of a line, click tells from the commands themselves; types of values that
it does not know tell it in `values.py`.
"""

from __future__ import annotations

import click

COMPLETE_VARIABLE = "_DEDUP_COMPLETE"
"""Set while a shell asks what could come next."""

SHELLS = {
    "bash": 'eval "$(dedup completion bash)"    # in ~/.bashrc',
    "zsh": 'eval "$(dedup completion zsh)"     # in ~/.zshrc, after compinit',
    "fish": "dedup completion fish > ~/.config/fish/completions/dedup.fish",
}
"""The shells, and how to install the script for each."""

EPILOG = "\b\n" + "\n".join(["Install it with", *(f"  {line}" for line in SHELLS.values())])


@click.command(epilog=EPILOG)
@click.argument("shell", type=click.Choice(list(SHELLS)), metavar="bash|zsh|fish")
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script with which a shell completes dedup's command lines.

    It completes commands, options, values where there is a choice, the URLs of indexes, and files.
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - late: rare

    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"click has no script for {shell!r}: update it")
    # Not `source()`: that of Bash starts one to see its version, and warns where there is none.
    script = kind(context.find_root().command, {}, "dedup", COMPLETE_VARIABLE)
    click.echo((kind.source_template % script.source_vars()).strip())
