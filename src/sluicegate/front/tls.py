"""What TLS at the front door asks of both sides, from files."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

from cryptography import x509

from sluicegate.http.tls import no_password

Revoked = frozenset[tuple[x509.Name, int]]
"""Issuer and serial number of each certificate that was revoked."""

_LIST = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----\s*", re.DOTALL)


def server_context(certificate: str, key: str, client_ca: str | None, client_crl: str | None) -> ssl.SSLContext:
    """TLS 1.2 and later, with mandatory client certificates where there is a `client_ca`.

    Raises:
        OSError: a file cannot be read, or is not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key, password=no_password)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
        if client_crl is not None:
            context.load_verify_locations(client_crl)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context


def revoked_certificates(path: str) -> Revoked:
    """All that the lists in a PEM file name.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not what it should be.
    """
    lists = map(x509.load_pem_x509_crl, _LIST.findall(Path(path).read_bytes()))
    return frozenset((one.issuer, entry.serial_number) for one in lists for entry in one)
