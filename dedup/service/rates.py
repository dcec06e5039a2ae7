"""Pages a second by key, of one process or of all workers of a service together.

Knows nothing of keys but their names, and of HTTP but the problem it raises.
"""

from __future__ import annotations

import hashlib
import math
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from dedup.service.problems import Problem

_ACCOUNT = struct.Struct("<dd")


class Account(NamedTuple):
    """What a key has saved, below 0 what it owes (pages), and when that was so (seconds)."""

    balance: float
    then: float


class Ledger(Protocol):
    """Where accounts are."""

    def change(self, name: str, how: Callable[[Account | None], Account | None]) -> None:
        """Replace an account, None where there is none, by what is made of it, if anything is."""
        ...


class OwnLedger:
    """Of this process alone."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}

    def change(self, name: str, how: Callable[[Account | None], Account | None]) -> None:
        """See `Ledger`."""
        changed = how(self._accounts.get(name))
        if changed is not None:
            self._accounts[name] = changed


class SharedLedger:
    """Of all processes of this machine that use the folder: a file of 16 bytes for each key.

    Their clock has to be one: `time.monotonic` is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, int] = {}

    def change(self, name: str, how: Callable[[Account | None], Account | None]) -> None:
        """See `Ledger`. Others wait meanwhile, for some microseconds."""
        with self._held(name) as file:
            found = os.pread(file, _ACCOUNT.size, 0)
            changed = how(Account(*_ACCOUNT.unpack(found)) if found else None)
            if changed is not None:
                os.pwrite(file, _ACCOUNT.pack(*changed), 0)

    @contextmanager
    def _held(self, name: str) -> Iterator[int]:
        import fcntl  # noqa: PLC0415 - not everywhere, as several workers are not

        file = self._files.get(name)
        if file is None:
            path = self._folder / hashlib.sha256(name.encode()).hexdigest()
            file = self._files[name] = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield file
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


class Rates:
    """Pages a second by key, paid afterwards.

    How many pages a request has is known when it was read. So whoever is not in debt may ask, and
    pays for the pages that there were; debts are worked off at the key's rate. A second's worth can
    be saved.

    Args:
        rate: pages a second of a key that has no rate of its own; None: any number.
        ledger: where accounts are.
        clock: seconds.
    """

    def __init__(
        self,
        rate: float | None,
        ledger: Ledger | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._ledger = ledger or OwnLedger()
        self._clock = clock

    def seconds_to_wait(self, name: str, rate: float | None) -> float:
        """How long a key must wait until it is out of debt; 0: it may ask now.

        Args:
            name: of the key.
            rate: its own rate, if it has one.
        """
        rate = self._rate if rate is None else rate
        if rate is None:
            return 0.0
        seconds = 0.0

        def work_off(found: Account | None) -> Account:
            nonlocal seconds
            now = self._clock()
            balance, then = found or (rate, now)
            balance = min(max(rate, 1.0), balance + (now - then) * rate)
            seconds = max(0.0, -balance / rate)
            return Account(balance, now)

        self._ledger.change(name, work_off)
        return seconds

    def admit(self, name: str, rate: float | None) -> None:
        """Refuse a key that is in debt.

        Raises:
            Problem: rate, with the time to wait.
        """
        seconds = math.ceil(self.seconds_to_wait(name, rate))
        if seconds:
            raise Problem(
                "rate",
                f"this key has had its pages for the next {seconds} s: send fewer a second",
                {"retry-after": str(seconds)},
            )

    def charge(self, name: str, pages: int) -> None:
        """Let a key pay for pages, if it has a rate."""

        def pay(found: Account | None) -> Account | None:
            return found and found._replace(balance=found.balance - pages)

        self._ledger.change(name, pay)
