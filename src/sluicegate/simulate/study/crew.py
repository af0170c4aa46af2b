"""Runs over several cores: who does what, how far they are, and what happens on Ctrl-C."""

import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from joblib import Parallel, delayed  # type: ignore[import-untyped]
from numpy.typing import NDArray

from sluicegate.simulate.study.task import Finding, Task, perform

_LOOK_SECONDS = 0.2
_ALMOST = 0.999


class Watch(Protocol):
    """Is told how far a study is. Calls come from one thread at a time."""

    def reached(self, name: str, part: float) -> None:
        """A run, or a search for equivalent capacities, has been made up to this part, 0 to 1."""
        ...


class Silent:
    """A watch that says nothing."""

    def reached(self, name: str, part: float) -> None:
        """See Watch."""


def perform_all(
    tasks: Sequence[Task], jobs: int, reached: Callable[[Task, float], None]
) -> Iterator[tuple[Task, Finding]]:
    """The findings of `tasks`, each as soon as it is there, in any order, over `jobs` processes.

    `reached` is told 1 when a finding has been taken. A KeyboardInterrupt ends the processes and comes through.
    """
    if jobs <= 1 or len(tasks) <= 1:
        for task in tasks:
            yield task, perform(task, lambda part, task=task: reached(task, min(part, _ALMOST)))  # type: ignore[misc]
            reached(task, 1.0)
        return
    with tempfile.TemporaryDirectory(prefix="sluicegate-") as folder:
        board = Path(folder) / "reached"
        np.zeros(len(tasks)).tofile(board)
        with _Following(board, tasks, reached):
            findings = Parallel(n_jobs=min(jobs, len(tasks)), return_as="generator_unordered", batch_size=1)(
                delayed(_perform_apart)(task, board, place) for place, task in enumerate(tasks)
            )
            for place, finding in findings:
                yield tasks[place], finding
                reached(tasks[place], 1.0)


def _perform_apart(task: Task, board: Path, place: int) -> tuple[int, Finding]:
    deaf_to_ctrl_c()
    marks: NDArray[np.float64] = np.memmap(board, np.float64, "r+")

    def reached(part: float) -> None:
        marks[place] = part

    return place, perform(task, reached)


def deaf_to_ctrl_c() -> None:
    """In a worker: Ctrl-C at a terminal reaches all of its processes, and it is the parent's to end the others."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Following:
    """Reads from the board how far the processes are, and passes it on. What is done is told elsewhere."""

    def __init__(self, board: Path, tasks: Sequence[Task], reached: Callable[[Task, float], None]) -> None:
        self._marks: NDArray[np.float64] = np.memmap(board, np.float64, "r")
        self._tasks = tasks
        self._reached = reached
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        for task, part in zip(self._tasks, self._marks.tolist(), strict=True):
            if part:
                self._reached(task, min(part, _ALMOST))


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
