"""What the operating system says of a path, as an error with a remedy."""

from __future__ import annotations

from dedup.errors import InputError


def input_error(path: str, error: Exception) -> InputError:
    """The error, naming the path and what to do."""
    if isinstance(error, InputError):
        return error
    if isinstance(error, FileNotFoundError):
        return InputError(f"no such file or folder: {path!r}; check the path")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    remedy = "change its permissions, or leave it out"
    if not isinstance(error, PermissionError):
        remedy = "check the path, or leave it out"
    return InputError(f"{path!r} cannot be read ({reason.lower()}): {remedy}")
