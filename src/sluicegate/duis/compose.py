"""Real-shaped messages, for the demo, the tests and the measurements: our own text in the shape of the schema.

The signatures are placeholders. A real DSP would refuse them.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache

from . import values
from .catalogue import CATALOGUE
from .header import MAX_COUNTER, NAMESPACE, normal_eui64
from .version import parse_version

TOP_UP_OCTETS = 1700
"""Size of a usual top-up request."""

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
_SIGNATURE_NAMESPACE = "http://www.w3.org/2000/09/xmldsig#"
_PREFIX = re.compile("(?:(?![xX][mM][lL])[A-Za-z_][A-Za-z0-9_.-]*)?")
_CODE = re.compile("[EIW][0-9]{1,6}")
_FILLER = b"Tm90QVNpZ25hdHVyZUJ1dEFQbGFjZWhvbGRlck9mVGhlU2l6ZU9mT25l"
_VALUE = b"@value@"
_LEAST_VALUE = 88  # characters of base64 for an ECDSA P-256 signature
_SIGNATURE = """\
  <ds:Signature>
    <ds:SignedInfo>
      <ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>
      <ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"/>
      <ds:Reference URI="">
        <ds:Transforms>
          <ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>
        </ds:Transforms>
        <ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>
        <ds:DigestValue>AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=</ds:DigestValue>
      </ds:Reference>
    </ds:SignedInfo>
    <ds:SignatureValue>@value@</ds:SignatureValue>
  </ds:Signature>
"""


def compose_request(
    originator: str,
    target: str,
    counter: int,
    srv: str,
    *,
    command_variant: int = 1,
    version: str = "5.4",
    body: bytes | None = None,
    prefix: str = "sr",
    size: int = 0,
    first_in_sequence: bool | None = None,
    preceding: str | None = None,
) -> bytes:
    """A Service Request, UTF-8, of `size` octets, or as many as it takes if that is more.

    `originator` and `target` are EUI-64; `body` is what stands inside `Body` (by default an element named as
    the catalogue names the SRV); `prefix` "" puts the elements into the default namespace; `preceding` is a
    RequestID. What is missing to `size` is made up in the placeholder signature.

    Raises ValueError for values that could not stand in a `Header`.
    """
    if not 0 <= counter <= MAX_COUNTER:
        raise ValueError(f"counter {counter} is not from 0 to {MAX_COUNTER}")
    if not 1 <= command_variant <= 8:
        raise ValueError(f"{command_variant} is not a Command Variant, 1 to 8")
    p, start, middle, content, tail = _frame(srv, str(version), prefix, command_variant)
    sequence = ""
    if first_in_sequence is not None:
        stated = "true" if first_in_sequence else "false"
        sequence = f"    <{p}FirstInSequence>{stated}</{p}FirstInSequence>\n"
    if preceding is not None:
        before = _request_id(preceding)
        sequence += f"    <{p}PrecedingServiceRequestID>{before}</{p}PrecedingServiceRequestID>\n"
    identity = f"{normal_eui64(originator)}:{normal_eui64(target)}:{counter}"
    head = f"{start}    <{p}RequestID>{identity}</{p}RequestID>\n{sequence}{middle}".encode()
    inside = content if body is None else body
    value = _value(max(_LEAST_VALUE, size - len(head) - len(inside) - len(tail) + len(_VALUE)))
    return b"".join((head, inside, tail.replace(_VALUE, value)))


def compose_response(
    code: str,
    request_id: str | None,
    *,
    srv: str,
    at: datetime,
    response_id: str | None = None,
    version: str = "5.4",
    prefix: str = "sr",
) -> bytes:
    """A `Response`, UTF-8: an acknowledgement (`I99`), a success (`I0`) or an error (`E1`, `E20`, ...).

    `request_id` is that of the request; `srv` its variant, which answers name too; `at`, with a time zone,
    becomes ResponseDateTime, to the millisecond.

    Raises ValueError for values that could not stand in a `Response`.
    """
    if _CODE.fullmatch(code) is None:
        raise ValueError(f"{code!a} is not a ResponseCode, such as I99 or E20")
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no time zone")
    p, declared = _prefixed(prefix)
    moment = at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    ids = [("RequestID", request_id), ("ResponseID", response_id)]
    lines = [
        _DECLARATION,
        f'<{p}Response {declared} schemaVersion="{_version(version)}">',
        f"  <{p}Header>",
        *(f"    <{p}{name}>{_request_id(text)}</{p}{name}>" for name, text in ids if text is not None),
        f"    <{p}ResponseCode>{code}</{p}ResponseCode>",
        f"    <{p}ResponseDateTime>{moment}Z</{p}ResponseDateTime>",
        f"  </{p}Header>",
        f"  <{p}Body>",
        f"    <{p}ResponseMessage>",
        f"      <{p}ServiceReference>{_reference(srv)}</{p}ServiceReference>",
        f"      <{p}ServiceReferenceVariant>{srv}</{p}ServiceReferenceVariant>",
        f"    </{p}ResponseMessage>",
        f"  </{p}Body>",
        f"</{p}Response>",
        "",
    ]
    return "\n".join(lines).encode()


@lru_cache(maxsize=1024)
def _frame(srv: str, version: str, prefix: str, command_variant: int) -> tuple[str, str, str, bytes, bytes]:
    """What is the same in all requests of a kind: prefix, up to RequestID, up to Body, inside it, after it."""
    p, declared = _prefixed(prefix)
    start = (
        f'{_DECLARATION}\n<{p}Request {declared} xmlns:ds="{_SIGNATURE_NAMESPACE}" '
        f'schemaVersion="{_version(version)}">\n  <{p}Header>\n'
    )
    middle = (
        f"    <{p}CommandVariant>{command_variant}</{p}CommandVariant>\n"
        f"    <{p}ServiceReference>{_reference(srv)}</{p}ServiceReference>\n"
        f"    <{p}ServiceReferenceVariant>{srv}</{p}ServiceReferenceVariant>\n"
        f"  </{p}Header>\n  <{p}Body>"
    )
    tail = f"</{p}Body>\n{_SIGNATURE}</{p}Request>\n"
    return p, start, middle, _content(srv, command_variant, p), tail.encode()


def _content(srv: str, command_variant: int, p: str) -> bytes:
    if command_variant in (5, 6, 7):
        payload = f"<{p}GBCSPayload>{_FILLER.decode()}</{p}GBCSPayload>"
        return f"<{p}SignedPreCommand>{payload}</{p}SignedPreCommand>".encode()
    if srv == "2.2":
        return f"<{p}TopUpDevice><{p}UTRN>12345678901234567890</{p}UTRN></{p}TopUpDevice>".encode()
    known = CATALOGUE.get(srv)
    words = re.findall("[A-Za-z0-9]+", known.name if known is not None else "Unlisted Service Request")
    return f"<{p}{''.join(word[0].upper() + word[1:] for word in words)}/>".encode()


def _value(characters: int) -> bytes:
    """A SignatureValue of so many characters: base64 in fours, and line ends for the rest."""
    full = characters - characters % 4
    return (_FILLER * (full // len(_FILLER) + 1))[:full] + b"\n" * (characters - full)


def _prefixed(prefix: str) -> tuple[str, str]:
    """The prefix as it stands before names, and its declaration."""
    if _PREFIX.fullmatch(prefix) is None or prefix == "ds":
        raise ValueError(f"{prefix!a} cannot be a prefix here")
    return (f"{prefix}:", f'xmlns:{prefix}="{NAMESPACE}"') if prefix else ("", f'xmlns="{NAMESPACE}"')


def _version(text: str) -> str:
    parse_version(text)
    return text


def _request_id(text: str) -> str:
    return values.request_id(text)[0]


def _reference(srv: str) -> str:
    values.service_reference_variant(srv)
    return ".".join(srv.split(".")[:2])
