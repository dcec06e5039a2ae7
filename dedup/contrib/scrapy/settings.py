"""The DEDUP_ settings of a project, checked once, before the crawl begins."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from scrapy.exceptions import NotConfigured
from scrapy.settings import BaseSettings

from dedup.errors import SettingsError

Action: TypeAlias = Literal["flag", "trim", "drop"]
OnError: TypeAlias = Literal["pass", "drop", "raise"]

DEFAULTS: Mapping[str, Any] = {
    "DEDUP_ENABLED": True,
    "DEDUP_INDEX": "memory://",
    "DEDUP_NAMESPACE": "default",
    "DEDUP_FIELDS": ["text", "content", "body", "articleBody", "description"],
    "DEDUP_ACTION": "flag",
    "DEDUP_THRESHOLD": None,
    "DEDUP_ON_ERROR": "pass",
    "DEDUP_OPTIONS": {},
}
"""Every setting, and what it is where a project says nothing."""

JOB_FILE = "dedup.sqlite"
"""The index of a job that names none, in its JOBDIR."""


@dataclass(frozen=True, slots=True)
class CrawlSettings:
    """What a project wants.

    Attributes:
        index: URL of the index.
        namespace: which of the store's indexes.
        fields: the item fields that are judged, in this order.
        action: what is done about repeats.
        on_error: what becomes of an item that could not be judged.
        options: what the index is opened with besides (`dedup.Settings`, by name).
    """

    index: str
    namespace: str
    fields: tuple[str, ...]
    action: Action
    on_error: OnError
    options: Mapping[str, Any]

    @classmethod
    def of(cls, settings: BaseSettings) -> CrawlSettings:
        """Read a project's settings.

        Raises:
            SettingsError: a value that cannot be meant, or a name that is nearly one of these.
        """
        _refuse_misspelt(settings)
        fields = tuple(name.strip() if isinstance(name, str) else name for name in _list(settings))
        if not fields or not all(isinstance(name, str) and name for name in fields):
            raise SettingsError(f"DEDUP_FIELDS={_value(settings, 'DEDUP_FIELDS')!r}: name fields")
        options = _options(settings)
        if (threshold := _value(settings, "DEDUP_THRESHOLD")) is not None:
            try:
                options["threshold"] = float(threshold)
            except (TypeError, ValueError):
                raise SettingsError(
                    f"DEDUP_THRESHOLD={threshold!r}: give a number over 0 and up to 1"
                ) from None
        index = settings.get("DEDUP_INDEX") or _index_of_job(settings)
        if not isinstance(index, str):
            raise SettingsError(f"DEDUP_INDEX={index!r}: give the URL of an index, as memory://")
        return cls(
            index=index,
            namespace=_value(settings, "DEDUP_NAMESPACE"),
            fields=fields,
            action=_one_of(settings, "DEDUP_ACTION", get_args(Action)),
            on_error=_one_of(settings, "DEDUP_ON_ERROR", get_args(OnError)),
            options=options,
        )


def require_enabled(settings: BaseSettings) -> None:
    """Let Scrapy leave a component out.

    Raises:
        NotConfigured: `DEDUP_ENABLED` is off.
    """
    try:
        enabled = settings.getbool("DEDUP_ENABLED", DEFAULTS["DEDUP_ENABLED"])
    except ValueError:
        value = settings.get("DEDUP_ENABLED")
        raise SettingsError(f"DEDUP_ENABLED={value!r}: use True or False") from None
    if not enabled:
        raise NotConfigured


def _index_of_job(settings: BaseSettings) -> Any:
    """Where the index lives if nothing is said: with the job, so that it is there on resuming."""
    if job := settings.get("JOBDIR"):
        return str(Path(job).absolute() / JOB_FILE)
    return DEFAULTS["DEDUP_INDEX"]


def _value(settings: BaseSettings, name: str) -> Any:
    return settings.get(name, DEFAULTS[name])


def _list(settings: BaseSettings) -> list[Any]:
    try:
        return settings.getlist("DEDUP_FIELDS", DEFAULTS["DEDUP_FIELDS"])
    except TypeError:
        value = settings.get("DEDUP_FIELDS")
        raise SettingsError(f"DEDUP_FIELDS={value!r}: give a list of field names") from None


def _options(settings: BaseSettings) -> dict[str, Any]:
    try:
        return settings.getdict("DEDUP_OPTIONS")
    except (TypeError, ValueError):
        value = settings.get("DEDUP_OPTIONS")
        raise SettingsError(f"DEDUP_OPTIONS={value!r}: give a dict, or JSON of one") from None


def _one_of(settings: BaseSettings, name: str, known: tuple[str, ...]) -> Any:
    value = _value(settings, name)
    if value in known:
        return value
    nearest = difflib.get_close_matches(str(value), known, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"use one of {', '.join(known)}"
    raise SettingsError(f"{name}={value!r}: {hint}")


def _refuse_misspelt(settings: BaseSettings) -> None:
    """Refuse DEDUP_ACTOIN. Other names with this beginning may be somebody else's."""
    for name in settings:
        if isinstance(name, str) and name.startswith("DEDUP") and name not in DEFAULTS:
            nearest = difflib.get_close_matches(name, DEFAULTS, n=1, cutoff=0.85)
            if nearest:
                raise SettingsError(f"unknown setting {name}: did you mean {nearest[0]}?")
