"""A User's certificate as proxies pass it on: every form of theirs, and nothing that could mean two."""

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pki import Authority

from sluicegate.front.passed import NOTHING, Passed, read_passed


@pytest.fixture(scope="module")
def credential(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("pki")).issue("CN=large\\, inc,O=Example")


def escaped(credential) -> str:
    return quote(credential.pem.read_text())


def test_each_form_says_the_same_certificate(credential) -> None:
    whole = Passed(credential.der)
    chain = quote(credential.pem.read_text() * 2)
    assert read_passed(credential.field.encode()) == whole
    assert read_passed(escaped(credential).encode()) == whole
    assert read_passed(chain.encode()) == whole, "the first of a chain is the sender's own"
    assert read_passed(f'By=x;Hash={"0" * 64};Cert="{escaped(credential)}";URI=a;URI=b'.encode()) == whole


def test_names_that_stand_for_a_certificate_are_those_of_the_configuration(credential) -> None:
    digits = credential.fingerprint.removeprefix("sha256:")
    assert read_passed(credential.fingerprint.encode()).names == (credential.fingerprint,)
    assert read_passed(digits.upper().encode()).names == (credential.fingerprint,)
    forwarded = f'Hash={digits};Subject="O=Example,CN=large\\\\, inc"'
    assert read_passed(forwarded.encode()).names == (credential.fingerprint, "O=Example,CN=large\\, inc")


@pytest.mark.parametrize(
    "field",
    [
        b"", b"::", b":a:", b"sha256:00", b"x" * 20_000, b"-----BEGIN CERTIFICATE-----", b"nonsense",
        b"Hash=" + b"0" * 64 + b",Hash=" + b"1" * 64,  # two elements: somebody else wrote one of them
        b"Hash=" + b"0" * 64 + b";Hash=" + b"1" * 64,
        b'Subject="CN=a', b'Cert="none"', b'Subject="not a name"', b"Hash=" + b"0" * 63,
    ],
)  # fmt: skip
def test_what_is_no_certificate_or_more_than_one_says_nothing(field) -> None:
    passed = read_passed(field)
    assert passed.certificate is None
    assert passed.names == ()


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_stands_there_is_read_or_is_nothing(field) -> None:
    assert isinstance(read_passed(field), Passed)


@given(st.binary(min_size=1, max_size=100))
def test_rfc_9440_is_base64_of_the_octets(der) -> None:
    assert read_passed(b":" + base64.b64encode(der) + b":") == Passed(der)
    assert read_passed(base64.b64encode(der)[:40]) in (NOTHING, Passed(None))
