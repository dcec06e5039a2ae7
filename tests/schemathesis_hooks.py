"""What schemathesis must be told: how JSON Lines are written."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(_context: Any, value: Any) -> bytes:
    """A body as it is."""
    return value if isinstance(value, bytes) else str(value).encode()
