"""An upstream that does what it is told, and keeps what it hears octet by octet."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

from rig_material import PATIENCE


@dataclass
class Heard:
    """One request, as the upstream received it."""

    line: str
    fields: list[tuple[str, str]]
    head: bytes
    body: bytes
    raw: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower() == name.lower()]


class Line:
    """One connection at the upstream, for its script."""

    def __init__(self, upstream: ScriptedUpstream, sock: socket.socket, number: int) -> None:
        self.upstream = upstream
        self.sock = sock
        self.number = number
        self._buffer = b""
        self.sock.settimeout(PATIENCE * 2)

    def more(self) -> bool:
        octets = self.sock.recv(65536)
        self._buffer += octets
        return bool(octets)

    def head(self) -> Heard | None:
        """The next request's head; None where the connection has ended."""
        while b"\r\n\r\n" not in self._buffer:
            if not self.more():
                return None
        raw, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = raw.decode("latin-1").split("\r\n")
        fields = [(line.split(":", 1)[0], line.split(":", 1)[1].strip()) for line in lines]
        heard = Heard(first, fields, raw, b"", raw + b"\r\n\r\n")
        self.upstream.heads.append(heard)
        return heard

    def body(self, heard: Heard) -> None:
        if heard.all("Transfer-Encoding"):
            parts = []
            while True:
                size_line = self._until(b"\r\n")
                size = int(size_line, 16)
                parts.append(self._exactly(size))
                end = self._exactly(2)
                heard.raw += size_line + b"\r\n" + parts[-1] + end
                if not size:
                    break
            heard.body = b"".join(parts)
        else:
            heard.body = self._exactly(int((heard.all("Content-Length") or ["0"])[0]))
            heard.raw += heard.body

    def request(self) -> Heard | None:
        """The next whole request; None where the connection has ended."""
        heard = self.head()
        if heard is not None:
            self.body(heard)
            self.upstream.requests.append(heard)
        return heard

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            if not self.more():
                raise EOFError
        found, _, self._buffer = self._buffer.partition(end)
        return found

    def _exactly(self, octets: int) -> bytes:
        parts = [self._buffer[:octets]]
        self._buffer = self._buffer[octets:]
        left = octets - len(parts[0])
        while left:
            part = self.sock.recv(min(left, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def send(self, octets: bytes) -> None:
        self.sock.sendall(octets)

    def answer(self, body: bytes = b"done", status: str = "200 OK", *fields: str) -> None:
        head = [f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "", ""]
        self.send("\r\n".join(head).encode("latin-1") + body)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        self.sock.close()

    def gone(self) -> bool:
        """Wait until the gateway ends the connection."""
        try:
            while self.sock.recv(65536):
                pass
        except OSError:
            pass
        return True


Script = Callable[[Line], None]


def obliging(line: Line) -> None:
    """Answers every request with 200."""
    while line.request() is not None:
        line.answer(b"<ok/>", "200 OK", "Content-Type: application/xml")


class ScriptedUpstream:
    """Listens on a port of its own. Each connection runs `script` in a thread; what it hears is kept.

    Attributes:
        requests: whole requests, in the order of their ends.
        heads: heads of requests, in the order of their arrival.
        lines: connections so far.
    """

    def __init__(self, script: Script = obliging) -> None:
        self.script = script
        self.requests: list[Heard] = []
        self.heads: list[Heard] = []
        self.lines: list[Line] = []
        self.errors: list[BaseException] = []
        self.released = threading.Event()  # for scripts that wait for the test's word
        self._threads: list[threading.Thread] = []
        self._accepting: list[threading.Thread] = []
        self._listening = socket.socket()
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listening.bind(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._open = False
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        if not self._open:
            self._listening.listen(512)
            self._open = True
            self._accepting.append(threading.Thread(target=self._accept, args=(self._listening,), daemon=True))
            self._accepting[-1].start()

    def stop(self) -> None:
        """Refuse connections from now on; the port stays ours for `restart`. Lines that are open stay open."""
        if self._open:
            self._open = False
            with contextlib.suppress(OSError):
                self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
            self._listening = socket.socket()
            self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listening.bind(("127.0.0.1", self.port))

    def close(self) -> None:
        self.released.set()
        self.stop()
        self._listening.close()
        for accepting in self._accepting:  # first: while it lives, there may come another line
            accepting.join(PATIENCE)
        for line in self.lines:
            with contextlib.suppress(OSError):
                line.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        for line in self.lines:
            line.sock.close()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                sock, _ = listening.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line = Line(self, sock, len(self.lines))
            self.lines.append(line)
            thread = threading.Thread(target=self._run, args=(line,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _run(self, line: Line) -> None:
        try:
            self.script(line)
        except (OSError, EOFError):
            pass
        except Exception as error:
            self.errors.append(error)
        finally:
            with contextlib.suppress(OSError):
                line.sock.close()
