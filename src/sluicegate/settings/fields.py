"""The small types of the configuration: how each is written, and what it becomes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import ValidationInfo

from sluicegate.settings.problems import shown

if TYPE_CHECKING:
    from cryptography import x509

_HOST_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_EUI64 = re.compile(r"[0-9A-Fa-f]{2}(-[0-9A-Fa-f]{2}){7}", re.ASCII)
_SRV = re.compile(r"[1-9][0-9]?(\.[1-9][0-9]?){1,2}", re.ASCII)
_DECIMAL = re.compile(r"[ \t\r\n]*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))[ \t\r\n]*", re.ASCII)
_PREFIX = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*/?", re.ASCII)
_ESCAPE_OR_TYPE = re.compile(r"\\.|(?:^|[,+])[A-Za-z]+(?==)")
_FIELD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}", re.ASCII)
_FINGERPRINT = re.compile(r"[0-9a-f]{64}", re.ASCII)

LONGEST_NAME = 100
HIGHEST_VERSION = 1000
# The names that people write and RFC 4514 does not list; OpenSSL prints them so.
_MORE_NAMES = {
    "EMAILADDRESS": "1.2.840.113549.1.9.1",
    "E": "1.2.840.113549.1.9.1",
    "SERIALNUMBER": "2.5.4.5",
    "ORGANIZATIONIDENTIFIER": "2.5.4.97",
}

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. `host` is an IP address or a name, without brackets; port 0 means any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it. A name other than `localhost` counts as not."""
        ip = _ip(self.host)
        return ip.is_loopback if ip else self.host.lower() == "localhost"

    @property
    def everywhere(self) -> bool:
        """Whether it stands for every address of the machine (`0.0.0.0`, `::`)."""
        ip = _ip(self.host)
        return ip is not None and ip.is_unspecified


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where to send to: the DSP, a CSP, a User.

    `prefix` is put before every path: empty, or `/` and more, no `/` at its end.
    """

    scheme: str
    host: str
    port: int
    prefix: str = ""

    def __str__(self) -> str:
        return f"{self.scheme}://{Address(self.host, self.port)}{self.prefix}"


def _ip(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _text(value: Any, example: str) -> str:
    if not isinstance(value, str):
        raise ValueError(  # noqa: TRY004 - pydantic collects these
            f'must be a text such as "{example}", and is {shown(value)}'
        )
    return value


def _is_host(host: str) -> bool:
    if _ip(host):
        return "%" not in host
    labels = host.removesuffix(".").split(".")
    # The last label of a name is never a number: such a thing is a mistyped IPv4 address.
    return len(host) <= 253 and all(_HOST_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()


def address(value: Any) -> Address:
    """`host:port`; an IPv6 address stands in brackets: `[::1]:8079`."""
    text = _text(value, "127.0.0.1:8079")
    host, colon, port = text.rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) or int(port) > 65535:
        raise ValueError(f'{shown(text)} must end in ":" and a port of 0 to 65535, as in "127.0.0.1:8079"')
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if not host:
        raise ValueError(f'{shown(text)} names no host: for every address of this machine write "0.0.0.0:{port}"')
    if not bracketed and ":" in host:
        raise ValueError(
            f'an IPv6 address stands in brackets: write "[{host}]:{port}"'
            if _is_host(host)
            else f"{shown(text)} is not host:port"
        )
    if not _is_host(host) or bracketed is not (":" in host):
        raise ValueError(f"{shown(text)} does not start with an IP address or the name of a host")
    return Address(host, int(port))


def upstream(value: Any) -> Upstream:
    """An http or https URL: scheme, host, perhaps a port and a path prefix; no user, query or fragment."""
    text = _text(value, "http://127.0.0.1:8080")
    refused = ValueError(f'{shown(text)} is not a URL such as "http://127.0.0.1:8080" or "https://dsp.example/base"')
    # urlsplit() drops control characters in silence, so they are refused before it sees them.
    if not text.isascii() or not text.isprintable() or " " in text:
        raise refused
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError:
        raise refused from None
    if url.scheme not in ("http", "https") or not host or not _is_host(host):
        raise refused
    if url.username is not None or url.password is not None:
        raise ValueError("must hold no user or password: none is ever sent. Take the part up to the @ out")
    if "?" in text or "#" in text:
        raise ValueError("must hold no ? and no #: a request brings its own query")
    if port == 0 or not _PREFIX.fullmatch(url.path):
        raise refused
    return Upstream(url.scheme, host, port or (443 if url.scheme == "https" else 80), url.path.rstrip("/"))


def network(value: Any) -> Network:
    """An IP address or a network, `10.1.2.3` or `10.1.2.0/24`."""
    text = _text(value, "10.1.2.0/24")
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        meant = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f'{shown(text)} is not an IP address or network such as "10.1.2.0/24"') from None
    raise ValueError(f'{shown(text)} has bits set behind its mask: write "{meant}" for the whole network')


def eui64(value: Any) -> str:
    """A User ID: eight hex octets joined by `-`, in any case; becomes upper case."""
    text = _text(value, "90-B3-D5-1F-30-01-00-00")
    if not _EUI64.fullmatch(text):
        raise ValueError(
            f"{shown(text)} is not a User ID: write the EUI-64 as eight pairs of hex digits joined by -, "
            'as in "90-B3-D5-1F-30-01-00-00"'
        )
    return text.upper()


def srv(value: Any) -> str:
    """A Service Reference Variant such as `11.1` or `6.15.1`."""
    if not isinstance(value, str) or not _SRV.fullmatch(value):
        raise ValueError(f'{shown(value)} is not an SRV: write one such as "11.1" or "6.15.1", in quotes')
    return value


def duis_version(value: Any) -> Decimal:
    """A DUIS version as the xs:decimal that the schema says it is: 4.10 is 4.1. A text or a number.

    The lexical rule is that of XML Schema part 2, 3.2.3 (no exponent), with white space collapsed.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(  # noqa: TRY004
            f'must be a DUIS version such as "4.1", and is {shown(value)}'
        )
    text = value if isinstance(value, str) else repr(value)[:40]
    found = _DECIMAL.fullmatch(text) if len(text) <= 40 else None
    version = Decimal(found[1]) if found else None
    if version is None or not 0 <= version <= HIGHEST_VERSION:
        raise ValueError(f'{shown(text)} is not a DUIS version: write a decimal of 0 to {HIGHEST_VERSION}, as "4.1"')
    return version


def name(value: Any) -> str:
    """A User's name: 1 to 100 printable characters, no space at either end."""
    text = _text(value, "Large Supplier A")
    if not 1 <= len(text) <= LONGEST_NAME:
        raise ValueError(f"must have 1 to {LONGEST_NAME} characters, and has {len(text)}")
    if not text.isprintable():
        raise ValueError(f"{shown(text)} holds a character that cannot be printed: take it out")
    if text != text.strip():
        raise ValueError(f"{shown(text)} starts or ends with a space: take it out")
    return text


def field_name(value: Any) -> str:
    """The name of an HTTP field; becomes lower case."""
    text = _text(value, "client-cert")
    if not _FIELD_NAME.fullmatch(text):
        raise ValueError(f'{shown(text)} is not the name of an HTTP field such as "x-forwarded-client-cert"')
    return text.lower()


def certificate(value: Any) -> str:
    """A client certificate: `sha256:` and its fingerprint, or its subject as RFC 4514 writes it.

    Kept as it is compared: `sha256:` and 64 lower-case hex digits, or the subject in the form of
    `subject_form`.
    """
    text = _text(value, "CN=large-supplier-a,O=Example")
    kind, colon, rest = text.partition(":")
    if colon and kind.strip().lower() == "sha256":
        digits = rest.strip().replace(":", "").lower()
        if not _FINGERPRINT.fullmatch(digits):
            raise ValueError(f"{shown(text)} must have 64 hex digits behind sha256: (colons may stand between them)")
        return f"sha256:{digits}"
    return _subject(text)


def _subject(text: str) -> str:
    from cryptography import x509  # noqa: PLC0415 - not needed where there are no certificates

    more = {word: x509.ObjectIdentifier(oid) for word, oid in _MORE_NAMES.items()}
    legal = 0 < len(text) <= 2000 and text.isprintable()
    try:
        subject = x509.Name.from_rfc4514_string(_upper_types(text) if legal else "?", more)
    except ValueError:
        raise ValueError(
            f"{shown(text)} is not a certificate: write its subject as RFC 4514 does, no spaces round the"
            ' commas and the most special part first, as in "CN=large-supplier-a,O=Example" (`openssl x509'
            ' -noout -subject -nameopt RFC2253` prints it), or "sha256:" and its fingerprint'
        ) from None
    return subject_form(subject)


def subject_form(subject: x509.Name) -> str:
    """A subject as the configuration keeps it, to be compared with: RFC 4514.

    The parts of one element (`CN=a+OU=b`) have no order of their own, so they get one here.
    """
    from cryptography import x509  # noqa: PLC0415

    def order(part: x509.NameAttribute[str | bytes]) -> tuple[str, str]:
        return part.oid.dotted_string, repr(part.value)

    if all(len(element) == 1 for element in subject.rdns):
        return subject.rfc4514_string()
    elements = [x509.RelativeDistinguishedName(sorted(element, key=order)) for element in subject.rdns]
    return x509.Name(elements).rfc4514_string()


def _upper_types(text: str) -> str:
    """Attribute types in upper case: RFC 4514 leaves the case to the writer, the parser does not."""
    return _ESCAPE_OR_TYPE.sub(lambda found: found[0] if found[0][0] == "\\" else found[0].upper(), text)


def folder_path(value: Any, info: ValidationInfo) -> Path:
    """A folder; a relative one is taken from that of the configuration file."""
    text = _text(value, "record")
    if not text.isprintable() or not 1 <= len(text) <= 4096:
        raise ValueError("must be the path of a folder")
    return Path((info.context or {}).get("base", ".")) / text


def file_path(value: Any, info: ValidationInfo) -> Path:
    """A file; a relative one is looked for beside the configuration file."""
    if isinstance(value, str) and ("-----BEGIN" in value or not value.isprintable()):
        # Very likely the file's contents: nothing of it is repeated, as it may be a key.
        raise ValueError("must be the path of a file, and not what is in it")
    text = _text(value, "tls/server.pem")
    if not text or len(text) > 4096:
        raise ValueError("must be the path of a file")
    return Path((info.context or {}).get("base", ".")) / text
