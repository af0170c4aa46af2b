"""Processes that a campaign starts and kills: a dispatcher, the stand-ins. None outlives it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.error import URLError
from urllib.request import Request, urlopen

from bench.faults.site import Listening, Region, Site
from bench.processes import PR_SET_PDEATHSIG, BenchError, _libc

CHECKOUT = Path(__file__).resolve().parents[2]
SLUICEGATE = (sys.executable, "-c", "from sluicegate.cli import main; main()")
PATIENCE = 20.0  # seconds for a start, or an orderly end


def die_at_once_with_parent() -> None:
    """Run in the child: SIGKILL when the campaign itself dies."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None, **how: Any) -> Any:
    """Start a process in a session of its own: Ctrl-C at the terminal is the campaign's alone."""
    with log.open("ab") as out:
        return subprocess.Popen(
            [str(word) for word in command],
            stderr=out,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
            preexec_fn=die_at_once_with_parent,
            **{"stdin": subprocess.DEVNULL, "stdout": out, **how},
        )


def last_words(log: Path) -> str:
    """The end of what a process wrote."""
    return log.read_text(errors="replace")[-1500:].strip() if log.exists() else ""


class Place(Protocol):
    """Where a dispatcher, or a relay, is: `site.Site`."""

    @property
    def folder(self) -> Path: ...
    @property
    def dispatchers(self) -> tuple[Listening, ...]: ...
    def configuration(self, number: int = 0) -> Path: ...


class Dispatcher:
    """One dispatcher (or one of another command of `sluicegate`), started again and again by `launch`."""

    def __init__(
        self,
        site: Place,
        number: int = 0,
        environment: Mapping[str, str] | None = None,
        command: str = "dispatch",
    ) -> None:
        self.number = number
        self.listening = site.dispatchers[number]
        self.log = site.folder / f"dispatcher-{number}.log"
        words = (sys.executable, "-m", "bench.faults.launch", str(site.configuration(number)), command)
        path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(CHECKOUT))))
        said = {**(environment or {}), "PYTHONPATH": path}
        self._launch = spawn(words, self.log, said, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._pid: int | None = None
        self._code: int | None = None
        self.starts = 0

    def _say(self, word: str) -> str:
        try:
            self._launch.stdin.write(f"{word}\n")
            self._launch.stdin.flush()
            answer = self._launch.stdout.readline().strip()
        except OSError:
            answer = ""
        if not answer:
            raise BenchError(f"dispatchers cannot be started:\n{last_words(self.log)}")
        return str(answer)

    def start(self) -> None:
        """Begin."""
        assert self._pid is None
        self._pid, self._code = int(self._say("start")), None
        self.starts += 1

    @property
    def runs(self) -> bool:
        """Whether it was started, and has not ended by itself."""
        if self._pid is not None and self._code is None:
            said = self._say("poll")
            self._code = None if said == "-" else int(said)
        return self._pid is not None and self._code is None

    def signal(self, number: int) -> None:
        """Send it a signal; nothing happens where it has ended."""
        if self._pid is not None and self._code is None:
            os.kill(self._pid, number)  # not reaped yet, so the number is still its own

    def kill(self) -> int | None:
        """kill -9. Its exit code where it had ended before, else None."""
        if self._pid is None:
            return None
        ended = None if self.runs else self._code
        self.signal(signal.SIGKILL)
        self._reap()
        return ended

    def stop(self) -> int:
        """SIGTERM, and its exit code; kill -9 where it does not end in time."""
        self.signal(signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        while self.runs and time.monotonic() < deadline:
            time.sleep(0.02)
        self.signal(signal.SIGKILL)
        return self._reap()

    def _reap(self) -> int:
        code = self._code if self._code is not None or self._pid is None else int(self._say("wait"))
        self._pid = self._code = None
        return code or 0

    def end(self) -> None:
        """Leave nothing behind."""
        with contextlib.suppress(BenchError):
            self.kill()
        self._launch.stdin.close()
        self._launch.kill()
        self._launch.wait()
        self._launch.stdout.close()

    def status(self) -> dict[str, Any]:
        """What its admin listener says. Raises OSError."""
        return ask(f"http://127.0.0.1:{self.listening.admin}/api/v1/status")


def ask(url: str, told: Mapping[str, object] | None = None) -> Any:
    """GET, or POST `told`. Raises OSError."""
    body = None if told is None else json.dumps(told).encode()
    with urlopen(Request(url, body), timeout=10) as answer:
        return json.load(answer)


class StandIn:
    """A stand-in CSP, or the Users' endpoints, with a second address for its control."""

    def __init__(self, what: str, name: str, port: int, control: int, folder: Path, options: Sequence[str]) -> None:
        self.log = folder / f"{name}.log"
        self.control = control
        self.journal = folder / f"{name}.journal"
        words = [
            *SLUICEGATE,
            *("stand-in", what, "--name", name, "--listen", f"127.0.0.1:{port}", "--control", f"127.0.0.1:{control}"),
            *("--remember", "3000000"),
            *(("--journal", str(self.journal)) if what == "csp" else ()),
            *options,
        ]
        self._process = spawn(words, self.log)

    def wait(self) -> None:
        """Until it answers. Raises BenchError."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(URLError, OSError):
                ask(f"http://127.0.0.1:{self.control}/stand-in/status")
                return
            time.sleep(0.05)
        raise BenchError(f"a stand-in did not start:\n{last_words(self.log)}")

    def status(self) -> dict[str, Any]:
        """How it is."""
        return ask(f"http://127.0.0.1:{self.control}/stand-in/status")

    def behave(self, **changes: object) -> None:
        """From now on."""
        ask(f"http://127.0.0.1:{self.control}/stand-in/control", changes)

    def rows(self, listing: str) -> list[dict[str, Any]]:
        """All that it remembers."""
        rows: list[dict[str, Any]] = []
        since = 0
        while True:
            page = ask(f"http://127.0.0.1:{self.control}/stand-in/{listing}?since={since}&limit=10000")
            if not page[listing]:
                return rows
            rows += page[listing]
            since = page["next"]

    def end(self) -> None:
        """SIGTERM, so that its journal is whole."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def csp(site: Site, region: Region, *options: str) -> StandIn:
    """A stand-in CSP for a region."""
    return StandIn("csp", region.name, region.port, region.control, site.folder, options)


def users(site: Site, *options: str) -> StandIn:
    """The endpoints of all Users, in one process."""
    return StandIn("user", "users", site.user_port, site.user_control, site.folder, options)
