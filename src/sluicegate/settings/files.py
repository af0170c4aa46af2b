"""The files that a configuration names: certificates that are there and fit for each other, folders, and a table."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sluicegate.settings.asking import AskTls
from sluicegate.settings.dispatching import DeliveryTls, Dispatch, DispatchTls
from sluicegate.settings.model import Settings, Tls, UpstreamTls
from sluicegate.settings.problems import Finding
from sluicegate.settings.problems import Path as Place
from sluicegate.settings.relaying import Relay

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

MOST_OCTETS = 16 * 1024 * 1024
"""The largest certificate, key or list of revoked certificates that is read, in octets."""


@dataclass(frozen=True, slots=True)
class _Tls:
    """A table of certificates: where it stands, and its files."""

    table: Place
    name: str
    """As a caution calls it."""
    certificate: Path | None
    key: Path | None
    authorities: str
    """The key of the file of authorities."""
    ca: Path | None


def check_files(settings: Settings) -> list[Finding]:
    """What is wrong with the files and folders that a configuration names."""
    found = _check_tables(_tables(settings))
    if settings.gateway.tls:
        found += _one(_revoked, ("gateway", "tls", "client_crl"), settings.gateway.tls.client_crl)
    if settings.record:
        found += _folder(("record", "folder"), settings.record.folder)
    if settings.operations and not settings.operations.database.remote:
        found += _store(("operations", "database"), Path(settings.operations.database))
    if settings.notices.smtp:
        found += _one(_authorities, ("notices", "smtp", "ca"), settings.notices.smtp.ca)
    if settings.dispatch:
        found += _databases(settings.dispatch)
    if settings.sign_in and settings.sign_in.openid:
        openid = settings.sign_in.openid
        found += _one(_secret, ("sign_in", "openid", "client_secret_file"), openid.client_secret_file)
    return found


def check_relay_files(relay: Relay) -> list[Finding]:
    """What is wrong with the files and folders that a relay's file names."""
    found = _check_tables(_relay_tables(relay))
    if relay.tls:
        found += _one(_revoked, ("relay", "tls", "client_crl"), relay.tls.client_crl)
    if relay.demand:
        found += _folder(("relay", "demand", "folder"), relay.demand.folder)
    found += _store(("relay", "store"), Path(relay.store))
    return found


def _check_tables(tables: Iterable[_Tls]) -> list[Finding]:
    found: list[Finding] = []
    for tls in tables:
        if tls.certificate and tls.key:
            found += _pair(tls.table, tls.certificate, tls.key)
        found += _one(_authorities, (*tls.table, tls.authorities), tls.ca)
    return found


def _relay_tables(relay: Relay) -> Iterator[_Tls]:
    if relay.tls:
        yield _Tls(
            ("relay", "tls"), "relay.tls", relay.tls.certificate, relay.tls.key, "client_ca", relay.tls.client_ca
        )
    outward = (
        (("relay", "gateway_tls"), relay.gateway_tls),
        (("relay", "callback", "tls"), relay.callback.tls if relay.callback else None),
    )
    for table, tls in outward:
        if tls:
            yield _Tls(table, ".".join(table), tls.certificate, tls.key, "ca", tls.ca)


def _tables(settings: Settings) -> Iterator[_Tls]:
    gateway, dispatch = settings.gateway, settings.dispatch
    own: list[tuple[Place, Tls | DispatchTls | AskTls | None]] = [
        (("gateway", "tls"), gateway.tls),
        (("dispatch", "tls"), dispatch.tls if dispatch else None),
        (("ask", "tls"), settings.ask.tls if settings.ask else None),
    ]
    outward: list[tuple[Place, str, UpstreamTls | DeliveryTls | None]] = [
        (("gateway", "upstream_tls"), "gateway.upstream_tls", gateway.upstream_tls),
        (("dispatch", "users", "tls"), "dispatch.users.tls", dispatch.users.tls if dispatch else None),
        (("notices", "tls"), "notices.tls", settings.notices.tls),
        (("telemetry", "tls"), "telemetry.tls", settings.telemetry.tls if settings.telemetry else None),
        *((("csp", index, "tls"), f"csp.tls of {csp.name}", csp.tls) for index, csp in enumerate(settings.csps)),
    ]
    if settings.account and settings.account.tls:
        of_account = settings.account.tls
        yield _Tls(("account", "tls"), "account.tls", of_account.certificate, of_account.key, "ca", None)
    if settings.sign_in and settings.sign_in.openid:
        openid = ("sign_in", "openid")
        yield _Tls(openid, ".".join(openid), None, None, "ca", settings.sign_in.openid.ca)
    for table, shown in own:
        if shown:
            name = ".".join(map(str, table))
            yield _Tls(table, name, shown.certificate, shown.key, "client_ca", shown.client_ca)
    for table, name, tls in outward:
        if tls:
            yield _Tls(table, name, tls.certificate, tls.key, "ca", tls.ca)


def open_keys(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Each private key or secret that every account of this machine may read, as what it is and its path."""
    secrets = [(f"the private key of {tls.name}", tls.key) for tls in _tables(settings)]
    if settings.sign_in and settings.sign_in.openid:
        secrets.append(("the client secret of sign_in.openid", settings.sign_in.openid.client_secret_file))
    for what, path in secrets:
        if path and path.is_file() and path.stat().st_mode & 0o007:
            yield what, path


def _databases(dispatch: Dispatch) -> list[Finding]:
    """The store is made when it is needed, the folder that it is in is not; a table of devices is there."""
    found = [] if dispatch.store.remote else _store(("dispatch", "store"), Path(dispatch.store))
    routes, key = dispatch.routes, ("dispatch", "routes")
    database = Path(routes.database) if routes.database is not None and not routes.database.remote else None
    for name, file in (("table", routes.table), ("database", database)):
        try:
            if file:
                _readable(file)
        except _Unfit as unfit:
            found.append(Finding((*key, name), f"{file} {unfit}"))
    return found


def _store(key: Place, path: Path) -> list[Finding]:
    """It is made when it is needed, the folder that it is in is not."""
    try:
        wrong = "is a folder: name a file" if path.is_dir() else ""
        if not wrong and not path.parent.is_dir():
            wrong = "is in a folder that is not there: make it, or mend the path"
        if not wrong and not os.access(path if path.exists() else path.parent, os.W_OK):
            wrong = "must not be written to by this account: change its permissions or the account"
    except OSError as error:
        wrong = f"cannot be used: {error.strerror or error}"
    return [Finding(key, f"{path} {wrong}")] if wrong else []


def _folder(key: Place, path: Path) -> list[Finding]:
    """A folder that is not there is made when it is needed."""
    try:
        there = path.exists()
        wrong = "is not a folder: name one, or remove it" if there and not path.is_dir() else ""
        if there and not wrong and not os.access(path, os.W_OK | os.X_OK):
            wrong = "must not be written to by this account: change its permissions or the account"
    except OSError as error:
        wrong = f"cannot be used: {error.strerror or error}"
    return [Finding(key, f"{path} {wrong}")] if wrong else []


def expiries(settings: Settings) -> Iterator[tuple[str, datetime]]:
    """Each certificate that is shown or trusted, as `key of the file`, and when it ends.

    Files that cannot be read are passed over: `check_files` reports them.
    """
    named = {f"{tls.name}.certificate": tls.certificate for tls in _tables(settings)}
    named |= {f"{tls.name}.{tls.authorities}": tls.ca for tls in _tables(settings)}
    for key, path in named.items():
        try:
            certificates = _certificates(_octets(path)) if path else []
        except _Unfit:
            continue
        for certificate in certificates:
            yield key, certificate.not_valid_after_utc


class _Unfit(Exception):  # noqa: N818 - never leaves this module
    """A file that cannot serve. The text says why."""


def _one(check: Callable[[bytes], object], key: Place, path: Path | None) -> list[Finding]:
    if path is None:
        return []
    try:
        check(_octets(path))
    except _Unfit as unfit:
        return [Finding(key, f"{path} {unfit}")]
    return []


def _pair(table: Place, certificate: Path, key: Path) -> list[Finding]:
    of_certificate, of_key = (*table, "certificate"), (*table, "key")
    found = _one(_certificates, of_certificate, certificate) + _one(_private_key, of_key, key)
    if found:
        return found
    if _certificates(_octets(certificate))[0].public_key() != _private_key(_octets(key)).public_key():
        message = f"{key} is not the key of {certificate}: the first certificate there must be its own"
        return [Finding(of_key, message, about=(of_certificate,))]
    try:
        # The last word is OpenSSL's, which also refuses weak keys and digests. The key has no password.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: b"")
    except (OSError, ssl.SSLError) as error:
        return [Finding(of_certificate, f"{certificate} and {key} cannot be used: {error}", about=(of_key,))]
    return []


def _octets(path: Path) -> bytes:
    octets = _readable(path, MOST_OCTETS + 1)
    if len(octets) > MOST_OCTETS:
        raise _Unfit(f"is larger than {MOST_OCTETS:,} octets")
    return octets


def _readable(path: Path, most: int = 1) -> bytes:
    """The first octets of a file."""
    try:
        if not path.is_file():
            raise _Unfit("is not a file" if path.exists() else "is not there: put it there, or mend the path")
        with path.open("rb") as file:
            return file.read(most)
    except PermissionError:
        raise _Unfit("must not be read by this account: change its permissions or the account") from None
    except OSError as error:
        raise _Unfit(f"cannot be read: {error.strerror or error}") from None


def _certificates(octets: bytes) -> list[Certificate]:
    from cryptography import x509  # noqa: PLC0415 - only where there is TLS

    try:
        return x509.load_pem_x509_certificates(octets)
    except ValueError:
        raise _Unfit("holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)") from None


def _authorities(octets: bytes) -> None:
    from cryptography import x509  # noqa: PLC0415

    for certificate in _certificates(octets):
        try:
            constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
            authority = constraints.ca
        except x509.ExtensionNotFound:
            authority = False
        except ValueError:
            raise _Unfit("holds a certificate with extensions that cannot be read") from None
        if not authority:
            subject = certificate.subject.rfc4514_string()
            raise _Unfit(f"holds the certificate of {subject!r}, which is not an authority: take it out")


def _private_key(octets: bytes) -> PrivateKeyTypes:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        return load_pem_private_key(octets, password=None)
    except TypeError:
        raise _Unfit("is protected by a password, which nobody could type at a start: take it off") from None
    except (ValueError, UnsupportedAlgorithm):
        raise _Unfit("holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)") from None


def _secret(octets: bytes) -> None:
    text = octets.strip()
    if not 1 <= len(text) <= 1000 or not text.isascii() or not text.decode().isprintable():
        raise _Unfit("holds no client secret: one line of printable characters, as the provider gave it")


def _revoked(octets: bytes) -> None:
    from cryptography import x509  # noqa: PLC0415

    try:
        x509.load_pem_x509_crl(octets)
    except ValueError:
        raise _Unfit("holds no list of revoked certificates in PEM form (-----BEGIN X509 CRL-----)") from None
