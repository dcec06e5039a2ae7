"""Logs: a JSON object a line on stderr.

    {"time": "…", "level": "info", "message": "request", "request_id": "…", "route": "/v1/check", …}

What is logged of a request is chosen in `edge.py`: the route and not the path, for page ids are
other people's URLs; the name of a key and never the key.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime


class JsonFormatter(logging.Formatter):
    """A record as a JSON object, its `fields` as further members."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True, default=str)


def configure(level: str) -> None:
    """Send everything to stderr in this form: the service's lines, the server's, warnings."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    # One line a request is ours to write.
    logging.getLogger("uvicorn.access").disabled = True
