"""One run of the burst: six Users before a gateway."""

from collections.abc import Callable
from pathlib import Path

from sluicegate.simulate.demo.record import RunRecord
from sluicegate.simulate.demo.scenario import Scenario, configuration
from sluicegate.simulate.demo.stage import HOST, Play, Ports, play
from sluicegate.simulate.messages import Letters
from sluicegate.simulate.sender import Client, Load, RetryHabit

CONNECTIONS = 500  # of each User: more than the DSP can hold, so that it is never our sender that paces

Watch = Callable[[RunRecord], None]


async def run(scenario: Scenario, *, enforce: bool, folder: Path, watch: Watch) -> RunRecord:
    """Play ``scenario`` once; ``watch`` is called with the record every TICK seconds.

    Raises DidNotStartError when the gateway or the DSP does not come up, or goes down before the end. Whatever
    happens, cancellation included, no process is left behind.
    """
    ports = Ports.free()
    record = RunRecord(scenario, enforce)
    file = configuration(scenario, enforce=enforce, **ports.addresses)
    what = Play(scenario.seconds, scenario.plant, file, _loads(scenario, ports.gateway))
    await play(what, ports, record, folder, lambda: watch(record))
    return record


def _loads(scenario: Scenario, port: int) -> list[Load]:
    return [
        Load(
            scenario.times(number),
            Letters(user.eui64, user.version, user.srvs, seed=f"{scenario.seed} {number}").next,
            Client(HOST, port, CONNECTIONS),
            RetryHabit(),
        )
        for number, user in enumerate(scenario.users)
    ]
