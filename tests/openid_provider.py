"""A provider of OpenID Connect that others wrote (`oidc-provider-mock`), as a process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

import httpx
from bench.processes import free_port

PATIENCE = 60.0


@contextmanager
def provider(people: tuple[Mapping[str, Any], ...]) -> Iterator[str]:
    """Its issuer, while it runs. `people`: the claims of those who may sign in, `sub` among them."""
    port = free_port()
    claims = [word for one in people for word in ("--user-claims", json.dumps(one))]
    process = subprocess.Popen(
        [sys.executable, "-m", "oidc_provider_mock", "-p", str(port), "-n", "true", "-e", "3600", *claims],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        _await(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    until = monotonic() + PATIENCE
    while True:
        try:
            httpx.get(f"{url}/.well-known/openid-configuration").raise_for_status()
        except httpx.HTTPError:
            assert process.poll() is None, "the provider has ended"
            assert monotonic() < until, "the provider does not answer"
            sleep(0.05)
        else:
            return
