"""Where the dispatcher's time goes: py-spy looks at it while it works."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

INSTALL = "py-spy is missing, so there is no profile: pip install py-spy"
RATE = 200  # looks a second
TOP = 25
_PLACE = re.compile(r"^(?P<name>.+) \((?P<file>[^)]*?)(?::\d+)?\)$")


@dataclass(frozen=True)
class Hot:
    """A function: part of all looks at running threads that found it at the top, and anywhere in the stack."""

    where: str
    thread: str
    self_part: float
    whole_part: float


def py_spy() -> str | None:
    """The program; None where there is none."""
    beside = Path(sys.executable).parent / "py-spy"
    return str(beside) if beside.exists() else shutil.which("py-spy")


def start(pid: int, seconds: float, out: Path, *, gil: bool) -> subprocess.Popen[bytes] | None:
    """Begin to look at a process; the stacks are in `out` when it has ended. None: there is no py-spy.

    Args:
        pid: the process.
        seconds: for so long.
        out: collapsed stacks, one a line.
        gil: only threads that hold the interpreter: else also those in the database's library, or in a system call.
    """
    program = py_spy()
    if program is None:
        return None
    command = [program, "record", "--pid", str(pid), "--duration", str(max(1, int(seconds))), "--rate", str(RATE)]
    command += ["--format", "raw", "--threads", "--function", "--output", str(out), *(["--gil"] if gil else [])]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def place(frame: str) -> str:
    """A frame without its line number: `name (file)`, the file from its package on."""
    found = _PLACE.match(frame)
    if found is None:
        return frame
    file = found["file"]
    for root in ("site-packages/", "src/", "python3.11/"):
        file = file.rpartition(root)[2]
    return f"{found['name']} ({file})"


def hot(stacks: Iterable[str]) -> list[Hot]:
    """Functions by their own share, the hottest first, from collapsed stacks (`thread;outer;inner count`)."""
    own: Counter[tuple[str, str]] = Counter()
    whole: Counter[tuple[str, str]] = Counter()
    total = 0
    for line in stacks:
        text, _, number = line.strip().rpartition(" ")
        if not text or not number.isdigit():
            continue
        thread, *frames = text.split(";")
        thread = _thread(thread)
        places = [place(frame) for frame in frames] or [thread]
        total += int(number)
        own[places[-1], thread] += int(number)
        for one in set(places):
            whole[one, thread] += int(number)
    return [
        Hot(where, thread, looks / total, whole[where, thread] / total) for (where, thread), looks in own.most_common()
    ]


def inclusive(stacks: Iterable[str], least: float = 0.02) -> list[Hot]:
    """Functions by their share with all that they call, the largest first, down to `least`."""
    lines = list(stacks)
    own = {(one.where, one.thread): one.self_part for one in hot(lines)}
    whole: Counter[tuple[str, str]] = Counter()
    total = 0
    for line in lines:
        text, _, number = line.strip().rpartition(" ")
        if text and number.isdigit():
            thread, *frames = text.split(";")
            total += int(number)
            for one in {place(frame) for frame in frames}:
                whole[one, _thread(thread)] += int(number)
    return [
        Hot(where, thread, own.get((where, thread), 0.0), looks / total)
        for (where, thread), looks in whole.most_common()
        if looks / total >= least
    ]


def _thread(told: str) -> str:
    """`thread (0x7F...): writer` is `writer`; one without a name is the main one."""
    name = told.rpartition(":")[2].strip().strip('"')
    return "main" if name.startswith("thread") or not name else name


def page(title: str, stacks: list[str]) -> str:
    """Both tables as text."""
    lines = [title, "", f"{'self':>6} {'whole':>6}  {'thread':<10} function"]
    lines += [
        f"{one.self_part:6.1%} {one.whole_part:6.1%}  {one.thread:<10} {one.where}" for one in hot(stacks)[: 2 * TOP]
    ]
    lines += ["", "With all that they call:", ""]
    lines += [f"{one.self_part:6.1%} {one.whole_part:6.1%}  {one.thread:<10} {one.where}" for one in inclusive(stacks)]
    return "\n".join(lines) + "\n"
