"""A command whose options can be set in the environment and in a file.

Beside its own options it has `--config`, `--no-config` and `--show-settings`. An error in a value
that was not given on the command line says where that value comes from.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from dedup.cli.values import FILE
from dedup.errors import SettingsError

if TYPE_CHECKING:
    from dedup.cli import config
    from dedup.cli.config_file import ConfigFile

_META = "dedup.settings"
_SHOWING = "dedup.showing settings"

CONFIG, NO_CONFIG, SHOW = "config", "no_config", "show_settings"


class Configured(NamedTuple):
    """What the settings of a run are made of.

    Attributes:
        settings: those from the environment and the file, by parameter.
        file: the file that holds; None: none.
        given: what stands on the command line, as it is written, by parameter.
    """

    settings: dict[str, config.Setting]
    file: ConfigFile | None
    given: Mapping[str, Any]


class SettingsCommand(click.Command):
    """See the module."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """A command as click makes it, with three options more."""
        super().__init__(*args, **kwargs)
        self.params += [
            click.Option(
                ["--config"],
                type=FILE,
                metavar="FILE",
                expose_value=False,
                show_default="the nearest dedup.toml, or pyproject.toml with [tool.dedup]",
                help="Read settings from this file.",
            ),
            click.Option(
                ["--no-config"],
                is_flag=True,
                expose_value=False,
                help="Read settings from no file.",
            ),
            click.Option(
                ["--show-settings"],
                is_flag=True,
                expose_value=False,
                help="Show the settings that hold, and where each is from; do nothing else.",
            ),
        ]

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The parameters; what is needed can be left out where only settings are to be shown."""
        params = super().get_params(ctx)
        if not ctx.meta.get(_SHOWING):
            return params
        return [
            _optional(param) if param.required or isinstance(param, click.Argument) else param
            for param in params
        ]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words of the command line, and what they leave open elsewhere."""
        if ctx.resilient_parsing:  # a shell completes a line: nothing may fail
            return super().parse_args(ctx, args)
        given, _, _ = self.make_parser(ctx).parse_args(list(args))
        help_option = self.get_help_option(ctx)
        if help_option and given.get(str(help_option.name)):  # whatever settings are broken
            return super().parse_args(ctx, args)
        from dedup.cli import config  # noqa: PLC0415 - late, for a quick --help

        file = _chosen_file(ctx, given)
        group = ctx.find_root().command
        commands = group.commands if isinstance(group, click.Group) else {}
        name = str(self.name)
        known = {
            other: config.keys_of(command)
            for other, command in {**commands, name: self}.items()
            if isinstance(command, SettingsCommand)
        }
        settings = config.settings_of(name, known, os.environ, file)
        ctx.meta[_META] = Configured(settings, file, given)
        ctx.meta[_SHOWING] = bool(given.get(SHOW))
        ctx.default_map = {
            param: setting.value for param, setting in settings.items() if setting.value is not None
        }
        try:
            return super().parse_args(ctx, args)
        except click.BadParameter as error:
            raise _with_origin(error, settings, known) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run it, or show the settings."""
        configured = ctx.meta[_META]
        if ctx.meta[_SHOWING]:
            from dedup.cli.settings_shown import settings_shown  # noqa: PLC0415 - late: rare

            click.echo(settings_shown(ctx, configured), nl=False)
            return 0
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            # The library names its option first: `threshold=7.0: give ...`
            name = re.split(r"\W", str(error), maxsplit=1)[0]
            setting = configured.settings.get(name)
            if setting is None or not _is_from_settings(ctx, name):
                raise
            raise SettingsError(f"{setting.origin}: {error}") from error


def _optional(param: click.Parameter) -> click.Parameter:
    """The parameter, which may be left out; nor does its callback ask for it, if it has one."""
    copied = copy.copy(param)
    copied.required = False
    copied.callback = None
    return copied


def _chosen_file(ctx: click.Context, given: Mapping[str, Any]) -> ConfigFile | None:
    """The file of settings that holds; None: none.

    Raises:
        SettingsError: it cannot be read, or has no settings though it was named.
        click.UsageError: two options say two things.
    """
    from pathlib import Path  # noqa: PLC0415 - late, for a quick --help

    from dedup.cli import config  # noqa: PLC0415
    from dedup.cli.config_file import find, read  # noqa: PLC0415

    named = given.get(CONFIG)
    if named is not None and given.get(NO_CONFIG):
        raise click.UsageError("--config and --no-config: give one of them", ctx)
    if given.get(NO_CONFIG):
        return None
    if named is None:
        if config.is_set(config.NO_CONFIG_VARIABLE, os.environ):
            return None
        named = os.environ.get(config.CONFIG_VARIABLE) or None
    try:
        here = Path.cwd()
    except OSError:  # it was removed
        here = Path("/")
    if named is None:
        return find(here)
    found = read(here / named)
    if found is None:
        raise SettingsError(f"{named} has no settings: write them under [tool.dedup]")
    return found


def _with_origin(
    error: click.BadParameter, settings: Mapping[str, config.Setting], known: config.Commands
) -> click.BadParameter:
    """The error; for a value that was not typed, one that says where it is to be corrected."""
    param = error.param
    setting = settings.get(str(param.name)) if param else None
    if param is None or setting is None or not _is_from_settings(error.ctx, str(param.name)):
        return error
    key = setting.keys[-1]
    hint = setting.origin if setting.variable else f"{key} ({setting.origin})"
    message = error.message.rstrip(".")
    if setting.is_general:
        others = {name: options.get(key.replace("_", "-")) for name, options in known.items()}
        takers = (name for name, other in others.items() if other and _suits(other, setting.value))
        taker = next(takers, None)
        if taker:
            message += f"; {taker} takes it: for that alone, set {setting.alone(taker)}"
    return click.BadParameter(message, error.ctx, param, hint)


def _is_from_settings(ctx: click.Context | None, name: str) -> bool:
    source = ctx.get_parameter_source(name) if ctx else None
    return source is click.core.ParameterSource.DEFAULT_MAP


def _suits(option: click.Option, value: Any) -> bool:
    """Whether another command's option takes a value."""
    try:
        option.type_cast_value(click.Context(click.Command(None)), value)
    except click.BadParameter:
        return False
    return True
