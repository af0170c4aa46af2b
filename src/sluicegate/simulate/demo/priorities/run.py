"""One run: the two Users, and two more who have nothing to do with it, before a gateway."""

from pathlib import Path

from sluicegate.simulate.demo.priorities.record import PrioritiesRecord, Watch
from sluicegate.simulate.demo.priorities.scenario import FLOWS, TOP_UPS, PrioritiesScenario, configuration
from sluicegate.simulate.demo.run import CONNECTIONS
from sluicegate.simulate.demo.stage import HOST, Play, Ports, play
from sluicegate.simulate.messages import Letters
from sluicegate.simulate.sender import Client, Load, RetryHabit

_TRIES = 1000
"""Nobody gives up but a top-up whose time is over."""


async def run(scenario: PrioritiesScenario, folder: Path, watch: Watch) -> PrioritiesRecord:
    """Play ``scenario`` once; ``watch`` is called with the record every TICK seconds.

    Raises DidNotStartError when the gateway or the DSP does not come up, or goes down before the end. Whatever
    happens, cancellation included, no process is left behind.
    """
    ports = Ports.free()
    record = PrioritiesRecord(scenario)
    loads = [_load(scenario, number, ports.gateway) for number in range(len(FLOWS))]
    what = Play(scenario.seconds, scenario.plant, configuration(scenario, **ports.addresses), loads)
    await play(what, ports, record, folder, lambda: watch(record))
    return record


def _load(scenario: PrioritiesScenario, number: int, port: int) -> Load:
    flow = FLOWS[number]
    user = scenario.users[flow.user]
    devices = f"00-DB-12-{flow.user:02X}-{int(flow.urgent):02X}-00"
    letters = Letters(
        user.eui64, user.version, TOP_UPS if flow.urgent else user.sends, f"{scenario.seed} {number}", devices
    )
    habit = RetryHabit(_TRIES, limit=scenario.limit) if flow.urgent else RetryHabit(_TRIES)
    return Load(scenario.times(number), letters.next, Client(HOST, port, CONNECTIONS), habit)
