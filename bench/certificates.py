"""Certificates of one run: an authority, the servers' own, and one for each service provider that sends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme

from bench.messages import GROUPS


@dataclass(frozen=True)
class Certificates:
    """Files of a run's certificates, in PEM. `server` and each of `clients` hold the key too."""

    ca: Path
    server: Path
    server_chain: Path
    server_key: Path
    clients: tuple[Path, ...]
    names: tuple[str, ...]


def common_name(group: int) -> str:
    """The common name of the service provider of a group."""
    return f"service-provider-{group}"


def issue(folder: Path) -> Certificates:
    """Issue them into `folder` (ECDSA P-256)."""
    authority = trustme.CA()
    ca, server = folder / "ca.pem", folder / "server.pem"
    chain, key = folder / "server-chain.pem", folder / "server-key.pem"
    authority.cert_pem.write_to_path(str(ca))
    own = authority.issue_cert("127.0.0.1")
    own.private_key_and_cert_chain_pem.write_to_path(str(server))
    own.private_key_pem.write_to_path(str(key))
    chain.write_bytes(b"".join(part.bytes() for part in own.cert_chain_pems))
    clients, names = [], []
    for group in range(GROUPS):
        name = common_name(group)
        issued = authority.issue_cert(
            f"{name}.example", common_name=name, organization_name="Benchmark", organization_unit_name="07"
        )
        path = folder / f"client-{group}.pem"
        issued.private_key_and_cert_chain_pem.write_to_path(str(path))
        clients.append(path)
        names.append(name)
    for path in (server, key, *clients):
        path.chmod(0o600)
    return Certificates(ca, server, chain, key, tuple(clients), tuple(names))
