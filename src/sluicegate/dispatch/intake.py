"""From octets to parcels, or to a refusal. Pure: nothing is stored or sent here, and the time is passed in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from sluicegate.dispatch import letters, problems
from sluicegate.dispatch.parcel import CSP, KEY_OCTETS, USER, Incoming, Kind, Parcel
from sluicegate.dispatch.problems import Problem
from sluicegate.duis import (
    LISTS_DEVICES,
    Header,
    MalformedMessage,
    WebService,
    check_whole,
    device_list,
    header_key,
    key_text,
    read_header,
    read_response,
    request_key,
    text_at,
    web_service,
)
from sluicegate.duis.header import SERVICE_REFERENCE_VARIANT

_PATHS: Mapping[WebService, str] = {"S": "/api/v1/serviceS", "T": "/api/v1/serviceT", "D": "/api/v1/serviceD"}
_SRV_OF_RESPONSE = tuple(
    frozenset((name,)) for name in ("Response", "Body", "ResponseMessage", "ServiceReferenceVariant")
)
_MOST_SRV = 11  # characters
_AN_SRV = re.compile(SERVICE_REFERENCE_VARIANT, re.ASCII)


class Regions(Protocol):
    """Which CSP a device is in: `routing.Routes`."""

    @property
    def non_device(self) -> str | None:
        """The CSP (or local handler) that requests for no device go to."""

    def region(self, target: str) -> str | None:
        """The CSP of a device, by its EUI-64 in upper case."""

    def regions(self, targets: Iterable[str]) -> tuple[str, ...]:
        """The CSPs of devices, each once, in an order of its own."""


class Ranks(Protocol):
    """A User's own priorities: `allocation.Profile`."""

    def rank(self, srv: str, command_variant: int, target: str) -> int:
        """The class of an SR, 0 first."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A Service Request, as parcels: one for each region that it goes to, the first with the key of its RequestID."""

    header: Header
    user: str
    incoming: list[Incoming]


@dataclass(frozen=True, slots=True)
class Refused:
    """What is not taken, and what its sender is told."""

    status: int
    reason: str
    """In one word, for a counter."""
    text: str
    """In a sentence, for the sender: ASCII where it is the sender's own words."""
    code: str = ""
    body: bytes = b""
    """A Response; empty where none can be composed: then it is `problem`."""
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A Response that a CSP tells of, on its way to a User."""

    key: bytes | None
    """The SR that it concludes, if it is one."""
    user: str
    incoming: Incoming
    code: str


class Intake:
    """Reads what comes in.

    Its methods may be called in any thread, if those of `routes` may.

    Args:
        routes: which device is in which region. All regions that it names have a CSP.
        originators: the name and the priorities of the User that an EUI-64 belongs to.
        deadline_for: seconds that an SR of an SRV may take until it is returned.
        malformed, reused: ResponseCodes for a message that is no message, and for a RequestID used twice.
        give_up_seconds: for how long a Response is offered to a User's endpoint.
    """

    def __init__(
        self,
        routes: Regions,
        originators: Mapping[str, tuple[str, Ranks]],
        deadline_for: Callable[[str], float],
        *,
        malformed: str,
        reused: str,
        give_up_seconds: float,
    ) -> None:
        letters.must_be_known(malformed, reused)
        self.routes = routes
        self.originators = originators
        self._deadline_for = deadline_for
        self._malformed = malformed
        self._reused = reused
        self._give_up = give_up_seconds

    # --- Service Requests

    def read(self, service: WebService, body: bytes, at: float) -> Accepted | Refused:
        """A Service Request that was POSTed to a web service at a time (seconds since 1970 UTC)."""
        try:
            header = read_header(body, complete=True)
        except MalformedMessage as error:
            return self._unreadable(body, str(error), at)
        assert header is not None  # noqa: S101 - of a complete message it is there, or an error
        sender = self.originators.get(header.originator)
        if sender is None:
            return _stranger(header.originator)
        right = web_service(header.command_variant)
        if right != service:
            text = f"Command Variant {header.command_variant} goes to service{right}, not to service{service}"
            return _refused(200, "E13", header, text, at)
        try:
            regions = self._regions(header, service, body)
        except MalformedMessage as error:
            return _refused(400, self._malformed, header, str(error), at, "malformed")
        if not regions:
            whose = "any device of the list" if header.srv in LISTS_DEVICES else header.target
            return _refused(200, "E19", header, f"no region is known for {whose}", at)
        return Accepted(header, sender[0], self._parcels(header, sender, service, body, regions, at))

    def _regions(self, header: Header, service: WebService, body: bytes) -> Sequence[str]:
        """The regions that a message goes to, which is checked to its end. Raises MalformedMessage."""
        if header.srv in LISTS_DEVICES:  # before the web service: the target is the DSP, and the devices are not
            return self.routes.regions(device_list(body))
        check_whole(body)
        region = self.routes.non_device if service == "D" else self.routes.region(header.target)
        return [] if region is None else [region]

    def _parcels(
        self,
        header: Header,
        sender: tuple[str, Ranks],
        service: WebService,
        body: bytes,
        regions: Sequence[str],
        at: float,
    ) -> list[Incoming]:
        user, ranks = sender
        key = header_key(header)
        preceding = request_key(header.preceding) if header.preceding is not None else None
        digest, deadline = _digest(body), at + self._deadline_for(header.srv)
        rank = ranks.rank(header.srv, header.command_variant, header.target)
        # The device: the second part of the key, as `lane_of` has it.
        lane = None if service == "D" or header.srv in LISTS_DEVICES else int.from_bytes(key[8:16], "big", signed=True)
        return [
            Incoming(
                kind=Kind.REQUEST,
                key=key if place == 0 else key + b"\0" + region.encode(),
                digest=digest,
                destination=CSP + region,
                user=user,
                rank=rank,
                path=_PATHS[service],
                lane=lane,
                srv=header.srv,
                accepted_at=at,
                deadline=deadline,
                body=body,
                preceding=preceding if preceding != key else None,  # nobody waits for itself
            )
            for place, region in enumerate(regions)
        ]

    def acknowledgement(self, header: Header, accepted_at: float) -> bytes:
        """The Response I99 to a Service Request that is safe: the same octets for the same two arguments."""
        return letters.acknowledgement(header, accepted_at)

    def conflict(self, header: Header, at: float) -> Refused:
        """Another message has this RequestID already."""
        text = f"another message with RequestID {header.request_id} was accepted before"
        return _refused(409, self._reused, header, text, at, "conflict")

    def _unreadable(self, body: bytes, text: str, at: float) -> Refused:
        """A Response needs a Service Reference (schema): without one in the message it is a problem."""
        request_id, srv = letters.mentioned(body)
        if srv is None:
            problem = problems.MALFORMED
            return Refused(problem.status, problem.name, text, self._malformed, problem=problem)
        answer = letters.composed(self._malformed, request_id, srv, None, at)
        return Refused(400, "malformed", text, self._malformed, answer)

    # --- Responses

    def outcome(self, body: bytes, at: float) -> Outcome | Refused:
        """A Response that a CSP POSTed: it goes to the originator of its RequestID, or the target of its ResponseID.

        Of a firmware list no SR is concluded: one region's word says nothing of the others'.
        """
        try:
            response = read_response(body)
            srv = text_at(body, _SRV_OF_RESPONSE, _MOST_SRV) or ""
            srv = srv if _AN_SRV.fullmatch(srv) else ""
        except MalformedMessage as error:
            return _problem(problems.MALFORMED, str(error))
        digest = _digest(body)
        if response.request_id is not None:
            key = request_key(response.request_id)
            whose, name = response.request_id[:23].upper(), key + b"R" + digest
        elif response.response_id is not None:
            whose, name = response.response_id[24:47].upper(), b"A" + digest
            key = None
        else:
            return _problem(problems.MALFORMED, "the Response has neither RequestID nor ResponseID")
        sender = self.originators.get(whose)
        if sender is None:
            return _stranger(whose)
        letter = self._letter(sender[0], name, digest, srv, body, at)
        concludes = srv not in LISTS_DEVICES and response.code != "I99"
        return Outcome(key if concludes else None, sender[0], letter, response.code)

    def answered(self, parcel: Parcel, body: bytes, at: float) -> Incoming | None:
        """The Response that came with the answer to an SR, on its way to a User.

        One that names another SR goes where that one came from: never to whoever happened to be answered. None: it
        names one of nobody's.
        """
        key = parcel.key[:KEY_OCTETS]
        try:
            response = read_response(body)
        except MalformedMessage:
            return None
        if response.request_id is None or request_key(response.request_id) == key:
            digest = _digest(body)
            return self._letter(parcel.user, key + b"R" + digest, digest, parcel.srv, body, at)
        outcome = self.outcome(body, at)
        return outcome.incoming if isinstance(outcome, Outcome) else None

    def returned(
        self, parcel: Parcel, body: bytes, code: str, at: float, attempts: int, try_again_after: int
    ) -> Incoming:
        """The Response that tells a User that its SR came back.

        Args:
            parcel: the SR.
            body: of the SR; may be empty where it is not there any more.
            code: E21, the device does not answer; E20, anything else.
            at: seconds since 1970 UTC.
            attempts: that were made.
            try_again_after: seconds.
        """
        key = parcel.key[:KEY_OCTETS]
        request_id, version = key_text(key), None
        try:
            header = read_header(body, complete=True)
        except MalformedMessage:
            header = None
        if header is not None:
            request_id, version = header.request_id, header.version
        answer = letters.composed(code, request_id, parcel.srv, version, at)
        fields = {"Sluicegate-Attempts": str(attempts), "Sluicegate-Try-Again-After": str(try_again_after)}
        name = key + b"X" + parcel.seq.to_bytes(8, "big")
        return self._letter(parcel.user, name, _digest(answer), parcel.srv, answer, at, fields)

    def _letter(
        self,
        user: str,
        key: bytes,
        digest: bytes,
        srv: str,
        body: bytes,
        at: float,
        fields: Mapping[str, str] | None = None,
    ) -> Incoming:
        return Incoming(
            kind=Kind.RESPONSE,
            key=key,
            digest=digest,
            destination=USER + user,
            user=user,
            rank=0,
            path="",
            lane=None,
            srv=srv,
            accepted_at=at,
            deadline=at + self._give_up,
            body=body,
            fields=fields or {},
        )


def _digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=16).digest()


def _refused(status: int, code: str, header: Header, text: str, at: float, reason: str = "") -> Refused:
    body = letters.composed(code, header.request_id, header.srv, header.version, at)
    return Refused(status, reason or code, text, code, body)


def _problem(problem: Problem, text: str) -> Refused:
    return Refused(problem.status, problem.name, text, problem=problem)


def _stranger(eui64: str) -> Refused:
    return _problem(problems.UNKNOWN_USER, f"{eui64} belongs to no User")
