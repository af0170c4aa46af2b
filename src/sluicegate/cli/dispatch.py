"""`sluicegate dispatch`: the dispatcher, and an operator's hand on one that runs."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from sluicegate.cli.asking import ask
from sluicegate.cli.configuration import insecure_option, read_settings

SWITCH = 0.0005  # seconds: so long may the writer's thread hold up the event loop
Cells = dict[str, Callable[[dict[str, Any]], Any]]  # what stands under which heading, of a destination's status

admin_option = click.option(
    "--admin",
    default="127.0.0.1:8101",
    show_default=True,
    metavar="HOST:PORT",
    help="The dispatcher's admin listener.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the answer as it is.")


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  sluicegate dispatch --config sluicegate.toml
  sluicegate dispatch status
  sluicegate dispatch pause north
  sluicegate dispatch parked north
  sluicegate dispatch requeue north
  sluicegate dispatch return north --delayed
  sluicegate dispatch find 90-B3-D5-1F-30-01-00-00:00-0D-6F-00-00-00-00-01:1001
  kill -TERM PID     stop: what is being delivered ends, the rest stays in the store
""",
)
@click.option(
    "--config",
    "-c",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The configuration file (TOML), with [dispatch] and [[csp]]: runs the dispatcher.",
)
@insecure_option
@click.pass_context
def dispatch(context: click.Context, config: Path | None, insecure: bool) -> None:
    """Deliver admitted Service Requests to the CSPs: durably, in order, with retries; or look after a dispatcher."""
    if context.invoked_subcommand is not None:
        return
    if config is None:
        raise click.UsageError("say which configuration: --config FILE (or a command; see --help)")
    _run(config, insecure)


def _run(config: Path, insecure: bool) -> None:
    import uvloop  # noqa: PLC0415 - so that `sluicegate --help` answers at once

    from sluicegate.database.errors import StoreError  # noqa: PLC0415
    from sluicegate.dispatch.service import Dispatcher  # noqa: PLC0415
    from sluicegate.log import Log  # noqa: PLC0415
    from sluicegate.routing import RoutesError  # noqa: PLC0415

    settings = read_settings(config, insecure=insecure)
    if settings.dispatch is None:
        raise click.ClickException(f"{config}: there is no [dispatch]. docs/dispatch.md has a first one to copy.")
    log = Log()

    async def run() -> None:
        def ready() -> None:
            sys.setswitchinterval(SWITCH)
            gc.collect()
            gc.freeze()

        await Dispatcher(settings, log.handler).run(ready)

    try:
        uvloop.run(run())
    except (OSError, StoreError, RoutesError) as error:
        raise click.ClickException(str(error)) from None
    finally:
        log.close()


@dispatch.command(epilog="\b\nExamples:\n  sluicegate dispatch status\n  sluicegate dispatch status --json | jq .csps")
@admin_option
@json_option
def status(admin: str, as_json: bool) -> None:
    """What waits for each CSP and each User's endpoint, and how it goes."""
    told = _ask(admin, "GET", "status")
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console()
    for title, part in (("CSPs", told["csps"]), ("Users' endpoints", told["users"])):
        for table in _tables(console, title, part) if part else ():
            console.print(table)
        for name, one in part.items():
            if one["breaker"] not in ("closed", "none") and one["last_failure"]:
                console.print(Text(f"{name}: {one['last_failure']}", "red"))
    taken = ", ".join(f"{name} {count:,}" for name, count in told["intake"].items() if count)
    console.print(Text(f"intake: {taken or 'nothing yet'}"))
    if told["store"]["failing"]:
        console.print(Text(f"the store fails: {told['store']['failing']}", "red"))


def _tables(console: Any, title: str, part: dict[str, dict[str, Any]]) -> list[Any]:
    """One table where it fits, else two: what waits, and what became of it."""
    waits, went = _columns(part, _WAITS), _columns(part, _WENT)
    whole = _table(title, part, waits | went)
    if console.measure(whole, options=console.options.update(width=1000)).maximum <= console.width:
        return [whole]
    return [_table(f"{title}: what waits", part, waits), _table(f"{title}: since the start", part, went)]


def _columns(part: dict[str, dict[str, Any]], cells: Cells) -> dict[str, list[Any]]:
    return {heading: [cell(one) for one in part.values()] for heading, cell in cells.items()}


def _table(title: str, part: dict[str, dict[str, Any]], columns: dict[str, list[Any]]) -> Any:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("name", overflow="fold", max_width=18)
    for heading in columns:
        if heading == "breaker":
            table.add_column(heading, max_width=10)
        else:
            table.add_column(heading, justify="right", no_wrap=True)
    for name, *row in zip(part, *columns.values(), strict=True):
        table.add_row(Text(name), *row)
    return table


def _breaker(one: dict[str, Any]) -> Any:
    from rich.text import Text  # noqa: PLC0415

    words = [one["breaker"], *(word for word in ("paused", "draining") if one.get(word))]
    return Text(", ".join(words), {"closed": "green", "none": "yellow"}.get(one["breaker"], "red"))


def _oldest(one: dict[str, Any]) -> str:
    seconds = one.get("oldest_seconds")
    return "-" if seconds is None else _age(seconds)


def _figure(key: str) -> Callable[[dict[str, Any]], str]:
    return lambda one: f"{one.get(key, 0):,}"


_WAITS: Cells = {
    "breaker": _breaker,
    "backlog": lambda one: f"{one['backlog']:,}" + (" full" if one.get("full") else ""),
    "oldest": _oldest,
    "delayed": lambda one: f"{one['states']['delayed']:,}",
    "parked": lambda one: f"{one['states']['parked']:,}",
    "in flight": _figure("in_flight"),
}
_WENT: Cells = {
    key.replace("_", " "): _figure(key)
    for key in ("attempts", "delivered", "no_answer", "busy", "failed", "refused", "returned")
}


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _by_hand(name: str, text: str, done: str) -> None:
    @dispatch.command(name, help=text, epilog=f"\b\nExamples:\n  sluicegate dispatch {name} north")
    @click.argument("destination")
    @admin_option
    def command(destination: str, admin: str) -> None:
        _ask(admin, "POST", f"destinations/{quote(destination, safe='')}/{name}")
        click.echo(done.format(destination))


_by_hand("pause", "Begin no more attempts at a CSP; SRs for it are still taken.", "{}: paused")
_by_hand("resume", "Begin attempts again after `pause`.", "{}: resumed")
_by_hand("drain", "Take no more SRs for a CSP, and deliver what is there.", "{}: draining")
_by_hand("undrain", "Take SRs for a CSP again after `drain`.", "{}: takes again")


@dispatch.command(epilog="\b\nExamples:\n  sluicegate dispatch parked north")
@click.argument("destination")
@admin_option
@json_option
def parked(destination: str, admin: str, as_json: bool) -> None:
    """What waits for an operator, and why."""
    found = _ask(admin, "GET", f"destinations/{quote(destination, safe='')}/parked")["parked"]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for one in found:
        click.echo(
            f"{one['seq']:>10}  {one['request']}  {one['srv']:<7} {_age(one['age']):>7}  {one['user']}: {one['why']}"
        )
    click.echo(f"{len(found)} parked" + (" (the first ones)" if len(found) >= 1000 else ""))


@dispatch.command(
    epilog="\b\nExamples:\n  sluicegate dispatch requeue north\n  sluicegate dispatch requeue north 1201 1207"
)
@click.argument("destination")
@click.argument("numbers", nargs=-1, type=click.IntRange(min=1))
@admin_option
def requeue(destination: str, numbers: tuple[int, ...], admin: str) -> None:
    """Try parked SRs again (all, or those with these numbers), and at once what waits for its next attempt."""
    asked = {"seqs": list(numbers)} if numbers else {}
    told = _ask(admin, "POST", f"destinations/{quote(destination, safe='')}/requeue", asked)
    click.echo(f"{destination}: {told['requeued']:,} requeued")


@dispatch.command(
    "return",
    epilog="\b\nExamples:\n  sluicegate dispatch return north\n  sluicegate dispatch return north --delayed --waiting",
)
@click.argument("destination")
@click.option("--delayed", is_flag=True, help="Also what waits for its next attempt.")
@click.option("--waiting", is_flag=True, help="Also what waits for its first one.")
@admin_option
def send_back(destination: str, delayed: bool, waiting: bool, admin: str) -> None:
    """Return what is parked to the Users who sent it (E20)."""
    states = ["parked", *(["delayed"] if delayed else []), *(["ready", "blocked"] if waiting else [])]
    told = _ask(admin, "POST", f"destinations/{quote(destination, safe='')}/return", {"states": states})
    click.echo(f"{destination}: {told['returned']:,} returned")


@dispatch.command(
    epilog="\b\nExamples:\n  sluicegate dispatch find 90-B3-D5-1F-30-01-00-00:00-0D-6F-00-00-00-00-01:1001"
)
@click.argument("request_id")
@admin_option
def find(request_id: str, admin: str) -> None:
    """All that is known of one RequestID."""
    for one in _ask(admin, "GET", f"requests/{quote(request_id, safe='')}")["found"]:
        click.echo(json.dumps(one, indent=2))


def _ask(admin: str, method: str, path: str, asked: dict[str, Any] | None = None) -> Any:
    """Ask the admin listener. Raises ClickException with what went wrong."""
    unknown = "nothing is known of this RequestID (it may have been forgotten: retention.remember_days)"
    return ask("dispatcher", admin, method, path, asked, where="dispatch.admin", unknown=unknown)
