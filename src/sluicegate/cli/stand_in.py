"""`sluicegate stand-in`: what stands in for systems that one does not have at hand."""

import click


@click.group(
    "stand-in",
    epilog="""\b
Examples:
  sluicegate stand-in dsp
  sluicegate stand-in dsp --help
""",
)
def stand_in() -> None:
    """Stand-ins for the systems around the gateway, for demonstrations, tests and measurements."""


@stand_in.command(
    epilog="""\b
Examples:
  sluicegate stand-in dsp
  sluicegate stand-in dsp --capacity 1000 --buffer 500 --outage-after 5 --restart 30
  sluicegate stand-in dsp --capacity 0 --listen 127.0.0.1:9000
  curl http://127.0.0.1:8080/stand-in/status
"""
)
@click.option("--listen", default="127.0.0.1:8080", show_default=True, metavar="HOST:PORT", help="Port 0: any.")
@click.option("--capacity", type=float, default=300.0, show_default=True, help="SR/s; 0: answers at once.")
@click.option("--buffer", type=int, default=300, show_default=True, help="SRs held, the one in service included.")
@click.option(
    "--outage-after", type=float, default=3.0, show_default=True, help="Seconds of overload that end in an outage."
)
@click.option("--restart", type=float, default=6.0, show_default=True, help="Seconds that an outage lasts.")
@click.option("--latency", type=float, default=0.0, show_default=True, help="Seconds added to each answer.")
def dsp(*, listen: str, capacity: float, buffer: int, outage_after: float, restart: float, latency: float) -> None:
    """A DSP with a finite capacity, a buffer, and outages.

    It answers each POST with an acknowledgement (I99) when its turn has come, and with 503 when the buffer is
    full. When the buffer has been at least six tenths full for --outage-after seconds, it fails: connections that wait
    are reset, and all else gets 503, for --restart seconds. GET /stand-in/status says how it is.
    """
    from sluicegate.simulate.plant import PlantShape  # noqa: PLC0415
    from sluicegate.simulate.serving import serve  # noqa: PLC0415
    from sluicegate.simulate.standin import StandInSettings  # noqa: PLC0415

    host, port = _address(listen)
    try:
        if not capacity >= 0:
            raise click.BadParameter(
                f"must be a number of SR/s, or 0 (answers at once), and is {capacity:g}", param_hint="--capacity"
            )
        shape = PlantShape(capacity, buffer, outage_after, restart) if capacity else None
        settings = StandInSettings(shape, latency, host, port)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    try:
        serve(settings, click.echo)
    except OSError as error:
        raise click.ClickException(f"--listen {listen}: {error.strerror or error}. Choose another port.") from None


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise click.BadParameter(f"{listen!r} is not HOST:PORT, such as 127.0.0.1:8080", param_hint="--listen")
    return host.strip("[]"), int(port)
