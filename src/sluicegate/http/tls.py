"""TLS on the way out, and what both ways need."""

from __future__ import annotations

import ssl
from pathlib import Path


def no_password() -> bytes:
    """For `load_cert_chain`: without it, OpenSSL asks at the terminal for what protects a key, and waits."""
    return b""


def client_context(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """TLS 1.2 and later towards a server whose certificate is checked, and to whom one's own is shown if there is one.

    Args:
        ca: the server's authorities; the system's where it is None.
        certificate, key: in PEM form, the key without a password.

    Raises:
        OSError: a file cannot be read, or is not what it should be.
    """
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate:
        context.load_cert_chain(str(certificate), str(key) if key else None, password=no_password)
    return context
