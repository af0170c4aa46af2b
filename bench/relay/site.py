"""What is measured: the gateway alone, a relay before its upstream, a relay before the gateway; plain and over TLS."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.peers import CASES, Case, Site, sluicegate_settings
from bench.processes import Server, free_port

PLAIN, DEPLOYED = CASES[0], CASES[2]
"""Both forwarding: plain HTTP; and as deployed, where the gateway asks for the certificate that the relay has."""
UPSTREAM, GATEWAY, RELAY, BOTH = "stand-in alone", "gateway", "relay", "relay, then gateway"
OWN_CERTIFICATE = 0
"""Which of the Users' certificates the relay has."""
KINDS = (UPSTREAM, GATEWAY, RELAY, BOTH)


@dataclass(frozen=True)
class Asked:
    """Who is asked: its port, whether over TLS, and its processes."""

    port: int
    tls: bool
    servers: tuple[Server, ...]

    def cpu_seconds(self) -> float:
        """Of all its processes."""
        return sum(server.cpu_seconds() for server in self.servers)


def relay_settings(site: Site, folder: Path, port: int, gateway: str, *, tls: bool, more: str = "") -> Path:
    """Write a relay's configuration, with an empty store beside it."""
    files = site.certificates
    text = f"""[relay]
user = "Benchmark"
gateway = "{gateway}"
listen = "127.0.0.1:{port}"
admin = "127.0.0.1:{free_port()}"
store = "{folder}/relay.db"
connections = 64
{more}
"""
    if tls:
        text += f"""[relay.gateway_tls]
ca = "{files.ca}"
certificate = "{files.clients[OWN_CERTIFICATE]}"
key = "{files.clients[OWN_CERTIFICATE]}"
"""
    path = folder / "relay.toml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def relay_server(site: Site, folder: Path, port: int, gateway: str, *, tls: bool = False, more: str = "") -> Server:
    """A relay, not started yet."""
    path = relay_settings(site, folder, port, gateway, tls=tls, more=more)
    return Server("relay", [*site.gateway, "relay", "--config", str(path)], port, folder / "relay.out")


def gateway_server(site: Site, case: Case, port: int) -> Server:
    """The gateway, not started yet."""
    path = sluicegate_settings(site, case, port, free_port())
    return Server("gateway", [*site.gateway, "serve", "--config", str(path)], port, site.work / "gateway.out")


@contextlib.contextmanager
def asked(site: Site, case: Case, kind: str, folder: Path) -> Iterator[Asked]:
    """Start what a kind needs, for as long as the context lasts."""
    if kind == UPSTREAM:
        yield Asked(site.upstream, tls=False, servers=())
        return
    with contextlib.ExitStack() as stack:
        servers: list[Server] = []
        to, tls = f"http://127.0.0.1:{site.upstream}", False
        port = site.upstream
        if kind in (GATEWAY, BOTH):
            port, tls = free_port(), case.tls
            servers.append(stack.enter_context(gateway_server(site, case, port)))
            to = f"http{'s' if tls else ''}://127.0.0.1:{port}"
        if kind in (RELAY, BOTH):
            port = free_port()
            servers.append(stack.enter_context(relay_server(site, folder, port, to, tls=tls)))
            tls = False  # its senders are the User's own systems
        yield Asked(port, tls, tuple(servers))
