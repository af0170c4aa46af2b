"""The processes that the demonstration starts, and its promise that none of them outlives it."""

import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

_PR_SET_PDEATHSIG = 1
_STOP_SECONDS = 3.0


class DidNotStartError(Exception):
    """A process of the demonstration ended, or did not become ready. `str()` says which, and its last words."""


PORTS = range(20_000, 32_000)
"""Below those that systems give to connections of their own accord: one of these may be taken a moment later."""


def free_ports(count: int) -> list[int]:
    """Ports on the loopback address that nobody listens on now. Raises DidNotStartError where there are none."""
    with contextlib.ExitStack() as held:
        found: list[int] = []
        for port in random.sample(PORTS, 50 * count):
            one = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                one.bind(("127.0.0.1", port))
                found.append(port)
            if len(found) == count:
                return found
    raise DidNotStartError(f"no {count} ports are free between {PORTS.start} and {PORTS.stop}")


def sluicegate(*arguments: str) -> list[str]:
    """The command line of another Sluicegate, run by this very Python."""
    return [sys.executable, "-c", "from sluicegate.cli import main; main()", *arguments]


class Children:
    """Processes that end with this one, however it ends: leave the ``with`` block, or be killed.

    They run in sessions of their own, so that Ctrl-C reaches this process only, which then ends them in order.
    """

    def __init__(self, folder: Path) -> None:
        """What the processes write goes to files in ``folder``."""
        self._folder = folder
        self._running: list[tuple[str, subprocess.Popen[bytes], Path]] = []

    def __enter__(self) -> "Children":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str, command: list[str]) -> None:
        """Start ``command``; ``name`` is what messages call it."""
        log = self._folder / f"{name}.log"
        with _signals_wait(), log.open("wb") as output:
            child = subprocess.Popen(  # noqa: S603 - our own command line
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - no thread of ours holds a lock
            )
            self._running.append((name, child, log))

    def check(self) -> None:
        """Raise DidNotStartError if one of them has ended."""
        for name, child, log in self._running:
            if child.poll() is not None:
                raise DidNotStartError(f"the {name} ended with code {child.returncode}:\n{_last_words(log)}")

    def last_words(self) -> str:
        """The end of what each of them wrote."""
        return "\n".join(f"{name}: {_last_words(log)}" for name, _, log in self._running)

    def stop(self) -> None:
        """End them all: politely, then not. A Ctrl-C in the meantime changes nothing."""
        with _signals_wait():
            for _, child, _ in self._running:
                if child.poll() is None:
                    child.terminate()
            for _, child, _ in self._running:
                try:
                    child.wait(_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
            self._running.clear()


@contextlib.contextmanager
def _signals_wait() -> Iterator[None]:
    """Hold back the signals that end us, so that no child is started and then forgotten."""
    ending = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _die_with(parent: int) -> Callable[[], None]:
    """Linux: have the child told to end when this process is gone, even if it is killed outright."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the child inherits the mask of `_signals_wait`
        if prctl:
            prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def _last_words(log: Path, octets: int = 2000) -> str:
    with contextlib.suppress(OSError):
        return log.read_bytes()[-octets:].decode("utf-8", "replace").strip() or "(it wrote nothing)"
    return "(its output could not be read)"
