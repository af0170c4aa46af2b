"""The certificate files that a configuration names."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sluicegate.settings import SettingsError, cautions, parse

TLS = """\
[gateway.tls]
certificate = "server.pem"
key = "server.key"
client_ca = "ca.pem"
client_crl = "clients.crl"
"""


@pytest.fixture
def folder(tmp_path: Path, authority: trustme.CA) -> Path:
    server = authority.issue_cert("gateway.example")
    (tmp_path / "server.pem").write_bytes(b"".join(pem.bytes() for pem in server.cert_chain_pems))
    (tmp_path / "server.key").write_bytes(server.private_key_pem.bytes())
    (tmp_path / "server.key").chmod(0o600)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "clients.crl").write_bytes(revoked())
    return tmp_path


def revoked() -> bytes:
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
    builder = x509.CertificateRevocationListBuilder(name, last_update=now, next_update=now + timedelta(1))
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(
        serialization.Encoding.PEM
    )


@pytest.fixture
def with_tls(right: str) -> str:
    return right.replace('"originator"', '"certificate"').replace("[admin]\n", TLS + "[admin]\n")


def test_files_that_fit_each_other_are_right(folder, with_tls):
    tls = parse(with_tls, base=folder).gateway.tls
    assert tls is not None
    assert tls.client_ca == folder / "ca.pem"


def spoil_missing(folder):
    (folder / "server.key").unlink()


def spoil_directory(folder):
    (folder / "server.key").unlink()
    (folder / "server.key").mkdir()


def spoil_no_key(folder):
    (folder / "server.key").write_text("no key")


def spoil_password(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "server.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )


def spoil_other_key(folder):
    (folder / "server.key").write_bytes(trustme.CA().issue_cert("other.example").private_key_pem.bytes())


def spoil_no_certificate(folder):
    (folder / "server.pem").write_bytes((folder / "server.key").read_bytes())


def spoil_der(folder):
    pem = (folder / "server.pem").read_bytes()
    (folder / "server.pem").write_bytes(
        x509.load_pem_x509_certificates(pem)[0].public_bytes(serialization.Encoding.DER)
    )


def spoil_empty_authority(folder):
    (folder / "ca.pem").write_bytes(b"")


def spoil_no_authority(folder):
    (folder / "ca.pem").write_bytes((folder / "server.pem").read_bytes())


def spoil_crl(folder):
    (folder / "clients.crl").write_bytes((folder / "ca.pem").read_bytes())


@pytest.mark.parametrize(
    ("spoil", "key", "message"),
    [
        (spoil_missing, "key", "is not there: put it there"),
        (spoil_directory, "key", "is not a file"),
        (spoil_no_key, "key", "holds no private key in PEM form"),
        (spoil_password, "key", "is protected by a password"),
        (spoil_other_key, "key", "is not the key of"),
        (spoil_no_certificate, "certificate", "holds no certificate in PEM form"),
        (spoil_der, "certificate", "holds no certificate in PEM form"),
        (spoil_empty_authority, "client_ca", "holds no certificate in PEM form"),
        (spoil_no_authority, "client_ca", "which is not an authority"),
        (spoil_crl, "client_crl", "holds no list of revoked certificates"),
    ],
)
def test_a_file_that_cannot_serve_is_named_with_the_line_of_its_key(folder, with_tls, spoil, key, message):
    spoil(folder)
    with pytest.raises(SettingsError) as caught:
        parse(with_tls, base=folder)
    (problem,) = caught.value.problems
    assert problem.where == f"gateway.tls.{key}"
    assert with_tls.split("\n")[problem.line - 1].startswith(key)
    assert message in problem.message
    assert "BEGIN EC" not in problem.message


def test_a_key_too_weak_for_openssl_is_refused(folder, with_tls, monkeypatch):
    import ssl

    def refuse(*_, **__):
        raise ssl.SSLError(1, "[SSL: EE_KEY_TOO_SMALL] ee key too small")

    monkeypatch.setattr("ssl.SSLContext.load_cert_chain", refuse)
    with pytest.raises(SettingsError, match=r"cannot be used: .*ee key too small"):
        parse(with_tls, base=folder)


def test_files_of_the_way_to_the_dsp_are_looked_at_too(folder, right):
    text = right.replace("http://", "https://").replace(
        "[admin]", '[gateway.upstream_tls]\nca = "none.pem"\ncertificate = "server.pem"\nkey = "none.key"\n[admin]'
    )
    with pytest.raises(SettingsError) as caught:
        parse(text, base=folder)
    assert [problem.where for problem in caught.value.problems] == [
        "gateway.upstream_tls.ca",
        "gateway.upstream_tls.key",
    ]


def test_files_are_left_unread_where_they_are_not_wanted(tmp_path, with_tls):
    assert parse(with_tls, base=tmp_path, files=False).gateway.tls


def test_a_file_of_absurd_size_is_not_read_whole(folder, with_tls, monkeypatch):
    monkeypatch.setattr("sluicegate.settings.files.MOST_OCTETS", 100)
    with pytest.raises(SettingsError, match="is larger than 100 octets"):
        parse(with_tls, base=folder)


@pytest.mark.parametrize(
    ("before", "said"), [(timedelta(days=29), "that ends on"), (timedelta(days=-1), "out of date since")]
)
def test_a_certificate_near_its_end_is_a_caution(folder, with_tls, before, said):
    settings = parse(with_tls, base=folder)
    certificate = x509.load_pem_x509_certificate((folder / "server.pem").read_bytes())
    found = [
        c
        for c in cautions(settings, now=certificate.not_valid_after_utc - before)
        if c.startswith("gateway.tls.certificate") and said in c
    ]
    assert len(found) == 1
    assert not any("tls" in c for c in cautions(settings, files=False))


def test_a_certificate_with_time_left_causes_no_caution(folder, with_tls):
    assert cautions(parse(with_tls, base=folder)) == ()


def test_a_key_that_everybody_may_read_is_a_caution(folder, with_tls):
    (folder / "server.key").chmod(0o644)
    (found,) = cautions(parse(with_tls, base=folder))
    assert "the private key of gateway.tls, is open to every account" in found
