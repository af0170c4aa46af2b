"""Starts `sluicegate dispatch --config FILE` (or `relay`) again and again, each time as a process of its own.

All is imported once, and each dispatcher is forked from there: it is up in a tenth of the time, so a campaign can kill
ten times as often. What the child runs is the command itself. Lines of standard input: `start`, answered with the
child's number; `wait` and `poll`, answered with its exit code (`-` while it runs).

`UNSAFE=off` (or `normal`) lowers SQLite's `synchronous` behind the dispatcher's back, once it has looked: so that a
campaign can show that it would notice.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from importlib import import_module
from typing import Any

LOADED = ("sluicegate.dispatch.service", "sluicegate.routing", "uvloop", "sqlalchemy.dialects.sqlite", "psycopg")
MORE = ("uvicorn.protocols.http.httptools_impl", "sqlalchemy.dialects.postgresql.psycopg", "asyncio", "sqlite3")
SERVE = ("sluicegate.gateway.service", "sluicegate.settings", "sluicegate.ledger.fleet.valkey")
OF_COMMAND = {"relay": ("sluicegate.relay.service", "sluicegate.settings"), "serve": SERVE}
PR_SET_PDEATHSIG = 1


def weaken(level: str) -> None:
    """Each connection to an SQLite file is at this level once it was asked how durable it is."""
    databases: Any = import_module("sluicegate.database.connecting")
    asked = databases.assert_durable

    def ask_and_weaken(connection: Any, *tables: Any) -> None:
        asked(connection, *tables)
        if connection.dialect.name == "sqlite":
            raw = connection.connection.driver_connection
            raw.execute("COMMIT")  # within a transaction the level cannot be changed
            raw.execute(f"PRAGMA synchronous = {level}")
            raw.execute("BEGIN")

    databases.assert_durable = ask_and_weaken


def main() -> None:
    """Load, and do as told until standard input ends."""
    for name in (*LOADED, *MORE, *OF_COMMAND.get(sys.argv[2], ())):
        import_module(name)
    if level := os.environ.get("UNSAFE"):
        weaken(level)
    gc.collect()
    gc.freeze()
    child = 0
    for line in sys.stdin:
        if line == "start\n":
            child = os.fork()
            if not child:
                run()
                return
            print(child, flush=True)
        else:
            pid, status = os.waitpid(child, 0 if line == "wait\n" else os.WNOHANG)
            print(os.waitstatus_to_exitcode(status) if pid else "-", flush=True)


def run() -> None:
    """In the child."""
    from sluicegate.cli import main as command

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    sys.argv = ["sluicegate", sys.argv[2], "--config", sys.argv[1]]
    command()


if __name__ == "__main__":
    main()
