"""`python -m bench.clients`: a table of what each client does with throttled answers, alone and behind a relay."""

from __future__ import annotations

import argparse
import contextlib
import http.server
import itertools
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sluicegate.duis import compose_request, compose_response, read_header

GOT = "14.4.9"
THROTTLED = 2  # answers, before one is let through
RETRY_AFTER = 2  # seconds
PATIENCE = 60.0
USER, DEVICE = "90-B3-D5-1F-30-01-00-00", "00-DB-12-34-56-78-90-A0"
Client = Callable[[str, Path], int]
"""Posts a file to a URL; the status that it ends with."""


class Gateway(http.server.ThreadingHTTPServer):
    """Throttles the first so many requests, and lets the others through."""

    daemon_threads = True

    def __init__(self, status: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.asked: list[float] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gateway

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(time.monotonic())
        if len(self.server.asked) <= THROTTLED:
            told = b'{"type": "urn:sluicegate:problem:throttled", "status": %d}' % self.server.status
            self._answer(self.server.status, told, "application/problem+json", RETRY_AFTER)
        else:
            header = read_header(body, complete=True)
            assert header is not None
            told = compose_response("I99", header.request_id, srv=header.srv, at=datetime.now(UTC))
            self._answer(200, told, "application/xml", None)

    def _answer(self, status: int, body: bytes, kind: str, retry_after: int | None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("RateLimit-Policy", '"allocation";q=10;w=1')
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def curl(url: str, file: Path, *more: str) -> int:
    """Curl, without options or with some."""
    answer = str(file.with_suffix(".answer"))  # it truncates that before it tries again, which /dev/null does not bear
    words = ["curl", "-s", "-o", answer, "-w", "%{http_code}", "-H", "Content-Type: application/xml", *more]
    done = subprocess.run(
        [*words, "--data-binary", f"@{file}", url], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return int(done.stdout[-3:])


def urllib3(url: str, file: Path, *, post: bool) -> int:
    """urllib3 with its Retry."""
    import urllib3 as library

    retry = library.Retry(
        total=5, backoff_factor=0.5, raise_on_status=False, **({"allowed_methods": None} if post else {})
    )
    with library.PoolManager(retries=retry) as pool:
        return int(
            pool.request("POST", url, body=file.read_bytes(), headers={"Content-Type": "application/xml"}).status
        )


def got(folder: Path, url: str, file: Path, *more: str) -> int:
    """Node's got."""
    words = ["node", str(folder / "got.mjs"), url, str(file), *more]
    return int(subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout)


def clients(folder: Path) -> Iterator[tuple[str, Client | str]]:
    """Each by name, or why it is not there."""
    if shutil.which("curl"):
        yield "curl", curl
        yield "curl --retry 5", lambda url, file: curl(url, file, "--retry", "5")
    else:
        yield "curl", "curl is not installed"
    try:
        import urllib3 as library

        yield f"urllib3 {library.__version__}, Retry(5)", lambda url, file: urllib3(url, file, post=False)
        yield "urllib3, Retry(5, allowed_methods=None)", lambda url, file: urllib3(url, file, post=True)
    except ImportError:
        yield "urllib3", "urllib3 is not installed"
    if shutil.which("node") is None or shutil.which("npm") is None:
        yield "got", "node and npm are not installed"
        return
    words = [
        "npm",
        "install",
        "--silent",
        "--no-audit",
        "--no-fund",
        "--no-package-lock",
        "--prefix",
        str(folder),
        f"got@{GOT}",
    ]
    if subprocess.run(words, capture_output=True, timeout=120, check=False).returncode:
        yield "got", f"npm could not install got {GOT}"
        return
    shutil.copy(Path(__file__).with_name("got.mjs"), folder / "got.mjs")
    yield f"got {GOT}, retry limit 5", lambda url, file: got(folder, url, file)
    yield "got, with methods: ['POST']", lambda url, file: got(folder, url, file, "post")


@dataclass(frozen=True)
class Told:
    """What a client did: the status it ended with, how often it asked, and the seconds between."""

    status: int
    asked: int
    waits: tuple[float, ...]

    def __str__(self) -> str:
        waits = ", ".join(f"{wait:.1f} s" for wait in self.waits)
        return f"{self.status}" + (f" at attempt {self.asked} (after {waits})" if self.waits else ", one attempt")


def alone(client: Client, status: int, file: Path) -> Told:
    """The client against a gateway that throttles."""
    with serving(Gateway(status)) as gateway:
        got = client(f"{gateway.url}/api/v1/serviceS", file)
        asked = gateway.asked
        return Told(got, len(asked), tuple(b - a for a, b in itertools.pairwise(asked)))


def behind(client: Client, status: int, file: Path, folder: Path) -> tuple[int, float]:
    """The same with a relay between: the status, and the seconds that the client waited."""
    with serving(Gateway(status)) as gateway, relay(gateway.url, folder) as url:
        begun = time.monotonic()
        return client(f"{url}/api/v1/serviceS", file), time.monotonic() - begun


@contextlib.contextmanager
def serving(gateway: Gateway) -> Iterator[Gateway]:
    """In a thread."""
    thread = threading.Thread(target=gateway.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield gateway
    finally:
        gateway.shutdown()
        gateway.server_close()
        thread.join()


@contextlib.contextmanager
def relay(gateway: str, folder: Path) -> Iterator[str]:
    """A relay with an empty store."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        ports = [free_port(), free_port()]
        config = Path(place) / "relay.toml"
        config.write_text(
            f'[relay]\nuser = "Large Supplier A"\ngateway = "{gateway}"\nlisten = "127.0.0.1:{ports[0]}"\n'
            f'admin = "127.0.0.1:{ports[1]}"\nstore = "{place}/relay.db"\n'
        )
        words = [sys.executable, "-m", "sluicegate", "relay", "--config", str(config)]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 20
            while socket.socket().connect_ex(("127.0.0.1", ports[0])) and time.monotonic() < until:
                time.sleep(0.02)
            yield f"http://127.0.0.1:{ports[0]}"
        finally:
            process.terminate()
            process.wait(20)


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def main(words: list[str]) -> int:
    """Print the table as Markdown. Exit code 1 where a client saw a throttled answer through the relay."""
    argparse.ArgumentParser(prog="bench.clients", description=__doc__).parse_args(words)
    print(f"Measured on {datetime.now(UTC):%Y-%m-%d} with `make real-clients`: {THROTTLED} answers are throttled,")
    print(f"with `Retry-After: {RETRY_AFTER}`, the next one is an acknowledgement.\n")
    print("| client, a POST | 429 | 503 | with a relay before it, 429 | 503 |\n|---|---|---|---|---|")
    seen = False
    with tempfile.TemporaryDirectory(prefix="sluicegate-clients-") as place:
        folder = Path(place)
        file = folder / "message.xml"
        for number, (name, client) in enumerate(clients(folder)):
            if isinstance(client, str):
                print(f"| {name} | {client} | | | |")
                continue
            file.write_bytes(compose_request(USER, DEVICE, number, "2.2"))
            told = [str(alone(client, status, file)) for status in (429, 503)]
            relayed = [behind(client, status, file, folder) for status in (429, 503)]
            seen = seen or any(status != 200 for status, _ in relayed)
            told += [f"{status}, one attempt, {seconds:.1f} s" for status, seconds in relayed]
            print(f"| {name} | {' | '.join(told)} |", flush=True)
    return 1 if seen else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
