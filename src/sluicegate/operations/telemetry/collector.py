"""The collector: one message there, and what it says of it. No redirects, no proxies, an answer of bounded length."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sluicegate.http.call import CallFailed
from sluicegate.http.post import Caller
from sluicegate.http.tls import client_context
from sluicegate.operations.telemetry.encoding import rejected
from sluicegate.settings.telemetry import Telemetry

AGAIN: Final = frozenset((429, 502, 503, 504))
"""Answers after which the same may be sent again (OTLP, "Retryable Response Codes")."""
MOST_ANSWER: Final = 65_536  # octets
LONGEST_WAIT: Final = 60.0  # seconds that a collector's Retry-After may ask for


class NotTaken(Exception):  # noqa: N818 - named after what has happened
    """The collector has not taken it, as far as is known. `str()` is fit for a log.

    Attributes:
        again: whether to send it again may help.
        after: seconds until then, where the collector says so; 0 otherwise.
    """

    def __init__(self, why: str, *, again: bool, after: float = 0.0) -> None:
        super().__init__(why)
        self.again = again
        self.after = after


@dataclass(frozen=True, slots=True)
class _Waits:
    upstream_connect: float
    upstream_idle: float = 15.0


class Collector:
    """One address, with the headers that it wants."""

    def __init__(self, caller: Caller, fields: Mapping[str, str], timeout: float) -> None:
        self._caller = caller
        self._fields = {"Content-Type": "application/x-protobuf", "User-Agent": "sluicegate", **fields}
        self._timeout = timeout

    async def take(self, path: str, message: bytes) -> tuple[int, str]:
        """Send a message to `/v1/traces` or `/v1/metrics`; how much of it was rejected, and why. Raises NotTaken."""
        try:
            answer = await self._caller.post(path, message, self._fields, self._timeout)
        except CallFailed as error:
            raise NotTaken(str(error), again=True) from None
        except ValueError:  # of a header: nothing of it may be repeated
            raise NotTaken("a header cannot be sent: it holds what no header may", again=False) from None
        if answer.status in AGAIN:
            after = _seconds(answer.fields.get(b"retry-after", b""))
            raise NotTaken(f"it answered {answer.status}", again=True, after=after)
        if not 200 <= answer.status < 300:
            more = ", a redirect, which is not followed" if 300 <= answer.status < 400 else ""
            raise NotTaken(f"it answered {answer.status}{more}", again=False)
        return rejected(path, answer.body)

    def cut(self) -> None:
        """End all connections at once."""
        self._caller.cut()


async def open_collector(settings: Telemetry) -> Collector:
    """Read its secrets and certificates, beside the event loop.

    Raises:
        SecretMissing: a header is not where it should be.
        OSError: a TLS file cannot be used.
    """
    tls, fields = await asyncio.to_thread(_read, settings)
    loop = asyncio.get_running_loop()
    caller = Caller(loop, settings.endpoint, _Waits(settings.timeout), tls, most_body=MOST_ANSWER)
    return Collector(caller, fields, settings.timeout)


def _read(settings: Telemetry) -> tuple[ssl.SSLContext | None, dict[str, str]]:
    fields = {name: secret.read().get_secret_value() for name, secret in settings.headers.items()}
    tls = settings.tls
    if settings.endpoint.scheme != "https":
        return None, fields
    return (client_context(tls.ca, tls.certificate, tls.key) if tls else client_context(None, None, None)), fields


def _seconds(field: bytes) -> float:
    """Of a Retry-After in seconds; a date counts as none."""
    return min(float(field), LONGEST_WAIT) if field.isdigit() and len(field) < 10 else 0.0
