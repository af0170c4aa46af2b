"""Workers that share nothing: `python -m bench.fleet.apart FILE`. Started, watched and ended like those of a fleet, on
one address, each with banks of its own. There is no such way to serve but here, to compare with."""

import sys
from pathlib import Path

import uvloop

from sluicegate import settings as reading
from sluicegate.gateway.crew import Crew, command_of
from sluicegate.settings.ledger import place


def crew_of(config: Path) -> Crew:
    """The crew of a configuration, without a ledger of its own."""
    settings = reading.load(config, insecure=True)
    elsewhere = settings.ledger.model_copy(update={"url": place("unix:///nobody")})
    apart = settings.model_copy(update={"ledger": elsewhere})
    return Crew(apart, lambda: apart, command_of(config, insecure=True))


def main(config: Path) -> None:
    """Serve until SIGTERM."""
    uvloop.run(crew_of(config).run())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
