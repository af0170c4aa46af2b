"""The small types: what is taken, in which form it is kept, and what is refused."""

from decimal import Decimal
from ipaddress import ip_network

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.settings import fields, subject_form


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8079", "127.0.0.1", 8079),
        ("[::1]:8079", "::1", 8079),
        ("[::]:0", "::", 0),
        ("gateway.example:443", "gateway.example", 443),
        ("localhost:1", "localhost", 1),
    ],
)
def test_an_address_is_a_host_and_a_port(text, host, port):
    address = fields.address(text)
    assert (address.host, address.port) == (host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "8079", ":8079", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:80 ", "::1:8079",
        "[::1]", "[127.0.0.1]:80", "[]:80", "[::1:80",
        "256.0.0.1:80", "1.2.3:80", "a b:80", "host:\u0668\u0660", "-a:80",
        "fe80::1%eth0:80", "[fe80::1%eth0]:80", "a" * 64 + ":80", 8079, None, ["127.0.0.1:80"],
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError):
        fields.address(text)


def test_an_ipv6_address_without_brackets_is_told_how_to_be_written():
    with pytest.raises(ValueError, match=r"write \"\[::1\]:8079\""):
        fields.address("::1:8079")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("LOCALHOST", True),
        ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("gateway.example", False),
        ("localhost.example", False), ("::ffff:127.0.0.1", False),
    ],
)  # fmt: skip
def test_only_addresses_of_this_machine_alone_are_loopback(host, loopback):
    assert fields.Address(host, 80).loopback is loopback


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("http://127.0.0.1:8080", ("http", "127.0.0.1", 8080, "")),
        ("http://dsp.example", ("http", "dsp.example", 80, "")),
        ("https://dsp.example/", ("https", "dsp.example", 443, "")),
        ("HTTPS://DSP.example:8443/a/b%20c/", ("https", "dsp.example", 8443, "/a/b%20c")),
        ("https://[::1]:8443/base", ("https", "::1", 8443, "/base")),
    ],
)
def test_an_upstream_is_a_url_with_perhaps_a_path_in_front(text, parts):
    url = fields.upstream(text)
    assert (url.scheme, url.host, url.port, url.prefix) == parts


@pytest.mark.parametrize(
    "text",
    [
        "", "127.0.0.1:8080", "dsp.example", "ftp://dsp.example", "http://", "http:///x", "http://dsp:0", "http://dsp:65536",
        "http://dsp:x", "http://user:secret@dsp", "http://dsp?x", "http://dsp/?", "http://dsp/#a", "http://dsp/a b",
        "http://dsp/\na", "http://d\tsp", "http://dsp//a", "http://[::1", "http://dsp/é", "http://1.2.3", 3, None,
    ],
)  # fmt: skip
def test_what_is_no_upstream_is_refused(text):
    with pytest.raises(ValueError):
        fields.upstream(text)


def test_a_password_in_the_upstream_is_refused_without_being_repeated():
    with pytest.raises(ValueError) as caught:
        fields.upstream("http://user:hunter2@dsp.example")
    assert "hunter2" not in str(caught.value)


def test_a_trusted_proxy_is_an_address_or_a_network():
    assert fields.network("10.1.2.3") == ip_network("10.1.2.3/32")
    assert fields.network("2001:db8::/32") == ip_network("2001:db8::/32")


def test_a_network_with_bits_behind_its_mask_is_told_what_is_meant():
    with pytest.raises(ValueError, match=r"10\.1\.2\.0/24"):
        fields.network("10.1.2.3/24")


@pytest.mark.parametrize("text", ["", "proxy.example", "10.1.2.0/33", "10.1", 7])
def test_what_is_no_network_is_refused(text):
    with pytest.raises(ValueError):
        fields.network(text)


@given(st.binary(min_size=8, max_size=8), st.booleans())
def test_a_user_id_is_taken_in_any_case_and_kept_in_upper_case(octets, upper):
    text = octets.hex("-")
    assert fields.eui64(text.upper() if upper else text) == text.upper()


@pytest.mark.parametrize(
    "text",
    ["", "90B3D51F30010000", "90-B3-D5-1F-30-01-00", "90-B3-D5-1F-30-01-00-0G", "90-B3-D5-1F-30-01-00-00\n", 9],
)
def test_what_is_no_user_id_is_refused(text):
    with pytest.raises(ValueError):
        fields.eui64(text)


@pytest.mark.parametrize("text", ["11.1", "6.15.1", "4.10", "99.99.99"])
def test_an_srv_is_two_or_three_numbers(text):
    assert fields.srv(text) == text


@pytest.mark.parametrize("text", ["", "11", "11.", "011.1", "1.0", "1.2.3.4", "100.1", "4.*", "a.b", "1.1\n", 11.1])
def test_what_is_no_srv_is_refused(text):
    with pytest.raises(ValueError):
        fields.srv(text)


@pytest.mark.parametrize("value", ["4.1", "4.10", "+4.1", "04.1", " 4.1\n", "4.1000000000000000000", 4.1])
def test_a_duis_version_is_compared_as_a_decimal_number(value):
    assert fields.duis_version(value) == Decimal("4.1")


def test_a_whole_number_is_a_duis_version_too():
    assert fields.duis_version(5) == fields.duis_version("5.") == fields.duis_version("5.0") == Decimal(5)
    assert fields.duis_version(".5") == Decimal("0.5")


@pytest.mark.parametrize(
    "value",
    ["", " ", ".", "4,1", "4.1x", "4e0", "-1", "1001", "NaN", "Infinity", "4_1", "\u0664.1", "4 .1", "4" * 41, True,
     float("nan"), float("inf"), 1e300, 10**400, None, [4.1]],
)  # fmt: skip
def test_what_is_no_duis_version_is_refused(value):
    with pytest.raises(ValueError):
        fields.duis_version(value)


@given(st.decimals(min_value=0, max_value=1000, allow_nan=False, allow_infinity=False, places=6))
def test_every_decimal_in_bounds_is_read_exactly(version):
    assert fields.duis_version(f"{version:f}") == version


@pytest.mark.parametrize("text", ["A", "Large Supplier A", "Électricité & Söhne", "x" * 100])
def test_a_name_may_have_any_printable_character(text):
    assert fields.name(text) == text


@pytest.mark.parametrize("text", ["", "x" * 101, " A", "A ", "A\n", "A\tB", "A\x1b[31m", "A\u202eB", "A\u200bB", 5])
def test_a_name_that_could_deceive_a_reader_is_refused(text):
    with pytest.raises(ValueError):
        fields.name(text)


def test_a_fingerprint_is_kept_without_colons_and_in_lower_case():
    digits = "AB" * 32
    colons = ":".join(["AB"] * 32)
    assert fields.certificate(f"sha256:{digits}") == "sha256:" + "ab" * 32
    assert fields.certificate(f"SHA256: {colons}") == "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("CN=large-supplier-a,O=Example", "CN=large-supplier-a,O=Example"),
        ("cn=large-supplier-a,o=Example", "CN=large-supplier-a,O=Example"),
        ("CN=\\41 b,O=Example\\, Ltd", "CN=A b,O=Example\\, Ltd"),
        ("CN=a,O=x\\,cn=y", "CN=a,O=x\\,cn=y"),
        ("CN=a+OU=b,O=x", "OU=b+CN=a,O=x"),
        ("emailAddress=a@b.example,CN=a", "1.2.840.113549.1.9.1=a@b.example,CN=a"),
        ("serialNumber=90B3,CN=a", "2.5.4.5=90B3,CN=a"),
    ],
)
def test_a_subject_is_kept_in_one_form_however_it_is_written(text, kept):
    assert fields.certificate(text) == kept
    assert fields.certificate(kept) == kept


@pytest.mark.parametrize(
    "text",
    ["", "large-supplier-a", "CN=a, O=b", "CN=a,", "XYZ=a", "C=GBR", "CN=a\n", "CN=" + "a" * 2000, "sha256:", 1,
     "sha256:" + "g" * 64, "sha256:" + "a" * 63, "sha1:" + "a" * 40],
)  # fmt: skip
def test_what_is_no_certificate_is_refused(text):
    with pytest.raises(ValueError):
        fields.certificate(text)


def test_the_subject_of_a_real_certificate_is_in_the_form_that_is_kept(authority):
    certificate = authority.issue_cert("a.example", common_name="large-supplier-a", organization_name="Example, Ltd")
    subject = x509.load_pem_x509_certificate(certificate.cert_chain_pems[0].bytes()).subject
    assert fields.certificate(subject.rfc4514_string()) == subject_form(subject)
    assert "CN=large-supplier-a" in subject_form(subject)
