"""What a proxy tells of a request beside its message: whose it is, of what kind, and how to refuse it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from sluicegate.duis import Header, normal_eui64, parse_version
from sluicegate.front.identity import Sender
from sluicegate.http.heads import BadHead

if TYPE_CHECKING:
    from sluicegate.gateway.desk import Desk, Served
    from sluicegate.http.heads import RequestHead

UNTOLD: Final = Decimal(0)
"""The DUIS version where none is told: below all, so that a throttled request gets 503."""
LONGEST_SRV: Final = 16
REFUSALS: Final = range(400, 500)
FOUR: Final = 4

PREFIX = b"sluicegate-"
PARTIAL = b"x-envoy-auth-partial-body"


class Told(NamedTuple):
    """What a proxy tells; empty where it does not.

    Attributes:
        certificate: the User's, in a form of `front.passed`.
        user: its name. originator: its EUI-64.
        srv, version: of the message, where that itself does not come.
        partial: whether only the beginning of the message comes.
        refuse_with: the status with which the proxy can take a refusal; 0: any; FOUR: any of 400 to 499.
    """

    certificate: bytes = b""
    user: str = ""
    originator: str = ""
    srv: str = ""
    version: str = ""
    partial: bool = False
    refuse_with: int = 0


def told_by_fields(head: RequestHead, certificate_field: bytes) -> Told:
    """What stands in the fields of a question over HTTP.

    Raises:
        BadHead: one of them stands there twice, or says nothing that could be.
    """
    own = certificate_field == b"client-cert"
    found: dict[bytes, bytes] = {certificate_field: head.certificate or b""} if own else {}
    for line in head.passed.split(b"\r\n"):
        name, _, value = line.partition(b":")
        name = name.lower()
        if name.startswith(PREFIX) or name in (certificate_field, PARTIAL):
            if name in found:
                raise BadHead(f"{name.decode('latin-1')} must stand once")
            found[name] = value.strip()

    def text(name: bytes) -> str:
        return found.get(PREFIX + name, b"").decode("utf-8", "replace")

    return Told(
        found.get(certificate_field, b""),
        text(b"user"),
        text(b"originator"),
        text(b"srv"),
        text(b"duis-version"),
        found.get(PARTIAL) == b"true",
        _refusal(text(b"refuse-with")),
    )


def _refusal(text: str) -> int:
    if not text:
        return 0
    if text == "4xx":
        return FOUR
    if not (text.isascii() and text.isdigit() and len(text) == 3 and int(text) in REFUSALS):
        raise BadHead("Sluicegate-Refuse-With must be a status of 400 to 499, or 4xx")
    return int(text)


def told_by_entries(entries: Mapping[str, str]) -> Told | None:
    """What stands in a descriptor of the Rate Limit Service; None: nothing that is for us."""
    told = Told(
        entries.get("certificate", "").encode(),
        entries.get("user", ""),
        entries.get("originator", ""),
        entries.get("srv", ""),
        entries.get("duis_version", ""),
    )
    return told if told.certificate or told.user or told.originator else None


def sender_of(desk: Desk, told: Told) -> Sender:
    """Who sends, by what the proxy tells: with `identity` `originator` any User, or else those of a certificate."""
    identities = desk.identities
    if identities.mode == "originator":
        return Sender("", identities.by_id)
    return identities.of_passed(told.certificate) if told.certificate else Sender("", {}, known=False)


def header_of(desk: Desk, sender: Sender, told: Told) -> Header | None:
    """As much of a message's header as was told; None where that leaves open whose it is.

    Raises:
        ValueError: what was told cannot be.
    """
    if told.originator:
        originator = normal_eui64(told.originator)
    elif told.user:
        user = desk.users.get(told.user)
        originator = user.ids[0] if user is not None else told.user
    else:
        users: set[Served] = set(sender.served.values()) if desk.identities.mode != "originator" else set()
        if len(users) != 1:
            return None
        originator = users.pop().ids[0]
    if len(told.srv) > LONGEST_SRV:
        raise ValueError(f"{told.srv[:64]!a} is not an SRV")
    version = parse_version(told.version) if told.version else UNTOLD
    return Header(version, "", originator, "", 0, 0, "", told.srv, None, None)
