"""A notice as a CloudEvent 1.0 over HTTP (structured mode), signed as Standard Webhooks sign.

Signed is `id.timestamp.body` with HMAC-SHA256. The timestamp is that of the attempt: who takes it refuses what is older
than some minutes, so that what was listened to cannot be sent again later; and knows by the id what it has had.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from sluicegate.operations.notices.notice import Notice
from sluicegate.operations.notices.wording import type_of

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
SHORTEST_KEY: Final = 24  # octets

_PREFIX: Final = "whsec_"


def key_of(secret: str) -> bytes:
    """What is signed with: base64 behind `whsec_`, or the text itself. Raises ValueError, without repeating it."""
    if secret.startswith(_PREFIX):
        try:
            key = b64decode(secret.removeprefix(_PREFIX), validate=True)
        except Error:
            raise ValueError(f"the secret begins with {_PREFIX}, and what follows is not base64") from None
    else:
        key = secret.encode()
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"the secret has {len(key)} octets: it needs {SHORTEST_KEY} or more")
    return key


def body_of(notice: Notice, source: str) -> bytes:
    """The event: the same octets at every attempt."""
    told = notice.told
    event = {
        "specversion": "1.0",
        "id": notice.id,
        "source": source,
        "type": type_of(notice.kind),
        "subject": notice.user,
        "time": datetime.fromtimestamp(notice.made_at / 1e6, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {"title": told["title"], "text": told["text"], **told["data"]},
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def fields_of(notice: Notice, body: bytes, key: bytes, at: float) -> Mapping[str, str]:
    """The fields that go with it. `at`: seconds since 1970 UTC, of this attempt."""
    timestamp = str(int(at))
    signed = b".".join((notice.id.encode(), timestamp.encode(), body))
    signature = b64encode(hmac.new(key, signed, sha256).digest()).decode()
    return {
        "Content-Type": CONTENT_TYPE,
        "User-Agent": "sluicegate",
        "webhook-id": notice.id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature}",
    }
