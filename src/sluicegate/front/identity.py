"""Who is it: from a certificate, or from the message itself, to the Users for whom a sender speaks."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Container, Iterable, Mapping
from ipaddress import IPv6Address, ip_address
from time import time
from typing import Any, Generic, Protocol, TypeVar

from cryptography import x509

from sluicegate.front.passed import read_passed
from sluicegate.settings import Network, subject_form

MOST_CERTIFICATES = 4096  # remembered, so that each is parsed once


class Speaker(Protocol):
    """A User for whom somebody may speak."""

    @property
    def ids(self) -> tuple[str, ...]:
        """Its EUI-64s."""


U = TypeVar("U", bound=Speaker)


class Means(Protocol):
    """How senders are told apart: `settings.Gateway`."""

    @property
    def identity(self) -> str:
        """`certificate`, `forwarded-certificate` or `originator`."""

    @property
    def trusted_proxies(self) -> tuple[Network, ...]:
        """Who may say on whose behalf it forwards."""


class Sender:
    """Who stands at the other end, as far as its refusals and its Users go.

    Attributes:
        key: under what its offences are counted: a certificate, or an address.
        served: the Users for whom it speaks, by originator ID.
        known: False where its certificate belongs to nobody.
        cut_off: whether it offended too often, and is not heard for now.
        until: when its certificate ends, in seconds of the epoch.
    """

    __slots__ = ("cut_off", "key", "known", "served", "until")

    def __init__(self, key: str, served: Mapping[str, Any], known: bool = True, until: float = float("inf")) -> None:
        self.key = key
        self.served = served
        self.known = known
        self.cut_off = False
        self.until = until

    def barred(self) -> Sender:
        """The same, not heard for now."""
        sender = Sender(self.key, {}, known=False)
        sender.cut_off = True
        return sender


class Identities(Generic[U]):
    """Turns certificates into senders, by the book in force. Replaced as a whole when the book changes.

    Args:
        mode: `certificate`, `forwarded-certificate` or `originator`.
        trusted_proxies: who may say on whose behalf it forwards.
        by_certificate: the Users of each certificate, by subject (RFC 4514) or `sha256:` fingerprint.
        by_id: all Users, by originator ID.

    Attributes:
        revoked: issuer and serial number of certificates that are nobody's any more. TLS refuses them at the
            handshake; here they are refused on connections, and in sessions, that are older than the list.
    """

    def __init__(self, gateway: Means, by_certificate: Mapping[str, tuple[U, ...]], by_id: Mapping[str, U]) -> None:
        self.mode = gateway.identity
        self._trusted: tuple[Network, ...] = gateway.trusted_proxies
        self._by_certificate = by_certificate
        self.by_id = by_id
        self._seen: OrderedDict[bytes, Sender] = OrderedDict()
        self.revoked: Container[tuple[x509.Name, int]] = frozenset()

    def of_connection(self, address: str, certificate: bytes | None) -> Sender | None:
        """The sender of all requests of a connection; None where each request must say on whose behalf it comes."""
        if self.mode == "originator":
            return Sender(counted_as(address), self.by_id)
        if self.mode == "certificate":
            if certificate is None:  # cannot be: TLS asks for one. If it is, nobody is let in
                return Sender(counted_as(address), {}, known=False)
            sender = self._remembered(certificate, certificate)
            # A resumed session is not verified again: a certificate could be used in that way after its end.
            return sender if time() < sender.until else Sender(sender.key, {}, known=False)
        if self.trusts(address):
            return None
        return Sender(counted_as(address), {}, known=False)

    def forwards(self, address: str) -> bool:
        """Whether an address forwards for others: what they do together is not held against it."""
        return self.mode == "forwarded-certificate" and self.trusts(address)

    def trusts(self, address: str) -> bool:
        """Whether an address is one of the trusted proxies'."""
        try:
            ip = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        return any(ip in network for network in self._trusted)

    def of_field(self, field: bytes, address: str) -> Sender:
        """The sender that a trusted proxy names in `Client-Cert` (RFC 9440: base64 of the DER between colons)."""
        sender = self._seen.get(field)
        if sender is not None:
            return sender
        certificate = read_passed(field).certificate if field.lstrip()[:1] == b":" else None
        if not certificate:
            return Sender(address, {}, known=False)
        return self._remembered(field, certificate)

    def of_passed(self, field: bytes) -> Sender:
        """The sender that a proxy which asks names, in any of the forms that proxies have (`front.passed`)."""
        key = b"passed " + field
        sender = self._seen.get(key)
        if sender is None:
            passed = read_passed(field)
            if passed.certificate:
                return self._remembered(key, passed.certificate)
            if not passed.names:
                return Sender("", {}, known=False)
            sender = self._named(passed.names[0], passed.names)
            self._remember(key, sender)
        return sender

    def _remembered(self, key: bytes, certificate: bytes) -> Sender:
        sender = self._seen.get(key)
        if sender is None:
            sender = self._identify(certificate)
            self._remember(key, sender)
        return sender

    def _remember(self, key: bytes, sender: Sender) -> None:
        self._seen[key] = sender
        if len(self._seen) > MOST_CERTIFICATES:
            self._seen.popitem(last=False)

    def _identify(self, certificate: bytes) -> Sender:
        fingerprint = "sha256:" + hashlib.sha256(certificate).hexdigest()
        try:
            read = x509.load_der_x509_certificate(certificate)
            subject = subject_form(read.subject)
            until = read.not_valid_after_utc.timestamp()
            revoked = (read.issuer, read.serial_number) in self.revoked
        except Exception:  # the parser raises more than it says: not a certificate that it reads, so nobody's
            return Sender(fingerprint, {}, known=False)
        if revoked:
            return Sender(fingerprint, {}, known=False)
        return self._named(fingerprint, (fingerprint, subject), until)

    def _named(self, key: str, names: Iterable[str], until: float = float("inf")) -> Sender:
        users = {user for name in names for user in self._by_certificate.get(name, ())}
        served = {eui64: user for user in users for eui64 in user.ids}
        return Sender(key, served, known=bool(users), until=until)


def counted_as(address: str) -> str:
    """Under what an address is counted. An IPv6 sender has a /64 to itself, and could take a new address each time."""
    if ":" not in address:
        return address
    try:
        ip = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return f"{IPv6Address(int(ip) >> 64 << 64)}/64"
