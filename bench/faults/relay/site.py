"""What a campaign for the relay is built of: one stand-in for the gateway, a callback, the relay's file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bench.faults.site import Listening, Region, _port

BRIEF = 1.5
"""Seconds that SRs of one class may wait: most of them expire while the gateway is down."""
TIMEOUT = 1.5
"""Seconds that the gateway has for its answer."""


@dataclass(frozen=True)
class RelaySite:
    """Addresses and the folder of one campaign."""

    folder: Path
    store: str
    mode: str
    on_hang_up: str = "keep"
    dispatchers: tuple[Listening, ...] = field(default_factory=lambda: (Listening(),))
    """The relay."""
    gateway: Region = field(default_factory=lambda: Region("gateway", "00-0D-6F-00"))
    callback: int = field(default_factory=_port)

    @property
    def regions(self) -> tuple[Region, ...]:
        """Where devices are: it does not matter here."""
        return (self.gateway,)

    def configuration(self, number: int = 0) -> Path:
        """Write the relay's file; its path."""
        path = self.folder / "relay.toml"
        listening = self.dispatchers[number]
        path.write_text(
            _FILE.format(
                listen=listening.port, admin=listening.admin, gateway=self.gateway.port, store=self.store,
                mode=self.mode, on_hang_up=self.on_hang_up, callback=self.callback, timeout=TIMEOUT, brief=BRIEF,
            )
        )  # fmt: skip
        return path


_FILE = """\
[relay]
user = "A"
listen = "127.0.0.1:{listen}"
admin = "127.0.0.1:{admin}"
gateway = "http://127.0.0.1:{gateway}"
store = "{store}"
mode = "{mode}"
on_hang_up = "{on_hang_up}"
deadline = 90
[relay.timeouts]
upstream_total = {timeout}
drain = 5
[relay.callback]
url = "http://127.0.0.1:{callback}/answers"
timeout = 1.5
[relay.callback.retry]
first = 0.1
ceiling = 1
attempts = 100000
[[relay.class]]
name = "top-ups"
srvs = ["2.2"]
[[relay.class]]
name = "brief"
srvs = ["6.*"]
deadline = {brief}
[[relay.class]]
name = "bulk"
srvs = ["4.*"]
bulk = true
"""
