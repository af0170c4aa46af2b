"""`sluicegate serve`: the gateway."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import click

from sluicegate.cli.configuration import config_option, insecure_option, read_settings

SWITCH = 0.0005  # seconds: so long may a thread (a log line, an admin answer) hold up the event loop


@click.command(
    epilog="""\b
Examples:
  sluicegate serve --config sluicegate.toml
  kill -HUP PID      read the file again; one that is wrong changes nothing
  kill -TERM PID     stop, once every request that was taken has its answer
"""
)
@config_option
@insecure_option
def serve(config: Path, insecure: bool) -> None:
    """Run the gateway: Service Requests in, fairly admitted, forwarded, answered."""
    import uvloop  # noqa: PLC0415 - so that `sluicegate --help` answers at once

    from sluicegate.gateway import Gateway  # noqa: PLC0415
    from sluicegate.log import Log  # noqa: PLC0415
    from sluicegate.routing import RoutesError  # noqa: PLC0415

    settings = read_settings(config, insecure=insecure)
    log = Log()

    async def run() -> None:
        from sluicegate import settings as reading  # noqa: PLC0415

        def ready() -> None:
            sys.setswitchinterval(SWITCH)
            gc.collect()
            gc.freeze()  # what is there now stays: the collector need not walk it while requests wait
            gc.collect()  # and measures what grows from here, or it would let a quarter of all that pile up first

        await Gateway(settings, lambda: reading.load(config, insecure=insecure), log).run(ready)

    try:
        uvloop.run(run())
    except (OSError, RoutesError) as error:
        raise click.ClickException(str(error)) from None
    finally:
        log.close()
