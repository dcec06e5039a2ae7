"""Every error that dedup raises on purpose.

DedupError
├── SettingsError     an option that does not exist, or a value that it cannot take
├── PageError         one page that cannot be judged; in a batch it becomes `Report.error`
│   ├── DecodeError       bytes that are no text (a binary file, an unknown charset)
│   └── PageTooLargeError more characters or blocks than the limits allow
├── InputError        a path that cannot be read, or that holds no pages
├── IndexFailure      the index cannot be opened, or cannot do what was asked
│   ├── IndexMismatchError  opened with settings other than those it was made with
│   └── IndexFullError      no room left
├── ServiceError      a service that a client asked does not answer, or refuses
└── KernelError       a kernel was forced by DEDUP_KERNEL and cannot run

IndexWarning is a warning, not an error: an index whose server may lose what it holds.

A message names the value and the remedy. Errors of drivers and parsers are translated where they
arise (`raise ... from exc`), so a caller needs this module alone.
"""


class DedupError(Exception):
    """Base of every error that dedup raises on purpose."""


class SettingsError(DedupError, ValueError):
    """An option that does not exist, or a value that it cannot take."""


class PageError(DedupError):
    """One page that cannot be judged. In a batch it is reported and the batch goes on."""


class DecodeError(PageError, ValueError):
    """Bytes that are no text in any charset that could be found for them."""


class PageTooLargeError(PageError, ValueError):
    """A page with more characters or blocks than the limits allow."""


class InputError(DedupError):
    """A path that cannot be read, or that holds no pages."""


class IndexFailure(DedupError):  # noqa: N818 - "IndexError" is Python's own and means another thing
    """The index cannot be opened, or cannot do what was asked."""


class IndexMismatchError(IndexFailure):
    """An index opened with settings other than those that it was made with."""


class IndexFullError(IndexFailure):
    """The index has no room left."""


class ServiceError(DedupError):
    """A service that a client asked does not answer, or refuses.

    Attributes:
        status: the HTTP status of its answer; None: there was none.
        problem: the kind of problem, as the service's documentation lists them.
        request_id: under which its log tells more.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        problem: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.problem = problem
        self.request_id = request_id


class KernelError(DedupError, ImportError):
    """A kernel was forced by DEDUP_KERNEL and cannot run here."""


class IndexWarning(UserWarning):
    """An index works, but its server is set up so that it may lose what it holds."""
