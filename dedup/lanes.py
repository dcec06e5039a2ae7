"""Lanes: one worker each, a thread or a process, that does what it is given in order.

A worker is any object with methods; whoever has a lane gives it one of these with arguments, and
gets a future. A worker in a process has a pipe and two threads here: one sends tasks, ahead of the
worker, one waits for the answers. A worker sends what it answers in a thread of its own, so it goes
from task to task without waiting for anybody here. The process ends when its pipe does, so none
outlives this one. Knows nothing of what is done.
"""

from __future__ import annotations

import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

Worker = TypeVar("Worker")
Answer = TypeVar("Answer")
Arguments = ParamSpec("Arguments")


class LostWorkerError(Exception):
    """A worker process ended while there was work for it."""


class Lane(Generic[Worker]):
    """A worker that is a thread of this process."""

    def __init__(self, make: Callable[[], Worker]) -> None:
        """Have a worker made, at once."""
        self._worker = make()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._waiting: list[Future[Any]] = []

    @property
    def waiting(self) -> int:
        """Tasks that it was given and has not done."""
        self._waiting = [future for future in self._waiting if not future.done()]
        return len(self._waiting)

    def submit(
        self,
        method: Callable[Concatenate[Worker, Arguments], Answer],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Future[Answer]:
        """Give it a task: a method of the worker's class, and its arguments."""
        future = self._begin(method, args, kwargs)
        self._waiting.append(future)
        return future

    def _begin(self, method: Callable[..., Answer], args: Any, kwargs: Any) -> Future[Answer]:
        return self._thread.submit(method, self._worker, *args, **kwargs)

    def close(self) -> None:
        """End it, after the task that it is at."""
        self._thread.shutdown(cancel_futures=True)

    def kill(self) -> None:
        """End it at once, if that can be done."""


class ProcessLane(Lane[Worker]):
    """A worker that is a process of its own. Methods, arguments and answers are pickled."""

    def __init__(self, process: BaseProcess, connection: Connection) -> None:
        """Made by `start_processes`."""
        super().__init__(lambda: None)  # type: ignore[arg-type,return-value]  # it is elsewhere
        self._process = process
        self._connection = connection
        self._sender = ThreadPoolExecutor(max_workers=1)

    def _begin(self, method: Callable[..., Answer], args: Any, kwargs: Any) -> Future[Answer]:
        sent = self._sender.submit(self._connection.send, (method, args, kwargs))
        return self._thread.submit(self._answer, sent)

    def _answer(self, sent: Future[None]) -> Any:
        """The answer to the task that is sent; called in the order of the tasks."""
        try:
            sent.result()
            is_done, answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise LostWorkerError from error
        if is_done:
            return answer
        raise answer

    def close(self) -> None:
        """End it, after the tasks that were sent, and wait for that."""
        self._sender.shutdown(cancel_futures=True)
        self._thread.shutdown()
        self._connection.close()
        self._process.join()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()


def start_processes(make: Callable[[], Worker], count: int) -> list[ProcessLane[Worker]]:
    """Start so many worker processes.

    Where that is safe they are forks, which are there at once with all that was imported here: on
    Linux, as long as this process has no other threads, whose locks would be held for ever there.

    Args:
        make: makes a worker, in its process; it is pickled.
        count: of workers.
    """
    import multiprocessing  # noqa: PLC0415 - late: most runs are short, and need none of it

    can_fork = sys.platform == "linux" and threading.active_count() == 1
    context: Any = multiprocessing.get_context("fork" if can_fork else "spawn")
    pipes = [context.Pipe() for _ in range(count)]
    lanes: list[ProcessLane[Worker]] = []
    try:
        for ours, theirs in pipes:
            # A fork has all that is open here: the ends of other pipes would keep these alive.
            others = [end for pipe in pipes for end in pipe if end is not theirs]
            args = (make, theirs, others if can_fork else [])
            process = context.Process(target=_serve, args=args, daemon=True)
            process.start()
            lanes.append(ProcessLane(process, ours))
    except BaseException:
        for lane in lanes:
            lane.kill()
            lane.close()
        raise
    finally:
        for _, theirs in pipes:
            theirs.close()
    return lanes


def _serve(
    make: Callable[[], Worker], connection: Connection, others: Sequence[Connection]
) -> None:
    """Be a worker process."""
    # Ctrl-C reaches every process of a terminal; what was begun is finished.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for other in others:
        other.close()
    worker = make()
    # Its pipe may be full while somebody here has other work than to read it.
    with ThreadPoolExecutor(max_workers=1) as sender, suppress(EOFError, OSError):
        while True:
            method, args, kwargs = connection.recv()
            try:
                answer = pickle.dumps((True, method(worker, *args, **kwargs)))
            except Exception as error:  # noqa: BLE001 - it is raised where the answer is wanted
                error.add_note("in a worker process:\n" + traceback.format_exc())
                answer = pickle.dumps((False, error))
            sender.submit(connection.send_bytes, answer)
