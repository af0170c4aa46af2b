"""A sender that writes any octets, and reads answers as their fields frame them."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
from dataclasses import dataclass, field
from typing import Any

from rig_material import PATIENCE, request


@dataclass
class Answer:
    """One answer, as it came."""

    status: int
    reason: str
    fields: list[tuple[str, str]]
    body: bytes
    interim: list[int] = field(default_factory=list)
    whole: bool = True

    def get(self, name: str) -> str | None:
        """The only value of a field; None where it is not there."""
        found = [value for key, value in self.fields if key.lower() == name.lower()]
        assert len(found) <= 1, found
        return found[0] if found else None

    @property
    def problem(self) -> dict[str, Any]:
        """The problem details in it."""
        assert self.get("Content-Type") == "application/problem+json", self
        told: dict[str, Any] = json.loads(self.body)
        return told

    @property
    def kind(self) -> str:
        """The last word of the problem type; empty where it is no answer of the gateway's own."""
        if self.get("Content-Type") != "application/problem+json":
            return ""
        return str(self.problem["type"]).removeprefix("urn:sluicegate:problem:")


class Client:
    """A raw connection."""

    def __init__(self, port: int, sock: socket.socket | None = None, receive_buffer: int = 0) -> None:
        if sock is None:
            sock = socket.socket()
            if receive_buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            sock.settimeout(PATIENCE)
            sock.connect(("127.0.0.1", port))
        sock.settimeout(PATIENCE)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self._buffer = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, octets: bytes) -> Client:
        self.sock.sendall(octets)
        return self

    def end_sending(self) -> Client:
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _more(self) -> bool:
        octets = self.sock.recv(65536)
        self._buffer += octets
        return bool(octets)

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            assert self._more(), f"the connection ended after {self._buffer!r}"
        found, _, self._buffer = self._buffer.partition(end)
        return found

    def _exactly(self, octets: int) -> bytes:
        while len(self._buffer) < octets:
            if not self._more():
                raise EOFError
        found, self._buffer = self._buffer[:octets], self._buffer[octets:]
        return found

    def answer(self, head_only: bool = False) -> Answer:
        """The next answer, framed as its fields say. One that is cut off has `whole` False."""
        interim: list[int] = []
        while True:
            first, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
            version, status, reason = first.split(" ", 2)
            assert version == "HTTP/1.1"
            if not 100 <= int(status) < 200:
                break
            interim.append(int(status))
        fields = [(line.split(":", 1)[0], line.split(":", 1)[1].strip()) for line in lines]
        made = Answer(int(status), reason, fields, b"", interim)
        if head_only:
            return made
        try:
            if made.get("Transfer-Encoding") == "chunked":
                self._chunks(made)
            elif made.get("Content-Length") is not None:
                made.body = self._exactly(int(made.get("Content-Length") or 0))
            elif made.status not in (204, 304):
                while self._more():
                    pass
                made.body, self._buffer = self._buffer, b""
        except (EOFError, ConnectionError):
            made.whole = False
            made.body, self._buffer = made.body + self._buffer, b""
        return made

    def _chunks(self, made: Answer) -> None:
        while True:
            try:
                size = int(self._until(b"\r\n"), 16)
            except AssertionError:
                raise EOFError from None
            if not size:
                made.whole = self._until(b"\r\n") == b""
                return
            made.body += self._exactly(size)
            assert self._exactly(2) == b"\r\n"

    def ended(self) -> bytes:
        """Everything until the other side ends the connection."""
        with contextlib.suppress(ConnectionError):
            while self._more():
                pass
        found, self._buffer = self._buffer, b""
        return found

    def ended_already(self) -> bool:
        """Whether the other side has ended the connection."""
        try:
            return bool(select.select([self.sock], [], [], 0)[0]) and self.sock.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True

    def silent(self, seconds: float = 0.15) -> bool:
        """Whether nothing comes for that long."""
        return not self._buffer and not select.select([self.sock], [], [], seconds)[0]


def ask(port: int, octets: bytes | None = None) -> Answer:
    """Send a request on a fresh connection; its answer."""
    with Client(port) as client:
        return client.send(request() if octets is None else octets).answer()


def fetch(port: int, path: str) -> Answer:
    """GET from the admin listener."""
    with Client(port) as client:
        return client.send(f"GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n".encode()).answer()
