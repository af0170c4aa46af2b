"""`sluicegate relay` before `sluicegate serve`, with TLS and the User's certificate, and a stand-in DSP behind them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import trustme
from bench.processes import free_port
from relay_rig import device, request_id, sr

from sluicegate.duis import read_response

SLUICEGATE = (sys.executable, "-c", "from sluicegate.cli import main; main()")
GATEWAY = """
[capacity]
maximum = 1000
operating_threshold = 800
[gateway]
listen = "127.0.0.1:{listen}"
upstream = "http://127.0.0.1:{dsp}"
identity = "certificate"
[gateway.tls]
certificate = "server.pem"
key = "server.key"
client_ca = "ca.pem"
[[user]]
name = "Large Supplier A"
ids = ["90-B3-D5-1F-30-01-00-00"]
role = "IS"
allocation = 300
certificates = ["{subject}"]
"""
RELAY = """
[relay]
user = "Large Supplier A"
listen = "127.0.0.1:0"
admin = "127.0.0.1:0"
gateway = "https://127.0.0.1:{gateway}"
[relay.gateway_tls]
ca = "ca.pem"
certificate = "user.pem"
key = "user.key"
"""


@contextmanager
def running(*words: str, event: str = "") -> Iterator[dict[str, str]]:
    """A command, until it says that it is there; what it said."""
    stream = subprocess.PIPE
    process = subprocess.Popen([*SLUICEGATE, *words], stdout=stream, stderr=stream, text=True)
    try:
        lines = []
        assert process.stderr is not None
        assert process.stdout is not None
        for line in process.stderr if event else process.stdout:
            lines.append(line)
            if not event:
                yield {"listen": line.partition("http://")[2].partition(",")[0].strip()}
                break
            told = json.loads(line) if line.startswith("{") else {}
            if told.get("event") == event:
                yield told
                break
        else:
            raise AssertionError(lines)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        assert process.returncode in (0, -signal.SIGTERM)  # of a child that had hardly begun


def port(told: dict[str, str], key: str = "listen") -> str:
    return told[key].rpartition(":")[2]


def test_a_message_through_the_relay_and_the_gateway_with_the_users_certificate(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    for name, issued in (
        ("server", authority.issue_cert("127.0.0.1")),
        ("user", authority.issue_cert("user.example", organization_name="Large", common_name="user")),
    ):
        (tmp_path / f"{name}.pem").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(tmp_path / f"{name}.key")
    from cryptography import x509

    from sluicegate.settings import subject_form

    subject = subject_form(x509.load_pem_x509_certificate((tmp_path / "user.pem").read_bytes()).subject)
    body = sr(device(1), 1)
    listen = free_port()
    with ExitStack() as stack:
        dsp = stack.enter_context(running("stand-in", "dsp", "--listen", "127.0.0.1:0"))
        (tmp_path / "gateway.toml").write_text(GATEWAY.format(dsp=port(dsp), listen=listen, subject=subject))
        stack.enter_context(running("serve", "--config", str(tmp_path / "gateway.toml"), event="serving"))
        (tmp_path / "relay.toml").write_text(RELAY.format(gateway=listen))
        relay = stack.enter_context(running("relay", "--config", str(tmp_path / "relay.toml"), event="relaying"))
        asked = Request(f"http://{relay['listen']}/api/v1/serviceS", body, {"Content-Type": "application/xml"})
        with urlopen(asked, timeout=60) as answer:
            told = read_response(answer.read())
        assert (told.code, told.request_id) == ("I99", request_id(device(1), 1))
        with urlopen(f"http://{relay['admin']}/api/v1/status", timeout=60) as answer:
            status = json.load(answer)
        assert status["gateway"]["allocation"] == 300
