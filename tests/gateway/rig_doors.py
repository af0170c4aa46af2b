"""Other people's front doors that ask us: the real Envoy and the real NGINX, configured as `deploy/` ships them."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from bench.shipped import AUTHORISATION, RATE_LIMIT, shipped
from rig_material import wait_for
from rig_process import free_port

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ENVOY = Path(sys.executable).parent / "envoy"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
SHIPPED = {"ext_authz": AUTHORISATION, "rls": RATE_LIMIT}
START = 60.0  # seconds: the machine may be busy
TOO_LATE = "60s"
"""How long a door waits for a decision in place of the second that is shipped: the machine's affair, and no rule."""


class Door:
    """One process that listens on `port`."""

    def __init__(self, command: list[str], port: int, log: Path) -> None:
        self.port = port
        self._log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        try:
            wait_for(self._listens, "the door does not listen", START)
        except BaseException:
            self.stop()
            raise

    def _listens(self) -> bool:
        assert self.process.poll() is None, self._log.read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(START)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def envoy(
    kind: str,
    folder: Path,
    *,
    dsp: int,
    asked: int,
    tls: Mapping[str, Path] | None = None,
    change: Callable[[dict[str, Any], dict[str, Any]], None] | None = None,
) -> Door:
    """Envoy by a file of deploy/envoy with this machine's addresses and certificates; `change` gets its connection
    manager and the filter that asks. Without `tls` it takes plain HTTP, so that a test can write any octets."""
    port = free_port()
    told, manager = shipped(SHIPPED[kind], port=port, dsp=dsp, asked=asked, tls=tls)
    asking = manager["http_filters"][-2]["typed_config"]
    if kind == "ext_authz":
        asking["http_service"]["server_uri"]["timeout"] = TOO_LATE
    else:
        asking["timeout"] = TOO_LATE
    for cluster in told["static_resources"]["clusters"]:
        cluster["connect_timeout"] = TOO_LATE
    if change is not None:
        change(manager, asking)
    path = folder / f"envoy-{port}.yaml"
    path.write_text(yaml.safe_dump(told))
    command = [str(ENVOY), "-c", str(path), "--log-level", "error", "--use-dynamic-base-id", "--concurrency", "1"]
    return Door(command, port, folder / f"envoy-{port}.log")


def nginx(folder: Path, *, dsp: int, asked: int, tls: Mapping[str, Path]) -> Door:
    """NGINX by deploy/nginx/auth-request.conf."""
    port = free_port()
    text = (DEPLOY / "nginx" / "auth-request.conf").read_text()
    for theirs, here in (
        ("listen 8443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("127.0.0.1:8092", f"127.0.0.1:{asked}"),
        ("127.0.0.1:8080", f"127.0.0.1:{dsp}"),
        ("proxy_connect_timeout 500ms", f"proxy_connect_timeout {TOO_LATE}"),
        ("proxy_read_timeout 1s", f"proxy_read_timeout {TOO_LATE}"),
        ("/etc/nginx/tls/server.pem", str(tls["pem"])),
        ("/etc/nginx/tls/server.key", str(tls["key"])),
        ("/etc/nginx/tls/client-ca.pem", str(tls["ca"])),
    ):
        assert theirs in text
        text = text.replace(theirs, here)
    work = folder / f"nginx-{port}"
    work.mkdir()
    (work / "site.conf").write_text(text)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"{kind}_temp_path {work}/{kind};" for kind in kinds)
    head = f"daemon off; worker_processes 1; pid {work}/pid; error_log stderr; events {{}}\n"
    (work / "nginx.conf").write_text(f"{head}http {{ access_log off; {temporary}\ninclude {work}/site.conf; }}")
    return Door([NGINX, "-c", str(work / "nginx.conf"), "-e", "stderr"], port, work / "out")
