"""The load generator (bench/load): compiled when needed, run, and its report read."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import BenchError

SOURCES = Path(__file__).parent / "load"
GRACE_SECONDS = 20.0


def compiled(folder: Path) -> Path:
    """The load generator, built into `folder` unless a build newer than its sources is there.

    Raises BenchError with the install line if there is no C compiler or no OpenSSL to build against.
    """
    program = folder / "load"
    sources = sorted(SOURCES.glob("*.[ch]"))
    if program.exists() and program.stat().st_mtime > max(path.stat().st_mtime for path in sources):
        return program
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise BenchError("The load generator needs a C compiler. On Debian or Ubuntu: apt-get install gcc libssl-dev")
    units = [str(path) for path in sources if path.suffix == ".c"]
    command = [compiler, "-O2", "-Wall", "-Wextra", "-o", str(program), *units, "-lssl", "-lcrypto"]
    built = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if built.returncode:
        hint = "\nOn Debian or Ubuntu: apt-get install libssl-dev libc6-dev" if "No such file" in built.stderr else ""
        raise BenchError(f"The load generator does not compile:\n{built.stderr.strip()[-1500:]}{hint}")
    return program


@dataclass(frozen=True)
class Sending:
    """What to send and how. Without `rate` in closed loop; with it at `rate` requests/s in open loop."""

    port: int
    frames: Path
    seconds: float
    warmup: float = 1.0
    connections: int = 32
    rate: float | None = None
    certificates: Sequence[Path] = ()
    ca: Path | None = None
    source: str | None = None
    first: int = 0
    """The number of the first request, for frames with marks (bench/load/marks.c)."""

    def arguments(self) -> list[str]:
        """The load generator's command line."""
        words = ["--target", f"127.0.0.1:{self.port}", "--frames", str(self.frames)]
        words += ["--connections", str(self.connections)]
        words += ["--seconds", f"{self.seconds:g}", "--warmup", f"{self.warmup:g}"]
        if self.rate:
            words += ["--rate", f"{self.rate:.3f}"]
        if self.first:
            words += ["--first", str(self.first)]
        if self.source:
            words += ["--source", self.source]
        if self.ca:
            words += ["--ca", str(self.ca)]
            for certificate in self.certificates:
                words += ["--certificate", str(certificate)]
        return words


@dataclass(frozen=True)
class Sent:
    """What came back in the measured window. Latencies in milliseconds; in open loop from the intended send time."""

    seconds: float
    completed: int
    unexpected: int
    lost: int
    reconnects: int
    statuses: dict[int, int]
    latency_ms: dict[str, float]
    own_cpu_seconds: float
    server_cpu_seconds: float = field(default=0.0)

    @property
    def per_second(self) -> float:
        """Answers per second of the window."""
        return self.completed / self.seconds

    @property
    def cpu_per_thousand(self) -> float:
        """The server's CPU-seconds per 1000 answers."""
        return 1000 * self.server_cpu_seconds / self.completed if self.completed else float("nan")


def read_report(line: str, server_cpu_seconds: float = 0.0) -> Sent:
    """The load generator's last line.

    Raises ValueError if it is not one.
    """
    facts = json.loads(line)
    try:
        return Sent(
            seconds=facts["seconds"],
            completed=facts["completed"],
            unexpected=facts["unexpected"],
            lost=facts["broken"] + facts["timed_out"] + facts["unanswered"],
            reconnects=facts["reconnects"],
            statuses={int(status): count for status, count in facts["statuses"].items()},
            latency_ms={name: value / 1000 for name, value in facts["latency_us"].items()},
            own_cpu_seconds=facts["own_cpu_seconds"],
            server_cpu_seconds=server_cpu_seconds,
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a report of the load generator: {line[:200]}") from error


def send(program: Path, sending: Sending, cpu_seconds: Callable[[], float] = lambda: 0.0) -> Sent:
    """Run the load generator once; `cpu_seconds` is read at both edges of the measured window.

    Raises BenchError if it could not run to its end.
    """
    process = subprocess.Popen(
        [str(program), *sending.arguments()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        at_edges, last = [], ""
        for line in process.stdout:
            if line.strip() in {"start", "end"}:
                at_edges.append(cpu_seconds())
            else:
                last = line
        _, complaint = process.communicate(timeout=GRACE_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode or len(at_edges) != 2:
        raise BenchError(f"the load generator failed: {complaint.strip() or process.returncode}")
    return read_report(last, at_edges[1] - at_edges[0])
