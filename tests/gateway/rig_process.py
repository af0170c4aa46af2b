"""The real `sluicegate serve`, as a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from bench.processes import free_port
from rig_client import fetch
from rig_material import PATIENCE, wait_for


class Process:
    """The real `sluicegate serve`.

    Attributes:
        port, admin_port: where it listens.
        log: its standard error so far, line by line.
    """

    def __init__(self, config: Path, text: str, stderr: Any = None, ready: bool = True) -> None:
        self.config = config
        self.port, self.admin_port = free_port(), free_port()
        self.write(text)
        self.log: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from sluicegate.cli import main; main()", "serve", "--config", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if stderr is None else stderr,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        if self.process.stderr is not None:
            self._reader = threading.Thread(target=self._read, daemon=True)
            self._reader.start()
        if ready:
            wait_for(self.ready, "the gateway does not listen")

    def ready(self) -> bool:
        assert self.process.poll() is None, "\n".join(self.log)
        try:
            with socket.create_connection(("127.0.0.1", self.admin_port), 1):
                return True
        except OSError:
            return False

    def write(self, text: str) -> None:
        """Write its configuration: listens on its two ports."""
        text = text.replace('listen = "127.0.0.1:0"', f'listen = "127.0.0.1:{self.port}"', 1)
        if "[admin]" not in text:
            text += f'[admin]\nlisten = "127.0.0.1:{self.admin_port}"\n'
        self.config.write_text(text)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line.decode())

    def events(self, event: str) -> list[dict[str, Any]]:
        """The log's lines about an event."""
        return [line for line in map(_json, self.log) if line.get("event") == event]

    def kill(self, number: int) -> None:
        self.process.send_signal(number)

    def status(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(fetch(self.admin_port, "/api/v1/status").body)
        return told

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal, wait; the exit code."""
        if self.process.poll() is None:
            self.kill(number)
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the process did not stop") from None
        if self.process.stderr is not None:
            self._reader.join(PATIENCE)
            self.process.stderr.close()
        return code


def _json(line: str) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
