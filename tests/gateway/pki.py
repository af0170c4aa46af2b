"""A PKI for tests, and connections that use it. Keys are P-256, so that making one costs nothing."""

from __future__ import annotations

import base64
import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from rig import LARGE, PATIENCE, SMALL, Client, request

Subject = str | x509.Name

LARGE_SUBJECT, SMALL_SUBJECT = "CN=large,O=Example", "CN=small,O=Example"
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3

# --- certificates


@dataclass
class Credential:
    """A certificate and its key, in memory and as files."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    pem: Path
    key_pem: Path

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def fingerprint(self) -> str:
        return "sha256:" + self.certificate.fingerprint(hashes.SHA256()).hex()

    @property
    def field(self) -> str:
        """As RFC 9440 writes it."""
        return f":{base64.b64encode(self.der).decode()}:"


class Authority:
    """Issues certificates into a folder."""

    def __init__(self, folder: Path, name: str = "CN=Test Authority,O=Example") -> None:
        self.folder = folder
        self._count = 0
        self.name = _name(name)
        self.key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        self.certificate = (
            _builder(self.name, self.name, self.key, now - timedelta(days=2), now + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(authority=True), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.pem = _written(folder / f"authority-{id(self)}.pem", self.certificate)

    def issue(
        self,
        subject: Subject,
        *,
        usages: Sequence[x509.ObjectIdentifier] = (Usage.CLIENT_AUTH,),
        hosts: Sequence[str] = (),
        days: tuple[float, float] = (-1, 7),
        self_signed: bool = False,
    ) -> Credential:
        """A certificate: for a client, valid since yesterday, unless said otherwise."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(subject)
        now = datetime.now(UTC)
        made = _builder(
            name, name if self_signed else self.name, key, now + timedelta(days[0]), now + timedelta(days[1])
        )
        made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        made = made.add_extension(_usage(authority=False), critical=True)
        made = made.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if hosts:
            made = made.add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
        certificate = made.sign(key if self_signed else self.key, hashes.SHA256())
        self._count += 1
        stem = f"{id(self)}-{self._count}"
        key_pem = self.folder / f"{stem}.key"
        key_pem.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        key_pem.chmod(0o600)
        return Credential(certificate, key, _written(self.folder / f"{stem}.pem", certificate), key_pem)

    def server(self, *hosts: str) -> Credential:
        return self.issue("CN=a server", usages=(Usage.SERVER_AUTH,), hosts=hosts or ("127.0.0.1", "localhost"))

    def revoked(self, *credentials: Credential, days: tuple[float, float] = (-1, 7)) -> bytes:
        """A list of revoked certificates, in PEM form."""
        now = datetime.now(UTC)
        made = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        made = made.last_update(now + timedelta(days[0])).next_update(now + timedelta(days[1]))
        for credential in credentials:
            entry = x509.RevokedCertificateBuilder().serial_number(credential.certificate.serial_number)
            made = made.add_revoked_certificate(entry.revocation_date(now - timedelta(hours=1)).build())
        return made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _name(subject: Subject) -> x509.Name:
    return x509.Name.from_rfc4514_string(subject) if isinstance(subject, str) else subject


def _host(host: str) -> x509.GeneralName:
    with suppress(ValueError):
        return x509.IPAddress(ip_address(host))
    return x509.DNSName(host)


def _builder(
    name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, since: datetime, until: datetime
) -> x509.CertificateBuilder:
    made = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
    return made.serial_number(x509.random_serial_number()).not_valid_before(since).not_valid_after(until)


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False)


def _written(path: Path, certificate: x509.Certificate) -> Path:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return path


# --- the gateway, and who connects to it


def users(
    large: Sequence[str] = (LARGE_SUBJECT,), small: Sequence[str] = (SMALL_SUBJECT,)
) -> tuple[Mapping[str, Any], ...]:
    """Two Users, with their certificates as the configuration names them."""
    return (
        {"name": "Large", "ids": [LARGE], "role": "IS", "allocation": 300, "certificates": list(large)},
        {"name": "Small", "ids": [SMALL], "role": "ES", "allocation": 50, "certificates": list(small)},
    )


def own_tls(server: Credential, clients: Authority, **more: Any) -> dict[str, Any]:
    """Tables of a gateway that ends TLS itself and asks for certificates of that authority."""
    pair = {"certificate": server.pem, "key": server.key_pem, "client_ca": clients.pem}
    return {"gateway": {"identity": "certificate"}, "gateway__tls": {**pair, **more}}


def client_context(
    servers: Authority, credential: Credential | None = None, version: ssl.TLSVersion | None = None
) -> ssl.SSLContext:
    """What a client trusts and shows."""
    context = ssl.create_default_context(cafile=str(servers.pem))
    if credential is not None:
        context.load_cert_chain(credential.pem, credential.key_pem)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def dial(port: int, source: str = "127.0.0.1") -> socket.socket:
    """A plain connection, from any loopback address."""
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def over_tls(
    port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None, source: str = "127.0.0.1"
) -> Client:
    """A connection over TLS; in TLS 1.3 the client takes it for made before its certificate was looked at."""
    sock = dial(port, source)
    try:
        return Client(port, context.wrap_socket(sock, server_hostname="127.0.0.1", session=session))
    except BaseException:
        sock.close()
        raise


def turned_away(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> str:
    """Ask over TLS; returns why there was no answer. In TLS 1.3 a client learns that only when it reads."""
    try:
        with over_tls(port, context, session) as client:
            client.send(request())
            octets = client.sock.recv(65536)
    except OSError as error:  # ssl.SSLError is one
        return f"{type(error).__name__}: {error}"
    assert not octets, octets
    return "the connection was ended"


def descriptors() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))
