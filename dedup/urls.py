"""URLs as messages may show them: without user and password. Knows nothing of stores."""

from __future__ import annotations

import re

_IN_QUERY = re.compile(r"(?i)([?&]\w*(?:password|secret|token|key)=)[^&\s'\"#]*")
_BEFORE_HOST = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/'\"@]*:[^\s/'\"]*@", re.IGNORECASE)


def scheme_and_hosts(url: str) -> str:
    """The URL without its user and password, which may hold any character, `@` and `/` too."""
    scheme, separator, rest = url.partition("://")
    at = rest.rfind("@") if separator else -1
    hosts = f"***@{rest[at + 1 :]}" if at >= 0 else rest
    return _IN_QUERY.sub(r"\1***", f"{scheme}{separator}{hosts}")


def without_passwords(text: str) -> str:
    """A message in which the logins of URLs with a password are `***`."""
    return _IN_QUERY.sub(r"\1***", _BEFORE_HOST.sub(r"\1***@", text))
