"""Who is it: certificates by subject and fingerprint, forwarded certificates, and what each of them may say."""

from __future__ import annotations

import base64
import warnings
from time import monotonic, time

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from pki import (
    LARGE_SUBJECT,
    SMALL_SUBJECT,
    Authority,
    client_context,
    dial,
    over_tls,
    own_tls,
    turned_away,
    users,
)
from rig import LARGE, SMALL, STRANGER, Client, ask, configuration, message, request, wait_for

from sluicegate.front import identity
from sluicegate.front.identity import counted_as
from sluicegate.gateway.desk import Desk
from sluicegate.settings import SettingsError, parse, subject_form

PROXY = "127.0.0.1"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def desk_of(large=(LARGE_SUBJECT,), small=(SMALL_SUBJECT,), mode="forwarded-certificate", proxies=(PROXY,)):
    tables = {"gateway": {"identity": mode, "trusted_proxies": list(proxies)}}
    if mode == "certificate":
        tables["gateway__tls"] = {"certificate": "c", "key": "k", "client_ca": "ca"}
    text = configuration("http://127.0.0.1:1", users=users(large, small), **tables)
    return Desk(parse(text, files=False, insecure=True))


def served_by(desk, credential):
    """The names of the Users that a certificate speaks for."""
    sender = desk.identities.of_field(credential.field.encode(), PROXY)
    names = {served.name for served in sender.served.values()}
    assert sender.known is bool(names)
    return names


def name(*elements, kind=None):
    """A Name of elements, each a tuple of attribute, value, attribute, value, ..., the most special first."""
    oids = {"CN": NameOID.COMMON_NAME, "O": NameOID.ORGANIZATION_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME}
    oids |= {"EMAIL": NameOID.EMAIL_ADDRESS, "UID": NameOID.USER_ID, "DC": NameOID.DOMAIN_COMPONENT}
    return x509.Name(
        x509.RelativeDistinguishedName(
            x509.NameAttribute(oids[key], value, kind) for key, value in zip(parts[::2], parts[1::2], strict=True)
        )
        for parts in reversed(elements)
    )


# --- certificates and Users


@pytest.mark.parametrize(
    ("written", "subject"),
    [
        (LARGE_SUBJECT, name(("CN", "large"), ("O", "Example"))),
        (LARGE_SUBJECT, name(("CN", "large"), ("O", "Example"), kind=_ASN1Type.PrintableString)),
        (LARGE_SUBJECT, name(("CN", "large"), ("O", "Example"), kind=_ASN1Type.BMPString)),
        ("cn=large,o=Example", name(("CN", "large"), ("O", "Example"))),
        ("CN=a+OU=b,O=Example", name(("OU", "b", "CN", "a"), ("O", "Example"))),
        ("OU=b+CN=a,O=Example", name(("CN", "a", "OU", "b"), ("O", "Example"))),
        (r"CN=large\, larger,O=Smith \+ Co \"x\"", name(("CN", "large, larger"), ("O", 'Smith + Co "x"'))),
        (r"CN=\ large\ ,O=\#1", name(("CN", " large "), ("O", "#1"))),
        ("CN=Zoë,O=電力", name(("CN", "Zoë"), ("O", "電力"))),
        (r"CN=Zo\C3\AB,O=Example", name(("CN", "Zoë"), ("O", "Example"))),
        ("E=a@example.org,CN=a", name(("EMAIL", "a@example.org"), ("CN", "a"))),
        ("UID=1,DC=example,DC=org", name(("UID", "1"), ("DC", "example"), ("DC", "org"))),
    ],
)
def test_a_certificate_is_known_by_its_subject(authority, written, subject):
    assert served_by(desk_of([written]), authority.issue(subject)) == {"Large"}


@pytest.mark.parametrize(
    ("written", "subject"),
    [
        (LARGE_SUBJECT, name(("CN", "large"), ("O", "Another"))),
        (LARGE_SUBJECT, name(("O", "Example"), ("CN", "large"))),
        (LARGE_SUBJECT, name(("CN", "large", "O", "Example"))),
        (LARGE_SUBJECT, name(("CN", "large"))),
        (LARGE_SUBJECT, name(("CN", "large"), ("O", "Example"), ("DC", "org"))),
        (LARGE_SUBJECT, name(("UID", "x"), ("CN", "large"), ("O", "Example"))),
        (LARGE_SUBJECT, name(("CN", "large,O=Example"))),
        (LARGE_SUBJECT, name(("CN", "large\0"), ("O", "Example"))),
        (LARGE_SUBJECT, name(("CN", "large "), ("O", "Example"))),
        (LARGE_SUBJECT, name(("CN", "LARGE"), ("O", "Example"))),
        (LARGE_SUBJECT, name(("CN", "\u217carge"), ("O", "Example"))),  # a numeral that looks like l
        ("CN=a+OU=b,O=Example", name(("CN", "a"), ("OU", "b"), ("O", "Example"))),
        ("CN=a+OU=b", name(("CN", "a+OU=b"))),
    ],
)
def test_a_certificate_with_another_subject_is_nobodys(authority, written, subject):
    assert served_by(desk_of([written]), authority.issue(subject)) == set()


ATTRIBUTES = st.tuples(
    st.sampled_from([NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.USER_ID, x509.ObjectIdentifier("1.2.3")]),
    st.one_of(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6),
        st.text('a,+=\\"#; <>2.5O CN', min_size=1, max_size=12),
    ),
)
SUBJECTS = st.lists(st.frozensets(ATTRIBUTES, min_size=1, max_size=3), min_size=1, max_size=3)


def _named(subject, kind=None, *, turned=False):
    elements = [sorted(element, key=repr, reverse=turned) for element in subject]
    return x509.Name(
        x509.RelativeDistinguishedName(x509.NameAttribute(oid, value, kind) for oid, value in element)
        for element in elements
    )


@given(SUBJECTS, SUBJECTS)
def test_two_subjects_have_the_same_form_only_if_they_are_the_same(one, other):
    assert (subject_form(_named(one)) == subject_form(_named(other))) is (one == other)
    assert subject_form(_named(one)) == subject_form(_named(one, _ASN1Type.BMPString, turned=True))


def test_a_certificate_is_known_by_its_fingerprint_and_no_other_of_the_same_subject_is(authority):
    own, renewed = authority.issue(LARGE_SUBJECT), authority.issue(LARGE_SUBJECT)
    desk = desk_of([own.fingerprint.upper().replace("SHA256", "sha256")])
    assert served_by(desk, own) == {"Large"}
    assert served_by(desk, renewed) == set()


def test_a_shared_certificate_speaks_for_all_of_its_users_and_for_no_others(authority):
    shared = "CN=service provider,O=Example"
    both = authority.issue(shared)
    assert served_by(desk_of([shared], [SMALL_SUBJECT, shared]), both) == {"Large", "Small"}
    assert served_by(desk_of([shared], [both.fingerprint]), both) == {"Large", "Small"}
    assert served_by(desk_of([shared]), both) == {"Large"}


# --- what arrives in Client-Cert

CREDENTIAL: list[bytes] = []


@pytest.fixture(scope="module", autouse=True)
def _a_certificate(tmp_path_factory):
    CREDENTIAL[:] = [Authority(tmp_path_factory.mktemp("pki")).issue(LARGE_SUBJECT).der]


def _damaged(draw):
    der = bytearray(CREDENTIAL[0])
    for _ in range(draw(st.integers(1, 3))):
        # The first 200 octets hold version, serial number, names and dates, which are what is read.
        der[draw(st.integers(0, min(200, len(der) - 1)))] = draw(st.integers(0, 255))
    return bytes(der[: draw(st.one_of(st.just(len(der)), st.integers(0, len(der))))])


FIELDS = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=200).map(lambda octets: b":%b:" % base64.b64encode(octets)),
    st.composite(_damaged)().map(lambda octets: b":%b:" % base64.b64encode(octets)),
    st.text(":=+/AZaz09 \t", max_size=40).map(str.encode),
)


@given(FIELDS)
def test_whatever_stands_in_client_cert_nothing_breaks_and_only_a_certificate_is_somebody(field):
    fingerprint = identity.hashlib.sha256(CREDENTIAL[0]).hexdigest()
    desk = desk_of([f"sha256:{fingerprint}"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the parser has to say of odd certificates
        sender = desk.identities.of_field(field, PROXY)
    exact = b":%b:" % base64.b64encode(CREDENTIAL[0])
    assert sender.known is (field.strip() == exact)
    assert bool(sender.served) is sender.known


@pytest.mark.parametrize("version", [1, 4, 30])
def test_a_certificate_of_an_unheard_of_version_is_nobodys(authority, version):
    der = authority.issue(LARGE_SUBJECT).der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01" + bytes([version]), 1)
    field = b":%b:" % base64.b64encode(der)
    assert desk_of().identities.of_field(field, PROXY).known is False
    assert desk_of(mode="certificate").identities.of_connection(PROXY, der).known is False


def test_a_subject_that_no_parser_reads_is_nobodys(authority):
    # A bit string where a name must have text: the parser raises something else than it says.
    der = authority.issue(LARGE_SUBJECT).der.replace(b"\x0c\x05large", b"\x03\x05\0arge")
    assert desk_of().identities.of_field(b":%b:" % base64.b64encode(der), PROXY).known is False


def test_what_is_remembered_of_certificates_is_bounded(monkeypatch):
    monkeypatch.setattr(identity, "MOST_CERTIFICATES", 10)
    identities = desk_of().identities
    for number in range(100):
        identities.of_field(b":%b:" % base64.b64encode(b"%d" % number), PROXY)
    assert len(identities._seen) == 10


# --- proxies, modes and settings


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "::FFFF:0A01:0203", "fd00::1", "fd00::1%eth0"])
def test_a_proxy_is_trusted_however_its_address_is_written(address):
    assert desk_of(proxies=["10.1.2.0/24", "fd00::/8"]).identities.of_connection(address, None) is None


@pytest.mark.parametrize("address", ["10.1.3.1", "::ffff:10.1.3.1", "::10.1.2.3", "fe80::1", "local", "", "10.1.2.3.4"])
def test_nobody_else_is_a_proxy(address):
    sender = desk_of(proxies=["10.1.2.0/24", "fd00::/8"]).identities.of_connection(address, None)
    assert sender is not None
    assert not sender.known


def test_senders_of_ipv6_are_counted_by_their_network():
    assert counted_as("2001:db8::1") == counted_as("2001:db8::ffff:1") == "2001:db8::/64"
    assert counted_as("2001:db8:0:1::1") == "2001:db8:0:1::/64"
    assert counted_as("fe80::1%eth0") == "fe80::/64"
    assert counted_as("::ffff:10.1.2.3") == counted_as("10.1.2.3") == "10.1.2.3"
    assert counted_as("local") == "local"
    assert counted_as("no:address") == "no:address"


def test_without_a_certificate_nobody_is_known_where_certificates_count():
    assert desk_of(mode="certificate").identities.of_connection("127.0.0.1", None).known is False


def test_a_certificate_is_nobodys_after_its_end_though_its_session_is_resumed(authority, monkeypatch):
    identities = desk_of(mode="certificate").identities
    der = authority.issue(LARGE_SUBJECT, days=(-1, 1)).der
    assert identities.of_connection("127.0.0.1", der).known
    monkeypatch.setattr(identity, "time", lambda: time() + 2 * 86_400)
    sender = identities.of_connection("127.0.0.1", der)
    assert (sender.known, sender.served) == (False, {})


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:80", "gateway.example:80"])
def test_originator_is_believed_on_loopback_only_or_where_that_is_said(listen):
    text = configuration("http://127.0.0.1:1", gateway={"listen": listen})
    with pytest.raises(SettingsError, match="--insecure"):
        parse(text)
    assert parse(text, insecure=True).gateway.identity == "originator"
    for loopback in ("127.0.0.1:0", "127.9.9.9:0", "[::1]:0", "localhost:0"):
        parse(configuration("http://127.0.0.1:1", gateway={"listen": loopback}))


def test_everybody_is_a_trusted_proxy_only_where_that_is_said():
    tables = {"identity": "forwarded-certificate", "trusted_proxies": ["0.0.0.0/0"]}
    text = configuration("http://127.0.0.1:1", users=users(), gateway=tables)
    with pytest.raises(SettingsError, match="is everybody"):
        parse(text)
    parse(text, insecure=True)


# --- over a connection with a certificate


@pytest.fixture
def secured(gateway, authority):
    return gateway(users=users(), **own_tls(authority.server(), authority))


def test_an_originator_has_to_be_among_the_certificates_users(secured, upstream, authority):
    with over_tls(secured.port, client_context(authority, authority.issue(SMALL_SUBJECT))) as client:
        kinds = {}
        for originator in (LARGE, SMALL, STRANGER):
            answer = client.send(request(message(originator))).answer()
            kinds[originator] = (answer.status, answer.kind)
    assert kinds == {LARGE: (403, "foreign-originator"), SMALL: (200, ""), STRANGER: (403, "unknown-user")}
    assert [heard.body for heard in upstream.requests] == [message(SMALL)]


def test_a_verified_certificate_of_no_user_is_told_so(secured, upstream, authority):
    with over_tls(secured.port, client_context(authority, authority.issue("CN=nobody"))) as client:
        answer = client.send(request()).answer()
    assert (answer.status, answer.kind) == (403, "no-certificate")
    assert upstream.lines == []


def test_the_same_octets_on_another_connection_are_another_senders(secured, upstream, authority):
    contexts = {
        "Large": client_context(authority, authority.issue(LARGE_SUBJECT)),
        "Small": client_context(authority, authority.issue(SMALL_SUBJECT)),
    }
    octets = request(message(LARGE), f"Client-Cert: {authority.issue(LARGE_SUBJECT).field}")
    with (
        over_tls(secured.port, contexts["Large"]) as large,
        over_tls(secured.port, contexts["Small"]) as small,
    ):
        for _ in range(3):  # the second time, the head has been read before
            assert large.send(octets).answer().status == 200
            assert small.send(octets).answer().kind == "foreign-originator"
    assert len(upstream.requests) == 3
    assert not any(heard.all("Client-Cert") for heard in upstream.requests)


def test_a_certificate_that_was_cut_off_is_kept_out_and_others_are_not(secured, authority):
    bad, good = authority.issue(SMALL_SUBJECT), authority.issue(LARGE_SUBJECT)
    secured.call(lambda: _offend(secured, bad))
    for _ in range(2):
        assert turned_away(secured.port, client_context(authority, bad))
    with over_tls(secured.port, client_context(authority, good)) as client:
        assert client.send(request()).answer().status == 200


def _offend(front, credential):
    """Offences enough to be cut off: in earnest each answer would be later than the one before."""
    while front.desk.offences.commit(credential.fingerprint, monotonic()) >= 0:
        pass


# --- behind a proxy


@pytest.fixture
def behind(gateway):
    """A gateway behind a proxy at 127.0.0.1."""
    return gateway(users=users(), gateway={"identity": "forwarded-certificate", "trusted_proxies": [PROXY]})


def test_a_forwarded_certificate_is_believed_from_a_proxy_and_from_nobody_else(behind, upstream, authority):
    octets = request(None, f"Client-Cert: {authority.issue(LARGE_SUBJECT).field}")
    with Client(behind.port, dial(behind.port, "127.0.0.2")) as stranger:
        for _ in range(2):
            assert stranger.send(octets).answer().kind == "no-certificate"
    assert upstream.lines == []
    for _ in range(2):
        assert ask(behind.port, octets).status == 200
    with Client(behind.port, dial(behind.port, "127.0.0.2")) as stranger:
        assert stranger.send(octets).answer().kind == "no-certificate"


NAMES = ["Client-Cert", "CLIENT-CERT", "client-cert", "cLiEnT-cErT-cHaIn", "Client_Cert", "Client-Cert_Chain"]


@pytest.mark.parametrize("mode", ["originator", "certificate", "forwarded-certificate"])
def test_what_says_whose_certificate_it_is_never_reaches_the_upstream(gateway, upstream, authority, mode):
    tables = own_tls(authority.server(), authority) if mode == "certificate" else {"gateway": {"identity": mode}}
    if mode == "forwarded-certificate":
        tables["gateway"]["trusted_proxies"] = [PROXY]
    front = gateway(users=users(), **tables)
    field = authority.issue(LARGE_SUBJECT).field
    context = client_context(authority, authority.issue(LARGE_SUBJECT))
    with over_tls(front.port, context) if mode == "certificate" else Client(front.port) as client:
        for name in NAMES:
            more = [f"{name}: {field}"] + [f"Client-Cert: {field}"] * (name.lower() != "client-cert")
            for _ in range(2):
                assert client.send(request(None, *more, "Kept: 1")).answer().status == 200
    for heard in upstream.requests:
        assert heard.all("Kept") == ["1"]
        assert b"cert" not in heard.head.lower()
    assert len(upstream.requests) == 2 * len(NAMES)


def test_a_nomination_in_connection_hides_no_certificate(behind, authority):
    field = f"Client-Cert: {authority.issue(SMALL_SUBJECT).field}"
    assert ask(behind.port, request(None, field, "Connection: client-cert")).kind == "foreign-originator"


def _malformed(der):
    right = base64.b64encode(der).decode()
    return {
        "nothing": "",
        "no colons": right,
        "one colon": f":{right}",
        "no base64": ":@@@@:",
        "empty": "::",
        "with white space": f":{right[:40]} {right[40:]}:",
        "truncated DER": f":{base64.b64encode(der[:-10]).decode()}:",
        "more than DER": f":{base64.b64encode(der + b'x').decode()}:",
        "bad padding": f":{right}===:",
        "url-safe base64": f":{base64.urlsafe_b64encode(der + bytes([251] * 3)).decode()}:",
        "two in one": f":{right}:, :{right}:",
        "PEM": "-----BEGIN CERTIFICATE----- " + right,
        "with parameters": f":{right}:;a=1",
        "enormous": f":{base64.b64encode(bytes(75_000)).decode()}:",
    }


def test_a_malformed_certificate_is_nobodys(gateway, upstream, authority):
    tables = {"identity": "forwarded-certificate", "trusted_proxies": [PROXY]}
    front = gateway(users=users(), gateway=tables, gateway__limits={"head_octets": 262_144})
    credential = authority.issue(LARGE_SUBJECT)
    with Client(front.port) as client:
        for what, value in _malformed(credential.der).items():
            answer = client.send(request(None, f"Client-Cert: {value}")).answer()
            assert (answer.status, answer.kind) == (403, "no-certificate"), what
        assert client.send(request()).answer().kind == "no-certificate"
        assert upstream.lines == []
        assert client.send(request(None, f"Client-Cert: {credential.field}")).answer().status == 200


def test_a_head_with_an_enormous_certificate_is_too_large(behind, upstream):
    field = f"Client-Cert: :{base64.b64encode(bytes(75_000)).decode()}:"
    assert ask(behind.port, request(None, field)).status == 431
    assert upstream.lines == []


def test_two_certificates_are_none(behind, upstream, authority):
    large, small = (authority.issue(subject).field for subject in (LARGE_SUBJECT, SMALL_SUBJECT))
    for fields in ([large, large], [large, small], [small, large], [large, ""]):
        octets = request(None, *(f"Client-Cert: {field}" for field in fields))
        for _ in range(2):
            assert ask(behind.port, octets).kind == "no-certificate"
    assert upstream.lines == []


def test_requests_on_a_proxys_connection_each_have_their_own_sender(behind, upstream, authority):
    fields = {
        originator: f"Client-Cert: {authority.issue(subject).field}"
        for originator, subject in ((LARGE, LARGE_SUBJECT), (SMALL, SMALL_SUBJECT), (STRANGER, "CN=stranger"))
    }
    expected = []
    with Client(behind.port) as proxy:
        for turn in range(6):
            # The same message and the same length, so that heads that were read before are met again.
            originator = (LARGE, SMALL)[turn % 2]
            for sender, field in fields.items():
                answer = proxy.send(request(message(originator), field)).answer()
                assert (answer.status == 200) is (sender == originator), (turn, sender)
            expected.append(message(originator))
        octets = [request(message(LARGE), fields[sender]) for sender in (LARGE, SMALL, LARGE, STRANGER, LARGE)]
        proxy.send(b"".join(octets))
        assert [proxy.answer().status for _ in octets] == [200, 403, 200, 403, 200]
    assert [heard.body for heard in upstream.requests] == [*expected, *[message(LARGE)] * 3]


def test_a_user_that_is_taken_out_is_refused_on_a_proxys_open_connection(behind, authority):
    octets = request(None, f"Client-Cert: {authority.issue(LARGE_SUBJECT).field}")
    with Client(behind.port) as proxy:
        for _ in range(2):
            assert proxy.send(octets).answer().status == 200
        behind.reload(behind.text.replace(LARGE_SUBJECT, "CN=another"))
        wait_for(lambda: not behind.gateway._reloading)
        assert proxy.send(octets).answer().kind == "no-certificate"


def test_offences_behind_a_proxy_are_the_certificates_own(behind, authority):
    bad, good = authority.issue(SMALL_SUBJECT), authority.issue(LARGE_SUBJECT)
    foreign, own = (request(None, f"Client-Cert: {one.field}") for one in (bad, good))
    with Client(behind.port) as proxy:
        assert proxy.send(foreign).answer().kind == "foreign-originator"
        offences = behind.desk.offences
        assert offences.score(bad.fingerprint, monotonic()) > 0.0
        assert offences.score(good.fingerprint, monotonic()) == offences.score(PROXY, monotonic()) == 0.0
        behind.call(lambda: _offend(behind, bad))
        for _ in range(3):
            answer = proxy.send(foreign).answer()
            assert (answer.status, answer.kind, answer.get("Connection")) == (403, "cut-off", None)
            assert proxy.send(own).answer().status == 200


def test_a_user_that_was_taken_out_leaves_no_places_behind(gateway, upstream):
    front = gateway()

    def hold(line):
        line.request()
        upstream.released.wait(60)
        line.answer()

    upstream.script = hold
    with Client(front.port) as client:
        client.send(request(message(SMALL)))
        wait_for(lambda: upstream.requests)
        everything = front.text
        front.reload(everything[: everything.rindex("[[user]]")])
        wait_for(lambda: not front.gateway._reloading)
        assert set(front.desk.users) == {"Large"}
        kept = front.desk.places._kept_free
        upstream.released.set()
        assert client.answer().status == 200
        assert front.desk.places._kept_free == kept
        assert front.desk.places.taken == 0
