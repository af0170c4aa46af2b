"""Whom the client trusts, and who it says it is."""

from __future__ import annotations

import ssl

import httpx

Verify = bool | str | ssl.SSLContext


def tls_context(verify: Verify, certificate: tuple[str, str] | None) -> ssl.SSLContext:
    """What httpx is given: it does not want the files themselves any more.

    Args:
        verify: True: the authorities that httpx brings; False: nobody is asked; a file of authorities; or a context,
            into which the certificate is loaded.
        certificate: the User's certificate and its key, as files (PEM).
    """
    if isinstance(verify, str):
        context = ssl.create_default_context(cafile=verify)
    elif isinstance(verify, ssl.SSLContext):
        context = verify
    else:
        context = httpx.create_ssl_context(verify=verify, trust_env=False)
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return context
