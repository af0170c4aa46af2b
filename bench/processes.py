"""Server processes: started in a group of their own, their CPU time read, and none left behind."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS, STOP_SECONDS = 20.0, 10.0
PR_SET_PDEATHSIG = 1


class BenchError(Exception):
    """Something that the person who runs the benchmark can act on; shown without a stack trace."""


PORTS = range(20_000, 32_000)
"""Below the ports that the kernel gives to outgoing connections, of which a benchmark makes very many."""


MOST_CLAIMS = 64
_claims: deque[socket.socket] = deque()


@atexit.register
def _give_up_claims() -> None:
    while _claims:
        _claims.popleft().close()


def _claim(port: int) -> bool:
    """Whether nobody on this machine, this process included, has been given it by `free_port` just now.

    It takes seconds until a server listens on what it was given. A name in the abstract namespace belongs to one
    socket at a time (unix(7)), and goes with it.
    """
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0sluicegate-port-{port}")
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    if len(_claims) > MOST_CLAIMS:
        _claims.popleft().close()
    return True


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on now, and no connection will be given.

    Of several processes that ask at the same time each is given another one. Raises BenchError if none was found.
    """
    for _ in range(100):
        port = random.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if _claim(port):
                return port
    raise BenchError(f"no free port between {PORTS.start} and {PORTS.stop}")


def interrupt(_number: int, _frame: object) -> None:
    """A signal handler: ends a run through every `finally`."""
    raise KeyboardInterrupt


def end_on_signals() -> None:
    """SIGTERM ends a run as Ctrl-C does, and Ctrl-C does so in a background job too."""
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, interrupt)


_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """Run in the child, which is started while there is one thread: SIGTERM when the benchmark itself dies."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Server:
    """One server under test or beside it: a process and all its children, from start to stop.

    Use it as a context manager: entering waits until `port` accepts, leaving stops the whole process group.
    """

    def __init__(
        self, name: str, command: Sequence[str], port: int, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.command, self.port, self.log = name, list(command), port, log
        self.environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        if shutil.which(self.command[0]) is None:
            raise BenchError(f"{self.name} needs the program {self.command[0]}, which is not installed")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        try:
            self._wait_until_it_accepts()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id of the server's first process."""
        if self._process is None:
            raise BenchError(f"{self.name} is not running")
        return self._process.pid

    def _wait_until_it_accepts(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise BenchError(f"{self.name} stopped at once (exit {self._process.returncode}):\n{self.last_words()}")
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return
            except OSError:
                time.sleep(0.05)
        raise BenchError(f"{self.name} did not listen within {START_SECONDS:.0f} s:\n{self.last_words()}")

    def last_words(self) -> str:
        """The end of what the server wrote."""
        return self.log.read_text(errors="replace")[-2000:].strip() or "(it wrote nothing)"

    def stop(self) -> int | None:
        """SIGTERM to the group, SIGKILL to what is left after ten seconds. Returns the exit code."""
        process, self._process = self._process, None
        if process is None:
            return None
        for sign, patience in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
            signal_group(process.pid, sign)
            try:
                process.wait(patience)
                break
            except subprocess.TimeoutExpired:
                continue
        signal_group(process.pid, signal.SIGKILL)  # children that outlived their parent
        return process.returncode

    def cpu_seconds(self) -> float:
        """User and system time of the process, its descendants, and those of them that have ended."""
        return sum(cpu_seconds_of(pid) for pid in tree(self.pid))


def signal_group(group: int, sign: int) -> None:
    """Signal a process group that this benchmark made; nothing happens if it is gone."""
    try:
        os.killpg(group, sign)
    except ProcessLookupError:
        return


def stat_fields(line: str) -> list[str]:
    """Fields of /proc/<pid>/stat from the third (state) on: the second is a name that may hold anything."""
    return line.rpartition(")")[2].split()


def cpu_seconds_from(line: str) -> float:
    """utime + stime + cutime + cstime of one line of /proc/<pid>/stat, in seconds (proc(5))."""
    fields = stat_fields(line)
    return sum(int(value) for value in fields[11:15]) / TICKS


def cpu_seconds_of(pid: int) -> float:
    """CPU time of one process and of its children that have ended; 0 once it is gone."""
    try:
        return cpu_seconds_from(Path(f"/proc/{pid}/stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def descendants(root: int, parents: Iterable[tuple[int, int]]) -> list[int]:
    """`root` and all below it, from pairs of process and parent."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents:
        children.setdefault(parent, []).append(pid)
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def tree(root: int) -> list[int]:
    """Process ids of `root` and its descendants."""
    pairs = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                pairs.append((int(entry.name), int(stat_fields((entry / "stat").read_text())[1])))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return descendants(root, pairs)


def busy_seconds_from(line: str) -> float:
    """CPU time that the machine has worked, from the first line of /proc/stat: all but idle and waiting (proc(5))."""
    user, nice, system, _idle, _waiting, irq, soft = (int(value) for value in line.split()[1:8])
    return (user + nice + system + irq + soft) / TICKS


class Bystanders:
    """CPU time on this machine that is neither ours nor that of a process below us: other people's work."""

    def __init__(self) -> None:
        self._at, self._others = time.monotonic(), self._now()

    @staticmethod
    def _now() -> float:
        with Path("/proc/stat").open() as stat:
            busy = busy_seconds_from(stat.readline())
        return busy - sum(cpu_seconds_of(pid) for pid in tree(os.getpid()))

    def cores(self) -> float:
        """Cores that others used on average since this was made."""
        passed = time.monotonic() - self._at
        return max(0.0, (self._now() - self._others) / passed) if passed > 0 else 0.0
