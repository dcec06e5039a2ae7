"""Who may do what: keys, named, kept as hashes in a file.

    [[key]]
    name = "crawler"
    sha256 = "9f86d0…"           # of the key, which is nowhere
    scope = "write"              # or "read"
    namespaces = ["news"]        # left out: all
    rate = 200                   # pages a second; left out: the service's

A key is 256 random bits, so its plain SHA-256 cannot be guessed back, and is quick enough to be
compared at every request. The file is read again when it changes. Knows nothing of HTTP.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from dedup.errors import InputError, SettingsError
from dedup.files import write_whole

Scope: TypeAlias = Literal["read", "write"]

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
NAMESPACE = re.compile(r"[A-Za-z0-9._-]{1,100}")
PREFIX = "dedup_"
"""Keys begin so: whoever looks for secrets in a repository finds them."""

log = logging.getLogger("dedup.service")


@dataclass(frozen=True, slots=True)
class Key:
    """What one key allows.

    Attributes:
        name: what logs call it.
        digest: SHA-256 of the key, hexadecimal.
        scope: `"read"` may look up, `"write"` may also check and forget.
        namespaces: those it may use; None: all.
        rate: pages a second, instead of the service's own limit.
    """

    name: str
    digest: str
    scope: Scope = "read"
    namespaces: frozenset[str] | None = None
    rate: float | None = None

    def allows(self, scope: Scope, namespace: str | None) -> bool:
        """Whether it may read or write in a namespace; None: in all of them."""
        if scope == "write" and self.scope != "write":
            return False
        return self.namespaces is None or namespace in self.namespaces


OPEN = Key("", "", "write")
"""Stands for everybody, where there are no keys."""


class Keys:
    """The keys of a file."""

    def __init__(self, path: Path) -> None:
        """Read them.

        Raises:
            InputError: the file cannot be read, or has something else in it.
        """
        self._path = path
        self._version = _version(path)
        self._keys = read_keys(path)
        if not self._keys:
            raise InputError(f"{str(path)!r} has no keys: dedup serve-key makes one")

    def find(self, key: str) -> Key | None:
        """What a key allows; None: there is no such key. All are compared, each in full."""
        digest = digest_of(key)
        found = None
        for known in self._keys:
            if hmac.compare_digest(known.digest, digest):
                found = known
        return found

    def refresh(self) -> None:
        """Read the file again if it has changed; one that cannot be read changes nothing."""
        try:
            version = _version(self._path)
            if version != self._version:
                self._version = version
                self._keys = read_keys(self._path)
                log.info("keys read again", extra={"fields": {"keys": len(self._keys)}})
        except (InputError, OSError) as error:
            log.error(  # noqa: TRY400 - the message says it all
                "keys not read again", extra={"fields": {"error": str(error)}}
            )


def _version(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise InputError(f"{str(path)!r}: {error.strerror}: dedup serve-key makes it") from error
    return found.st_mtime_ns, found.st_size, found.st_ino


def digest_of(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def read_keys(path: Path) -> Sequence[Key]:
    """The keys of a file.

    Raises:
        InputError: it cannot be read, or an entry is not a key; names both.
    """
    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} is no file of keys: {error}") from error
    entries = found.pop("key", [])
    if found or not isinstance(entries, list):
        raise InputError(f"{str(path)!r}: write [[key]] above each key, and nothing else")
    keys = [_key(path, entry) for entry in entries]
    names = [key.name for key in keys]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{str(path)!r}: {name!r} stands there twice: names are for one key")
    return keys


def _key(path: Path, entry: Any) -> Key:
    where = f"{str(path)!r}, key {entry.get('name') if isinstance(entry, dict) else entry!r}"
    if not isinstance(entry, dict):
        raise InputError(f"{where}: write [[key]] above each key")
    fields = {key: value for key, value in entry.items() if key != "created"}
    digest = fields.pop("sha256", None)
    if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise InputError(f"{where}: sha256 must be the 64 digits that dedup serve-key wrote")
    try:
        return make_key(digest=digest, **fields)
    except TypeError:
        unknown = sorted(set(fields) - {"name", "scope", "namespaces", "rate"})
        raise InputError(
            f"{where}: unknown or missing: {', '.join(map(str, unknown)) or 'name'}"
        ) from None
    except SettingsError as error:
        raise InputError(f"{where}: {error}") from error


def make_key(
    name: str,
    digest: str,
    scope: str = "read",
    namespaces: Sequence[str] | None = None,
    rate: float | None = None,
) -> Key:
    """A key of these parts.

    Raises:
        SettingsError: one of them cannot be meant.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise SettingsError(f"name {name!r}: up to 64 letters, digits, dots, dashes, underlines")
    if scope not in ("read", "write"):
        raise SettingsError(f"scope {scope!r}: use read or write")
    if namespaces is not None:
        if not isinstance(namespaces, list | tuple) or not namespaces:
            raise SettingsError("namespaces: give a list of names, or leave it out for all")
        for each in namespaces:
            check_namespace(each)
    if rate is not None and (
        isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 1e9
    ):
        raise SettingsError(f"rate {rate!r}: give pages a second, over 0")
    allowed = None if namespaces is None else frozenset(namespaces)
    return Key(name, digest, "write" if scope == "write" else "read", allowed, rate)


def check_namespace(name: Any) -> None:
    """Refuse what cannot be a namespace here.

    Raises:
        SettingsError: names it.
    """
    if not isinstance(name, str) or not NAMESPACE.fullmatch(name):
        raise SettingsError(
            f"namespace {name!r}: up to 100 letters, digits, dots, dashes and underlines"
        )


def add_key(
    path: Path,
    name: str,
    *,
    scope: str = "read",
    namespaces: Sequence[str] = (),
    rate: float | None = None,
) -> str:
    """Make a key, write what is kept of it into a file, and return it: it is shown this once.

    Raises:
        InputError: the file cannot be read or written, or has a key of this name.
        SettingsError: a part cannot be meant.
    """
    secret = PREFIX + secrets.token_urlsafe(32)
    digest = digest_of(secret)
    make_key(name, digest, scope, list(namespaces) or None, rate)
    earlier = ""
    if path.exists():
        if any(key.name == name for key in read_keys(path)):
            raise InputError(f"{str(path)!r} has a key {name!r}: choose another name, or remove it")
        earlier = path.read_text(encoding="utf-8")
    parts: Mapping[str, object] = {
        "name": _quoted(name),
        "sha256": _quoted(digest),
        "scope": _quoted(scope),
        "namespaces": namespaces and f"[{', '.join(map(_quoted, namespaces))}]",
        "rate": rate,
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    lines = [f"{field} = {value}" for field, value in parts.items() if value]
    if earlier and not earlier.endswith("\n"):
        earlier += "\n"
    text = "\n".join([f"{earlier}\n[[key]]" if earlier else "[[key]]", *lines, ""])
    try:
        write_whole(path, text.encode(), mode=0o600)  # for its owner alone
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror}") from error
    return secret


def _quoted(text: str) -> str:
    return f'"{text}"'  # names have no character that would have to be escaped
