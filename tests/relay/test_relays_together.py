"""Two relays of one User, as two data centres would run them: real processes at one real gateway, which do not talk."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen

import pytest
from bench.processes import free_port
from relay_rig import device, sr
from test_relay_end_to_end import port, running

pytestmark = pytest.mark.long

GATEWAY = """
[capacity]
maximum = 60
operating_threshold = 50
burst_seconds = 0.5
[gateway]
listen = "127.0.0.1:{listen}"
upstream = "http://127.0.0.1:{dsp}"
identity = "originator"
[admin]
listen = "127.0.0.1:{admin}"
[[user]]
name = "Large Supplier A"
ids = ["90-B3-D5-1F-30-01-00-00"]
role = "IS"
allocation = 30
"""
RELAY = """
[relay]
user = "Large Supplier A"
listen = "127.0.0.1:0"
admin = "127.0.0.1:0"
gateway = "http://127.0.0.1:{gateway}"
store = "{name}.db"
"""
SENDERS, EACH = 16, 8
"""Of each relay: 128 SRs, for which both together need some five seconds at 50 SR/s."""


class Centre:
    """The systems of one data centre: each sends one SR after the other to its own relay."""

    def __init__(self, address: str, number: int) -> None:
        self.statuses: Counter[int] = Counter()
        self._address, self._number = address, number
        self._threads = [threading.Thread(target=self._send, args=(sender,)) for sender in range(SENDERS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _send(self, sender: int) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=60)
        for number in range(EACH):
            which = self._number * 10_000 + sender * 100 + number
            body = sr(device(which), which + 1)
            connection.request("POST", "/api/v1/serviceS", body, {"Content-Type": "application/xml"})
            answer = connection.getresponse()
            answer.read()
            self.statuses[answer.status] += 1
        connection.close()


def told(address: str) -> dict:
    with urlopen(f"http://{address}/api/v1/status", timeout=60) as answer:
        return json.load(answer)


def test_two_relays_of_one_user_share_its_allocation_and_neither_is_a_storm(tmp_path: Path) -> None:
    listen, admin = free_port(), free_port()
    with ExitStack() as stack:
        dsp = stack.enter_context(running("stand-in", "dsp", "--listen", "127.0.0.1:0"))
        (tmp_path / "gateway.toml").write_text(GATEWAY.format(dsp=port(dsp), listen=listen, admin=admin))
        stack.enter_context(running("serve", "--config", str(tmp_path / "gateway.toml"), event="serving"))
        centres = []
        for number, name in enumerate(("north", "south")):
            (tmp_path / f"{name}.toml").write_text(RELAY.format(gateway=listen, name=name))
            relay = stack.enter_context(running("relay", "--config", str(tmp_path / f"{name}.toml"), event="relaying"))
            centres.append(Centre(relay["listen"], number))
        for centre in centres:
            centre.start()
        for centre in centres:
            centre.join()
        totals = told(f"127.0.0.1:{admin}")["users"][0]["totals"]
    assert [dict(centre.statuses) for centre in centres] == [{200: SENDERS * EACH}] * 2
    admitted = totals["within"] + totals["excess"]
    assert admitted == 2 * SENDERS * EACH
    assert totals["throttled"] <= admitted / 2
