"""`sluicegate stand-in`: what stands in for systems that one does not have at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sluicegate.simulate.standin_csp import Behaviour, StandInCsp, StandInUser


@click.group(
    "stand-in",
    epilog="""\b
Examples:
  sluicegate stand-in dsp
  sluicegate stand-in csp --name north --latency 0.05
  sluicegate stand-in user --listen 127.0.0.1:8095
  sluicegate stand-in csp --help
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


def _figures(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[float, ...]:
    """A number, or two joined by a comma."""
    try:
        found = tuple(float(part) for part in value.split(","))
    except ValueError:
        found = ()
    if not 1 <= len(found) <= 2:
        raise click.BadParameter(f"must be a number, or two joined by a comma, and is {value!r:.60}")
    return found


_EITHER = (
    click.option("--name", metavar="NAME", help="In what it prints and tells."),
    click.option(
        "--latency", callback=_figures, default="0", metavar="MEAN[,SPREAD]", help="Seconds before an answer."
    ),
    click.option("--fail", type=float, default=0.0, metavar="P", help="Answers 500, and does nothing."),
    click.option(
        "--busy", callback=_figures, default="0", metavar="P[,SECONDS]", help="Answers 503 with Retry-After (5 s)."
    ),
    click.option("--drop", type=float, default=0.0, metavar="P", help="Takes it, and breaks the connection."),
    click.option("--cut", type=float, default=0.0, metavar="P", help="Takes it, and breaks off in mid-answer."),
    click.option(
        "--schedule", "--down", default="", metavar="PLAN",
        help='Such as "20-50:down,60-70:slow=2" in seconds since the start: down, hang, slow=FACTOR, latency=SECONDS, '
        "fail=P; without one of these down.",
    ),
    click.option("--control", metavar="HOST:PORT", help="A second address for GET and POST /stand-in/..., never down."),
    click.option("--seed", type=int, default=1, show_default=True, help="The same seed, the same misfortunes."),
    click.option("--remember", type=int, default=1_000_000, show_default=True, help="Messages; the oldest go first."),
)  # fmt: skip


def _either(command: Callable[..., None]) -> Callable[..., None]:
    """The options that both stand-ins have."""
    for option in reversed(_EITHER):
        command = option(command)
    return command


@stand_in.command(
    epilog="""\b
Examples:
  sluicegate stand-in csp
  sluicegate stand-in csp --name south --latency 0.2,0.1 --rate 500 --queue 2000
  sluicegate stand-in csp --schedule "20-50:down,60-70:fail=0.5" --control 127.0.0.1:8082
  sluicegate stand-in csp --drop 0.02 --cut 0.02 --journal north.log
  sluicegate stand-in csp --outcome http://127.0.0.1:8090/api/v1/responses --late 0.01,60
  curl http://127.0.0.1:8081/stand-in/status
  curl -d '{"state": "down"}' http://127.0.0.1:8082/stand-in/control
"""
)
@click.option("--listen", default="127.0.0.1:8081", show_default=True, metavar="HOST:PORT", help="Port 0: any.")
@_either
@click.option("--rate", type=float, default=0.0, metavar="SR/S", help="Capacity; 0: no limit.")
@click.option("--queue", type=int, default=0, metavar="N", help="SRs that wait for --rate; then 503. 0: a second's.")
@click.option("--no-answer", type=float, default=0.0, metavar="P", help="The device does not answer this time (E21).")
@click.option("--no-answer-devices", type=float, default=0.0, metavar="P", help="So many devices never answer (E21).")
@click.option("--outcome", metavar="URL", help="Where outcomes (I0) are posted, until they are taken.")
@click.option("--outcome-latency", type=float, default=0.0, metavar="SECONDS", help="Until an outcome is posted.")
@click.option("--late", callback=_figures, default="0", metavar="P,SECONDS", help="Its outcome comes so late.")
@click.option("--sync", is_flag=True, help="The answer is the outcome (I0), not an acknowledgement (I99).")
@click.option(
    "--journal", type=click.Path(dir_okay=False, path_type=Path), help="A file that gets a line for each arrival."
)
def csp(
    *,
    rate: float,
    queue: int,
    no_answer: float,
    no_answer_devices: float,
    outcome: str | None,
    outcome_latency: float,
    late: tuple[float, ...],
    sync: bool,
    journal: Path | None,
    **either: Any,
) -> None:
    """A CSP, which can be slow, fail, lose answers, answer late, or be down by a plan.

    It takes Service Requests by POST, on any path, executes each RequestID once, and remembers how often it came.
    P is a probability, 0 to 1. GET /stand-in/status and /stand-in/requests say what has happened; POST
    /stand-in/control changes how it behaves.
    """
    from sluicegate.simulate.standin_csp import CspSettings, StandInCsp  # noqa: PLC0415

    def settings() -> CspSettings:
        if len(late) == 1 and late[0]:
            raise click.BadParameter("takes two numbers, such as 0.01,60", param_hint="--late")
        behaviour = _behaviour(
            either, rate=rate, queue=queue, no_answer=no_answer, no_answer_devices=no_answer_devices,
            late=late[0], late_seconds=late[-1] if late[0] else 30.0,
        )  # fmt: skip
        return CspSettings(
            **_common(either, "north"), behaviour=behaviour,
            outcome=outcome, outcome_latency=outcome_latency, sync=sync, journal=journal,
        )  # fmt: skip

    _serve(StandInCsp, settings)


@stand_in.command(
    epilog="""\b
Examples:
  sluicegate stand-in user
  sluicegate stand-in user --name "Large Supplier A" --latency 2 --fail 0.1
  sluicegate stand-in user --down 10-40
  curl http://127.0.0.1:8095/stand-in/responses?since=0
"""
)
@click.option("--listen", default="127.0.0.1:8095", show_default=True, metavar="HOST:PORT", help="Port 0: any.")
@_either
def user(**either: Any) -> None:
    """A User's endpoint, which takes Responses by POST, on any path, and remembers them.

    P is a probability, 0 to 1. GET /stand-in/status and /stand-in/responses say what has happened; POST
    /stand-in/control changes how it behaves.
    """
    from sluicegate.simulate.standin_csp import Settings, StandInUser  # noqa: PLC0415

    _serve(StandInUser, lambda: Settings(**_common(either, "any"), behaviour=_behaviour(either)))


def _behaviour(either: dict[str, Any], **more: Any) -> Behaviour:
    from sluicegate.simulate.standin_csp import Behaviour  # noqa: PLC0415

    latency, busy = either["latency"], either["busy"]
    return Behaviour(
        latency=latency[0], spread=latency[1] if len(latency) > 1 else 0.0,
        busy=busy[0], busy_seconds=busy[1] if len(busy) > 1 else 5.0,
        fail=either["fail"], drop=either["drop"], cut=either["cut"], **more,
    )  # fmt: skip


def _common(either: dict[str, Any], name: str) -> dict[str, Any]:
    from sluicegate.simulate.standin_csp import Schedule  # noqa: PLC0415

    host, port = _address(either["listen"])
    control = _address(either["control"], "--control") if either["control"] else None
    try:
        schedule = Schedule.read(either["schedule"])
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--schedule") from None
    return {
        "name": either["name"] or name, "host": host, "port": port, "control": control, "schedule": schedule,
        "seed": either["seed"], "remember": either["remember"],
    }  # fmt: skip


def _serve(kind: type[StandInCsp] | type[StandInUser], settings: Callable[[], Any]) -> None:
    from sluicegate.simulate.serving import serve_started  # noqa: PLC0415

    try:
        made = settings()
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    try:
        serve_started(lambda: kind.start(made), click.echo)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise click.ClickException(f"{where}{error.strerror or error}") from None


def _address(listen: str, option: str = "--listen") -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise click.BadParameter(f"{listen!r} is not HOST:PORT, such as 127.0.0.1:8080", param_hint=option)
    return host.strip("[]"), int(port)
