"""`sluicegate serve`: the gateway."""

from __future__ import annotations

import gc
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sluicegate.cli.configuration import config_option, insecure_option, read_settings

if TYPE_CHECKING:
    from sluicegate.gateway.worker import WorkerOf
    from sluicegate.log import Log
    from sluicegate.settings import Settings

SWITCH = 0.0005  # seconds: so long may a thread (a log line, an admin answer) hold up the event loop


@click.command(
    epilog="""\b
Examples:
  sluicegate serve --config sluicegate.toml
  kill -HUP PID      read the file again; one that is wrong changes nothing
  kill -USR2 PID     of several workers: replace them one by one, by what is installed now
  kill -TERM PID     stop, once every request that was taken has its answer
"""
)
@config_option
@insecure_option
@click.option("--worker", type=click.IntRange(1), hidden=True, help="Which of several workers this is.")
@click.option("--tells", type=int, default=-1, hidden=True, help="Descriptor on which it says that it serves.")
@click.option("--parent", type=int, default=0, hidden=True, help="Process that started it.")
@click.option("--called", default="", hidden=True, help="Its name in the fleet.")
@click.option("--ledger", hidden=True, help="URL of the ledger that the workers share.")
def serve(
    config: Path, insecure: bool, worker: int | None, tells: int, parent: int, called: str, ledger: str | None
) -> None:
    """Run the gateway: Service Requests in, fairly admitted, forwarded, answered.

    With `workers` above 1 in [gateway] this starts and watches so many processes, which decide as one.
    """
    import uvloop  # noqa: PLC0415 - so that `sluicegate --help` answers at once

    from sluicegate import settings as reading  # noqa: PLC0415
    from sluicegate.gateway.crew import Crew, command_of  # noqa: PLC0415
    from sluicegate.gateway.worker import WorkerOf  # noqa: PLC0415
    from sluicegate.log import Log  # noqa: PLC0415
    from sluicegate.routing import RoutesError  # noqa: PLC0415

    settings = read_settings(config, insecure=insecure)
    log = Log()
    if worker is not None:
        run = _gateway(settings, config, insecure, log, WorkerOf(worker, tells, parent, called, ledger))
    elif settings.gateway.workers > 1:
        load = partial(reading.load, config, insecure=insecure)
        run = Crew(settings, load, command_of(config, insecure=insecure)).run()
    else:
        run = _gateway(settings, config, insecure, log, None)
    try:
        uvloop.run(run)
    except (OSError, RoutesError) as error:
        raise click.ClickException(str(error)) from None
    finally:
        log.close()


async def _gateway(settings: Settings, config: Path, insecure: bool, log: Log, worker: WorkerOf | None) -> None:
    from sluicegate import settings as reading  # noqa: PLC0415
    from sluicegate.gateway import Gateway  # noqa: PLC0415

    def ready() -> None:
        sys.setswitchinterval(SWITCH)
        gc.collect()
        gc.freeze()  # what is there now stays: the collector need not walk it while requests wait
        gc.collect()  # and measures what grows from here, or it would let a quarter of all that pile up first
        if worker is not None:
            worker.serves()

    def load() -> Settings:
        read = reading.load(config, insecure=insecure)
        return read if worker is None else worker.settings(read)

    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # it is for who watches several workers, and must end no gateway
    if worker is not None:
        worker.end_with_parent()
        settings = worker.settings(settings)
    first = worker is None or worker.number == 1
    called = worker.called if worker is not None else None
    try:
        await Gateway(settings, load, log, called, first=first).run(ready)
    finally:
        if worker is not None:
            worker.tidy()
