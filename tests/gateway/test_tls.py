"""TLS at the front door: who gets in, what a rotation changes, and the way to an upstream over TLS."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import signal
import ssl
import subprocess
import sys
import termios
import warnings

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from pki import (
    LARGE_SUBJECT,
    SMALL_SUBJECT,
    TLS12,
    TLS13,
    Authority,
    client_context,
    dial,
    over_tls,
    own_tls,
    turned_away,
    users,
)
from rig import PATIENCE, SMALL, Client, Line, ask, configuration, message, obliging, request, wait_for


def reload(front, text):
    """Read another configuration, and wait until that has been done, or refused."""
    front.reload(text)
    wait_for(lambda: not front.gateway._reloading)


VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13])


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def large(authority):
    return authority.issue(LARGE_SUBJECT)


@pytest.fixture
def server(authority):
    return authority.server()


@pytest.fixture
def front(gateway, authority, server):
    """A gateway that ends TLS, with two Users."""
    return gateway(users=users(), **own_tls(server, authority))


# --- who gets in


@VERSIONS
def test_a_request_with_a_known_certificate_is_forwarded(front, upstream, authority, large, version):
    with over_tls(front.port, client_context(authority, large, version)) as client:
        assert client.sock.version() == {TLS12: "TLSv1.2", TLS13: "TLSv1.3"}[version]
        for counter in (1, 2):
            assert client.send(request(message(counter=counter))).answer().status == 200
    assert [heard.body for heard in upstream.requests] == [message(counter=1), message(counter=2)]


def test_one_certificate_cannot_take_all_connections_whatever_addresses_it_comes_from(
    gateway, upstream, authority, server
):
    front = gateway(users=users(), gateway__limits={"connections_per_address": 2}, **own_tls(server, authority))
    crowd, other = authority.issue(LARGE_SUBJECT), authority.issue(SMALL_SUBJECT)
    context = client_context(authority, crowd)
    with over_tls(front.port, context, source="127.0.0.2") as first, over_tls(front.port, context) as second:
        for client in (first, second):
            assert client.send(request()).answer().status == 200
        with over_tls(front.port, context, source="127.0.0.3") as third:
            assert third.answer().kind == "connections"
        with over_tls(front.port, client_context(authority, other), source="127.0.0.4") as theirs:
            assert theirs.send(request(message(SMALL))).answer().status == 200
    wait_for(lambda: not front.gateway._reception.of_certificate)
    with over_tls(front.port, context, source="127.0.0.3") as again:
        assert again.send(request()).answer().status == 200


def _strangers(folder):
    ours, theirs = Authority(folder), Authority(folder)  # of the same name, with another key
    return ours, {
        "none": None,
        "self-signed": ours.issue(LARGE_SUBJECT, self_signed=True),
        "expired": ours.issue(LARGE_SUBJECT, days=(-2, -1)),
        "not valid yet": ours.issue(LARGE_SUBJECT, days=(1, 2)),
        "of another authority": theirs.issue(LARGE_SUBJECT),
        "a server's": ours.issue(LARGE_SUBJECT, usages=[Usage.SERVER_AUTH]),
    }


@VERSIONS
def test_a_certificate_that_does_not_verify_never_gets_as_far_as_a_request(gateway, upstream, tmp_path, version):
    ours, strangers = _strangers(tmp_path)
    front = gateway(users=users(), **own_tls(ours.server(), ours))
    for number, (what, credential) in enumerate(strangers.items(), 1):
        assert turned_away(front.port, client_context(ours, credential, version)), what
        wait_for(lambda wanted=number: front.desk.totals.handshake_failures == wanted, what)
    assert upstream.lines == []
    assert front.desk.totals.refused == {}
    good = client_context(ours, ours.issue(LARGE_SUBJECT), version)
    with over_tls(front.port, good) as client:
        assert client.send(request()).answer().status == 200


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_tls_before_1_2_is_refused(front, authority, large, version):
    context = client_context(authority, large)
    context.set_ciphers("ALL:@SECLEVEL=0")  # what these versions need of OpenSSL 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    why = turned_away(front.port, context)
    assert "NO_PROTOCOLS_AVAILABLE" not in why, "the client did not even ask"
    wait_for(lambda: front.desk.totals.handshake_failures == 1)


def test_what_is_no_tls_is_dropped(front, upstream):
    with Client(front.port, dial(front.port)) as client:
        client.send(request())
        assert b"HTTP" not in client.ended()
    assert upstream.lines == []


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
def test_a_client_cannot_renegotiate(front, upstream, authority, large):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{front.port}", "-tls1_2", "-CAfile", str(authority.pem)]
    command += ["-cert", str(large.pem), "-key", str(large.key_pem)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as asking:
        out, _ = asking.communicate(b"R\n" + request(), timeout=60)
    assert b"RENEGOTIATING" in out
    assert b"no renegotiation" in out
    assert upstream.requests == []


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_curl_with_a_certificate_is_answered(front, upstream, authority, large, tmp_path):
    body = tmp_path / "message.xml"
    body.write_bytes(message(size=20_000))
    command = ["curl", "-sS", "--max-time", "50", "--cacert", str(authority.pem), "-w", "%{http_code}"]
    command += ["-H", "Content-Type: application/xml", "--data-binary", f"@{body}"]
    address = f"https://127.0.0.1:{front.port}/api/v1/serviceS"
    shown = ["--cert", str(large.pem), "--key", str(large.key_pem)]
    done = subprocess.run([*command, *shown, address], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"<ok/>200", b"")
    assert upstream.requests[0].body == message(size=20_000)
    without = subprocess.run([*command, address], capture_output=True, timeout=60, check=False)
    assert without.returncode != 0
    assert without.stdout == b"000"  # no answer at all
    assert len(upstream.requests) == 1


# --- resumption


@VERSIONS
def test_a_resumed_session_speaks_for_its_own_certificate(front, authority, large, version):
    small = authority.issue("CN=small,O=Example")
    contexts = {SMALL: client_context(authority, small, version), None: client_context(authority, large, version)}
    for originator, context in contexts.items():
        session = None
        for reused in (False, True):
            with over_tls(front.port, context, session) as client:
                assert client.sock.session_reused is reused
                theirs = client.send(request(message(SMALL))).answer()
                assert client.send(request()).answer().status == (403 if originator else 200)
                assert theirs.status == (200 if originator else 403)
                session = client.sock.session


@VERSIONS
def test_a_session_is_worth_nothing_once_its_certificate_is_taken_out(front, upstream, authority, large, version):
    context = client_context(authority, large, version)
    with over_tls(front.port, context) as client:
        assert client.send(request()).answer().status == 200
        session = client.sock.session
        reload(front, front.text.replace(LARGE_SUBJECT, "CN=somebody else"))
        assert client.send(request()).answer().kind == "no-certificate"
    with over_tls(front.port, context, session) as client:
        assert client.send(request()).answer().kind == "no-certificate"
    assert len(upstream.requests) == 1


# --- rotation


def _server_certificate(port, context):
    with over_tls(port, context) as client:
        return client.sock.getpeercert(True)


def test_a_reload_shows_the_new_certificate_and_leaves_open_connections_alone(front, authority, large, server):
    context = client_context(authority, large)
    with over_tls(front.port, context) as client:
        assert client.send(request()).answer().status == 200
        assert _server_certificate(front.port, context) == server.der
        renewed = authority.server()
        shutil.copy(renewed.pem, server.pem)
        shutil.copy(renewed.key_pem, server.key_pem)
        reload(front, front.text)
        assert front.gateway.last_reload_error is None
        assert _server_certificate(front.port, context) == renewed.der
        assert client.send(request()).answer().status == 200


def test_a_reload_takes_another_authority_of_clients(front, authority, large, tmp_path):
    old, new = client_context(authority, large), Authority(tmp_path, "CN=Next")
    with over_tls(front.port, old) as client:
        assert client.send(request()).answer().status == 200
        reload(front, configuration(_upstream_of(front), users=users(), **own_tls(authority.server(), new)))
        assert front.gateway.last_reload_error is None
        assert turned_away(front.port, old)
        with over_tls(front.port, client_context(authority, new.issue(LARGE_SUBJECT))) as newer:
            assert newer.send(request()).answer().status == 200
        assert client.send(request()).answer().status == 200


def _upstream_of(front):
    return str(front.gateway.settings.gateway.upstream)


@pytest.mark.parametrize("broken", ["certificate", "key", "client_ca", "client_crl"])
@pytest.mark.parametrize("how", ["gone", "empty", "nonsense", "another's"])
def test_a_broken_file_changes_nothing_and_says_which(gateway, authority, large, server, tmp_path, broken, how):
    crl = tmp_path / "revoked.pem"
    crl.write_bytes(authority.revoked())
    front = gateway(users=users(), **own_tls(server, authority, client_crl=crl))
    path = {"certificate": server.pem, "key": server.key_pem, "client_ca": authority.pem, "client_crl": crl}[broken]
    if how == "another's" and broken.startswith("client"):
        contents = server.pem.read_bytes()  # no authority, and no list
    else:
        other = authority.server()
        contents = (other.pem if broken == "certificate" else other.key_pem).read_bytes()
    if broken == "client_ca":  # clients of this test read it too
        copied = tmp_path / "ca.pem"
        shutil.copy(path, copied)
        authority.pem, path = copied, path
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "nonsense": os.urandom(300)}.get(how, contents))
    generation = front.desk.generation
    context = client_context(authority, large)
    with over_tls(front.port, context) as client:
        reload(front, front.text.replace("allocation = 300", "allocation = 1"))
        assert str(path) in front.gateway.last_reload_error
        assert "PRIVATE KEY-----\n" not in front.gateway.last_reload_error
        assert front.desk.generation == generation
        assert front.desk.users["Large"].account.allocation == 300
        assert client.send(request()).answer().status == 200
    assert _server_certificate(front.port, context) == server.der


def test_sighup_rotates_and_a_wrong_file_is_told(process, upstream, authority, large, server):
    text = configuration(upstream.url, users=users(), **own_tls(server, authority))
    front = process(text)
    context = client_context(authority, large)
    renewed = authority.server()
    with over_tls(front.port, context) as client:
        assert client.send(request()).answer().status == 200
        shutil.copy(renewed.pem, server.pem)
        front.kill(signal.SIGHUP)  # the key is still the old one's
        refused = wait_for(lambda: front.events("reload refused: nothing has changed"))
        assert f"{server.key_pem} is not the key of {server.pem}" in refused[0]["why"]
        assert front.status()["last_reload_error"] == refused[0]["why"]
        shutil.copy(renewed.key_pem, server.key_pem)
        front.kill(signal.SIGHUP)
        wait_for(lambda: front.events("reloaded"))
        assert _server_certificate(front.port, context) == renewed.der
        assert client.send(request()).answer().status == 200
    assert front.status()["last_reload_error"] is None
    assert front.stop() == 0


def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(server, authority):
    server.key_pem.write_bytes(
        server.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    # At a terminal OpenSSL would ask, and everybody would wait.
    program = "import sys; from sluicegate.front.tls import server_context; server_context(*sys.argv[1:], None, None)"
    terminal, line = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, server.pem, server.key_pem],
            stdin=line,
            capture_output=True,
            timeout=60,
            check=False,
            preexec_fn=lambda: (os.setsid(), fcntl.ioctl(line, termios.TIOCSCTTY, 0)),
        )
    finally:
        os.close(terminal)
        os.close(line)
    assert b"SSLError" in done.stderr


def test_what_a_reload_cannot_change_is_refused(front, authority, server):
    upstream = _upstream_of(front)
    reload(front, configuration(upstream, users=users()))
    assert "gateway.tls" in front.gateway.last_reload_error
    tls = own_tls(server, authority)
    tls["gateway"]["listen"] = "127.0.0.1:1"
    reload(front, configuration(upstream, users=users(), **tls))
    assert "gateway.listen" in front.gateway.last_reload_error
    assert front.desk.generation == 1


# --- revocation


def test_a_revoked_certificate_is_refused(gateway, upstream, authority, large, server, tmp_path):
    crl = tmp_path / "revoked.pem"
    crl.write_bytes(authority.revoked(authority.issue("CN=stolen"), large))
    front = gateway(users=users(), **own_tls(server, authority, client_crl=crl))
    assert turned_away(front.port, client_context(authority, large))
    assert upstream.lines == []
    with over_tls(front.port, client_context(authority, authority.issue(LARGE_SUBJECT))) as client:
        assert client.send(request()).answer().status == 200


@VERSIONS
def test_a_certificate_revoked_by_a_reload_is_refused_on_open_connections_too(
    gateway, upstream, authority, large, server, tmp_path, version
):
    crl = tmp_path / "revoked.pem"
    crl.write_bytes(authority.revoked())
    front = gateway(users=users(), **own_tls(server, authority, client_crl=crl))
    context = client_context(authority, large, version)
    other = client_context(authority, authority.issue("CN=small,O=Example"), version)
    with over_tls(front.port, context) as client, over_tls(front.port, other) as small:
        assert client.send(request()).answer().status == 200
        session = client.sock.session
        crl.write_bytes(authority.revoked(large))
        reload(front, front.text)
        assert client.send(request()).answer().kind == "no-certificate"
        assert small.send(request(message(SMALL))).answer().status == 200
    assert turned_away(front.port, context, session)
    assert len(upstream.requests) == 2


def test_each_authority_needs_a_list_in_date_once_there_is_one(gateway, authority, large, server, tmp_path):
    crl, other = tmp_path / "revoked.pem", Authority(tmp_path, "CN=Other")
    both = tmp_path / "both.pem"
    both.write_bytes(authority.pem.read_bytes() + other.pem.read_bytes())
    crl.write_bytes(authority.revoked())
    tables = own_tls(server, authority, client_crl=crl)
    tables["gateway__tls"]["client_ca"] = both
    front = gateway(users=users(), **tables)
    others = client_context(authority, other.issue(LARGE_SUBJECT))
    assert turned_away(front.port, others)
    stolen = other.issue(LARGE_SUBJECT)
    crl.write_bytes(authority.revoked() + other.revoked(stolen))
    reload(front, front.text)
    assert turned_away(front.port, client_context(authority, stolen))
    for context in (others, client_context(authority, large)):
        with over_tls(front.port, context) as client:
            assert client.send(request()).answer().status == 200
    crl.write_bytes(authority.revoked(days=(-7, -1)) + other.revoked())
    reload(front, front.text)
    assert turned_away(front.port, client_context(authority, large))


# --- other modes over TLS


def test_client_ca_means_a_certificate_from_everybody_whatever_the_identity(gateway, upstream, authority, server):
    tls = own_tls(server, authority)
    tls["gateway"] = {"identity": "forwarded-certificate", "trusted_proxies": ["127.0.0.1"]}
    front = gateway(users=users(), **tls)
    assert turned_away(front.port, client_context(authority))
    field = f"Client-Cert: {authority.issue(LARGE_SUBJECT).field}"
    with over_tls(front.port, client_context(authority, authority.issue("CN=proxy"))) as client:
        assert client.send(request(None, field)).answer().status == 200
    assert len(upstream.requests) == 1


# --- the end


@pytest.fixture
def draining(gateway, authority, server):
    """The same, with a drain that only ends in time if nothing holds it up: it is longer than a test waits."""
    return gateway(users=users(), gateway__timeouts={"drain": 2 * PATIENCE}, **own_tls(server, authority))


def test_an_idle_client_that_reads_nothing_does_not_hold_up_the_end(draining, authority, large):
    front = draining
    with over_tls(front.port, client_context(authority, large)) as client:
        assert client.send(request()).answer().status == 200
        front.begin_to_stop()
        # It never answers the closing of TLS.
        wait_for(lambda: not front.gateway._reception.connections, "the connection is still there")


def test_a_handshake_that_ends_during_the_drain_does_not_hold_it_up(draining, authority, large):
    front = draining
    with over_tls(front.port, client_context(authority, large)) as busy:
        busy.send(request()[:-1])
        wait_for(lambda: busy.sock and front.gateway._reception.connections)
        raw = dial(front.port)
        wait_for(lambda: front.gateway._door.waiting == 1)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        shaking = client_context(authority, large, TLS12).wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        with pytest.raises(ssl.SSLWantReadError):
            shaking.do_handshake()
        raw.sendall(outgoing.read())
        incoming.write(raw.recv(65536))
        front.begin_to_stop()
        wait_for(lambda: front.desk.draining)
        with pytest.raises((ssl.SSLWantReadError, ssl.SSLError)):
            shaking.do_handshake()
        raw.sendall(outgoing.read())
        assert busy.send(request()[-1:]).answer().status == 200
        wait_for(lambda: not front.gateway._reception.connections, "the newcomer holds it up")
        raw.close()


def _deaf_over_tls(upstream, context):
    """Answers one request, and takes no part in the end of TLS."""

    def script(line):
        line.sock = context.wrap_socket(line.sock, server_side=True)
        line.request()
        line.answer()
        upstream.released.wait(60)

    return script


def test_an_upstream_that_takes_no_part_in_the_end_of_tls_does_not_hold_it_up(gateway, upstream, authority):
    own = authority.issue("CN=the gateway")
    upstream.script = _deaf_over_tls(upstream, _asking(authority.server(), authority))
    front = gateway(
        gateway={"upstream": f"https://127.0.0.1:{upstream.port}"},
        gateway__upstream_tls={"ca": authority.pem, "certificate": own.pem, "key": own.key_pem},
    )
    assert ask(front.port).status == 200
    front.stop()  # a loop cannot be closed while something in it is still closing


def test_a_stop_ends_well_whatever_is_open(process, upstream, authority, large, server):
    upstream.script = _deaf_over_tls(upstream, _asking(authority.server(), authority))
    own = authority.issue("CN=the gateway")
    tables = own_tls(server, authority)
    tables["gateway"]["upstream"] = f"https://127.0.0.1:{upstream.port}"
    tables["gateway__upstream_tls"] = {"ca": authority.pem, "certificate": own.pem, "key": own.key_pem}
    front = process(configuration("", users=users(), **tables))
    silent, begun = dial(front.port), dial(front.port)
    begun.sendall(b"\x16\x03\x01")
    with over_tls(front.port, client_context(authority, large)) as client:
        assert client.send(request()).answer().status == 200
        assert front.stop() == 0
    assert all('"level": "info"' in line for line in front.log)
    silent.close()
    begun.close()


# --- the upstream over TLS


def _over_tls(context):
    def script(line: Line) -> None:
        line.sock = context.wrap_socket(line.sock, server_side=True)
        obliging(line)

    return script


def _asking(server, clients):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.pem, server.key_pem)
    context.load_verify_locations(clients.pem)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_an_https_upstream_is_reached_and_shown_a_certificate(gateway, upstream, authority):
    own = authority.issue("CN=the gateway")
    upstream.script = _over_tls(_asking(authority.server("127.0.0.1"), authority))
    front = gateway(
        gateway={"upstream": f"https://127.0.0.1:{upstream.port}"},
        gateway__upstream_tls={"ca": authority.pem, "certificate": own.pem, "key": own.key_pem},
    )
    assert ask(front.port).status == 200
    assert upstream.lines[0].sock.getpeercert(True) == own.der


def test_a_reload_shows_the_upstream_the_new_certificate_of_the_same_files(gateway, upstream, authority):
    own, renewed = authority.issue("CN=the gateway"), authority.issue("CN=the gateway")
    upstream.script = _over_tls(_asking(authority.server(), authority))
    front = gateway(
        gateway={"upstream": f"https://127.0.0.1:{upstream.port}"},
        gateway__upstream_tls={"ca": authority.pem, "certificate": own.pem, "key": own.key_pem},
    )
    with Client(front.port) as client:
        assert client.send(request()).answer().status == 200
        shutil.copy(renewed.pem, own.pem)
        shutil.copy(renewed.key_pem, own.key_pem)
        reload(front, front.text)
        assert client.send(request()).answer().status == 200
    assert upstream.lines[-1].sock.getpeercert(True) == renewed.der


@pytest.mark.parametrize("wrong", ["authority", "name", "expired", "plain"])
def test_an_upstream_that_is_not_who_it_should_be_gets_nothing(gateway, upstream, authority, tmp_path, wrong):
    server = authority.server(*(["dsp.example"] if wrong == "name" else []))
    if wrong == "expired":
        server = authority.issue("CN=dsp", usages=[Usage.SERVER_AUTH], hosts=["127.0.0.1"], days=(-2, -1))
    if wrong != "plain":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(server.pem, server.key_pem)
        upstream.script = _over_tls(context)
    else:
        upstream.script = lambda line: (line.more(), line.answer())[0]
    trusted = Authority(tmp_path) if wrong == "authority" else authority
    front = gateway(
        gateway={"upstream": f"https://127.0.0.1:{upstream.port}"}, gateway__upstream_tls={"ca": trusted.pem}
    )
    answer = ask(front.port)
    assert (answer.status, answer.kind) == (502, "upstream-unreachable")
    assert upstream.heads == []
    assert "_ssl.c" not in answer.problem["detail"]
    assert str(upstream.port) not in answer.problem["detail"]


# --- secrets


def test_no_key_and_no_certificate_is_ever_told(process, upstream, authority, large, server, tmp_path):
    text = configuration(upstream.url, users=users(), **own_tls(server, authority))
    front = process(text)
    context = client_context(authority, large)
    with over_tls(front.port, context) as client:
        told = [client.send(request(message(SMALL))).answer().body]
    turned_away(front.port, client_context(authority))
    shutil.copy(large.key_pem, server.key_pem)
    front.kill(signal.SIGHUP)
    wait_for(lambda: front.events("reload refused: nothing has changed"))
    # A likely slip: the key itself where its path belongs.
    front.write(text.replace(f'"{server.key_pem}"', f"'''{server.key_pem.read_text()}'''"))
    front.kill(signal.SIGHUP)
    wait_for(lambda: len(front.events("reload refused: nothing has changed")) == 2)
    status = str(front.status())
    assert front.stop() == 0
    told += ["".join(front.log).encode(), status.encode()]
    for secret in (server.key_pem, large.key_pem, large.pem, authority.pem):
        for line in secret.read_bytes().splitlines()[1:-1]:
            assert not any(line in part for part in told), secret
