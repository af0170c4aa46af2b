"""A User's certificate as a proxy passes it on, in each of the forms that proxies have for it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from cryptography import x509

from sluicegate.settings import subject_form

LONGEST_FIELD = 16_384  # octets

_RFC_9440 = re.compile(rb":([A-Za-z0-9+/]+={0,2}):", re.ASCII)
_FINGERPRINT = re.compile(rb"(?:sha256:)?([0-9A-Fa-f]{64})", re.ASCII)
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----.*", re.ASCII | re.DOTALL)
_PAIR = re.compile(rb'([A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^",;]*)(;|,|$)', re.ASCII)  # of X-Forwarded-Client-Cert


class Passed(NamedTuple):
    """What a field says: all of a certificate (DER), or only names that stand for it in a User's `certificates`."""

    certificate: bytes | None
    names: tuple[str, ...] = ()


NOTHING = Passed(None)


def read_passed(field: bytes) -> Passed:
    """What a field says, by its own form; nothing of what is in none, is too long, or names more than one certificate.

    The forms: RFC 9440 (`:base64:`), `sha256:` and a fingerprint, percent-encoded PEM, `X-Forwarded-Client-Cert`.
    """
    text = field.strip()
    if not text or len(text) > LONGEST_FIELD:
        return NOTHING
    if found := _RFC_9440.fullmatch(text):
        return _der(found[1])
    if found := _FINGERPRINT.fullmatch(text):
        return _fingerprint(found[1])
    if text.startswith(b"-----BEGIN"):
        return _pem(text)
    return _forwarded(text)


def _der(encoded: bytes) -> Passed:
    try:
        return Passed(base64.b64decode(encoded, validate=True))
    except binascii.Error:
        return NOTHING


def _fingerprint(digits: bytes) -> Passed:
    return Passed(None, ("sha256:" + digits.decode().lower(),))


def _pem(escaped: bytes) -> Passed:
    """The first certificate of a chain: the sender's own."""
    found = _PEM.fullmatch(unquote_to_bytes(escaped).strip())
    return _der(b"".join(found[1].split())) if found else NOTHING


def _forwarded(text: bytes) -> Passed:
    """X-Forwarded-Client-Cert with one element: that of a proxy that writes the field anew (SANITIZE_SET)."""
    told: dict[bytes, bytes] = {}
    at = 0
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None or pair[3] == b",":  # `,` begins another element: what somebody else wrote
            return NOTHING
        key, value = pair[1].lower(), pair[2]
        if value[:1] == b'"':
            value = re.sub(rb"\\(.)", rb"\1", value[1:-1])
        if key in told and key not in (b"uri", b"dns"):
            return NOTHING
        told[key] = value
        at = pair.end()
    if b"cert" in told:
        return _pem(told[b"cert"])
    found = _FINGERPRINT.fullmatch(told.get(b"hash", b""))
    names = _fingerprint(found[1]).names if found else ()
    return Passed(None, (*names, *_subject(told.get(b"subject", b""))))


def _subject(text: bytes) -> tuple[str, ...]:
    if not text:
        return ()
    try:
        return (subject_form(x509.Name.from_rfc4514_string(text.decode())),)
    except ValueError:
        return ()
