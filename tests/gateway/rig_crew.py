"""A crew as its processes: who is there, by what started them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from bench.processes import tree
from rig_client import Answer, Client, ask
from rig_material import LARGE, message, request, wait_for
from rig_process import Process

USERS = ({"name": "Large", "ids": [LARGE], "role": "IS", "allocation": 2000},)
PATIENT = {"wait": 0.5, "hold": 3}
"""Of a ledger: with 50 ms, draws come late on busy cores, and who is alone throttles."""
AMPLE = {"maximum": 4000, "operating_threshold": 3000, "burst_seconds": 2}


class Crew:
    """The processes of one `sluicegate serve` with several workers, all of which serve."""

    def __init__(self, process: Process, workers: int) -> None:
        self.process, self.count = process, workers
        wait_for(lambda: process.events("serving with workers"), "\n".join(process.log))
        self.full()

    def full(self) -> None:
        """Wait until each slot has a worker that serves, and the ledger has answered it."""
        wait_for(lambda: len(self.workers()) == self.count and self.valkey() is not None)
        wait_for(lambda: all(well(self.process.port) for _ in range(10)))  # its banks begin empty

    def workers(self) -> dict[int, int]:
        """Process ids by number; of two in one slot, the later one."""
        return workers_of(self.process)

    def valkey(self) -> int | None:
        """Process id of the embedded Valkey, once it is that."""
        found = [pid for pid in tree(self.process.process.pid) if "valkey-server" in (arguments(pid) or [""])[0]]
        return found[0] if found else None

    def folder(self) -> Path:
        """Where the Valkey's socket is."""
        first = arguments(self.workers()[1])
        return Path(first[first.index("--ledger") + 1].removeprefix("unix://")).parent


def workers_of(process: Process) -> dict[int, int]:
    """Process ids of a crew's workers by number; of two in one slot, the later one."""
    words = {pid: arguments(pid) for pid in sorted(tree(process.process.pid))}
    return {int(one[one.index("--worker") + 1]): pid for pid, one in words.items() if "--worker" in one}


def arguments(pid: int) -> list[str]:
    """What a process was started with; empty once it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    except OSError:
        return []


def gone(pid: int) -> bool:
    """Whether a process has ended, whoever has still to hear of it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def kill(pid: int) -> None:
    """kill -9."""
    os.kill(pid, signal.SIGKILL)


def well(port: int) -> bool:
    """Whether a request on a fresh connection passes."""
    try:
        return ask(port).status == 200
    except (OSError, AssertionError):
        return False


class Stream:
    """Senders, each with one request after the other, until `stop`: on connections that stay, or a fresh one for each.

    Attributes:
        statuses: of all answers. lost: what was sent and not answered. refused: the problems of
            answers that are none of the upstream's.
    """

    def __init__(self, port: int, staying: int, fresh: int) -> None:
        self.port = port
        self.statuses: list[int] = []
        self.lost: list[str] = []
        self.refused: list[dict[str, object]] = []
        self._stopped = threading.Event()
        whats: list[Callable[[], None]] = [self._stays] * staying + [self._comes_and_goes] * fresh
        self._threads = [threading.Thread(target=what) for what in whats]
        for thread in self._threads:
            thread.start()

    def more(self, count: int) -> None:
        """Wait for so many more answers."""
        least = len(self.statuses) + count
        wait_for(lambda: len(self.statuses) >= least or self.lost)

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _send(self, client: Client, *fields: str) -> Answer | None:
        try:
            answer = client.send(request(message(counter=len(self.statuses)), *fields)).answer()
        except (OSError, AssertionError) as error:
            self.lost.append(repr(error))
            return None
        self.statuses.append(answer.status)
        if answer.status != 200:
            self.refused.append(answer.problem)
        return answer

    def _stays(self) -> None:
        while not self._stopped.is_set() and not self.lost:
            with Client(self.port) as client:
                while not self._stopped.is_set():
                    answer = self._send(client)
                    if answer is None or answer.get("Connection") == "close":
                        break

    def _comes_and_goes(self) -> None:
        while not self._stopped.is_set() and not self.lost:
            with Client(self.port) as client:
                self._send(client, "Connection: close")
