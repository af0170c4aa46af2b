"""A channel that is a webhook. Its address is the operator's to write; a redirect is not followed, and is a failure."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

from sluicegate.http.call import CallFailed
from sluicegate.http.post import Caller
from sluicegate.operations.notices.cloud_event import body_of, fields_of
from sluicegate.operations.notices.notice import Notice
from sluicegate.operations.notices.ways import NotDelivered
from sluicegate.settings import Upstream

MOST_ANSWER: Final = 65_536  # octets: nobody reads it
GONE: Final = 410


@dataclass(frozen=True, slots=True)
class _Waits:
    upstream_connect: float
    upstream_idle: float = 1.0


class Webhook:
    """One address. Each attempt has a connection of its own: notices are rare.

    Args:
        address: where to, with its path.
        key: what is signed with.
        source: who tells.
        timeout: seconds for an attempt.
        tls: for https.
    """

    def __init__(
        self, address: Upstream, key: bytes, source: str, timeout: float, tls: ssl.SSLContext | None
    ) -> None:  # fmt: skip
        self._address = replace(address, prefix="")
        self._path = address.prefix or "/"
        self._key = key
        self._source = quote(source)  # a URI-reference
        self._timeout = timeout
        self._tls = tls

    async def deliver(self, notice: Notice, at: float) -> None:
        """One attempt. Raises NotDelivered for every answer but a 2xx; a 410 is for good."""
        body = body_of(notice, self._source)
        loop = asyncio.get_running_loop()
        caller = Caller(loop, self._address, _Waits(self._timeout), self._tls, most_body=MOST_ANSWER)
        try:
            answer = await caller.post(self._path, body, fields_of(notice, body, self._key, at), self._timeout)
        except CallFailed as error:
            raise NotDelivered(str(error).removeprefix(f"{self._address}: ")) from None  # which channel, is known
        finally:
            caller.cut()
        if not 200 <= answer.status < 300:
            more = ", a redirect, which is not followed" if 300 <= answer.status < 400 else ""
            raise NotDelivered(f"it answered {answer.status}{more}", for_good=answer.status == GONE)
