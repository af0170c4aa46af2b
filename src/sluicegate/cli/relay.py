"""`sluicegate relay`: a User's own side of the gateway, and an operator's eyes on one that runs."""

from __future__ import annotations

import gc
import json
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep, time
from typing import Any
from urllib.parse import quote

import click

from sluicegate.cli.asking import ask
from sluicegate.cli.configuration import insecure_option, read_relay
from sluicegate.cli.init import write_starter

SWITCH = 0.0005  # seconds: so long may the writer's thread hold up the event loop
HOUR = 3600.0

admin_option = click.option(
    "--admin",
    default="127.0.0.1:8061",
    show_default=True,
    metavar="HOST:PORT",
    help="The relay's admin listener.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the answer as it is.")


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  sluicegate relay init relay.toml
  sluicegate relay --config relay.toml
  sluicegate relay top
  sluicegate relay report --hours 24
  sluicegate relay find 90-B3-D5-1F-30-01-00-00:00-0D-6F-00-00-00-00-01:1001
  sluicegate relay demand demand/ --out held.csv
  kill -TERM PID     stop: what is being sent ends, the rest stays in the store
""",
)
@click.option(
    "--config",
    "-c",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The relay's configuration file (TOML): runs the relay.",
)
@insecure_option
@click.pass_context
def relay(context: click.Context, config: Path | None, insecure: bool) -> None:
    """A User's own side: its urgent Service Requests first, at the pace of its allocation; or look at a relay."""
    if context.invoked_subcommand is not None:
        return
    if config is None:
        raise click.UsageError("say which configuration: --config FILE (or a command; see --help)")
    _run(config, insecure)


@relay.command(epilog="\b\nExamples:\n  sluicegate relay run --config relay.toml")
@click.option(
    "--config", "-c", required=True, metavar="FILE", type=click.Path(path_type=Path), help="The relay's file (TOML)."
)
@insecure_option
def run(config: Path, insecure: bool) -> None:
    """Run the relay: the same as `sluicegate relay --config FILE`."""
    _run(config, insecure)


def _run(config: Path, insecure: bool) -> None:
    import uvloop  # noqa: PLC0415 - so that `sluicegate --help` answers at once

    from sluicegate.database.errors import StoreError  # noqa: PLC0415
    from sluicegate.log import Log  # noqa: PLC0415
    from sluicegate.relay.service import RelayService  # noqa: PLC0415

    settings = read_relay(config, insecure=insecure)
    log = Log()

    async def serve() -> None:
        def ready() -> None:
            sys.setswitchinterval(SWITCH)
            gc.collect()
            gc.freeze()

        await RelayService(settings, log.handler).run(ready)

    try:
        uvloop.run(serve())
    except (OSError, StoreError) as error:
        raise click.ClickException(str(error)) from None
    finally:
        log.close()


@relay.command()
@click.argument("path", default="relay.toml", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def init(path: Path, force: bool) -> None:
    """Write a commented configuration file of a relay to PATH (relay.toml).

    It is right as it is for a first try on this machine, in front of a gateway on port 8079. Every key is in it, with
    what it does.
    """
    from sluicegate.settings import relay_starter  # noqa: PLC0415 - loads pydantic

    write_starter(path, relay_starter(), force=force)
    said = shlex.quote(str(path))
    click.echo(f"Wrote {path}. Next:")
    click.echo("  1. put the address of the gateway, the User's certificate and its classes into it")
    click.echo(f"  2. sluicegate relay check --config {said}")
    click.echo(f"  3. sluicegate relay --config {said}")


@relay.command(epilog="\b\nExamples:\n  sluicegate relay check --config relay.toml")
@click.option(
    "--config", "-c", required=True, metavar="FILE", type=click.Path(path_type=Path), help="The relay's file (TOML)."
)
@insecure_option
def check(config: Path, insecure: bool) -> None:
    """Say what is wrong with a relay's file, or in which order it would send."""
    from sluicegate.relay.classes import Classes, shown  # noqa: PLC0415

    settings = read_relay(config, insecure=insecure)
    click.echo(f"{config}: right. SRs go to {settings.gateway}, the first of these first:")
    for place in Classes(settings).places:
        bulk = ", in the quiet" if place.bulk else ""
        click.echo(f"  {place.rank + 1}. {shown(place.name)}: within {place.deadline:g} s{bulk}")


@relay.command(epilog="\b\nExamples:\n  sluicegate relay status\n  sluicegate relay status --json | jq .classes")
@admin_option
@json_option
def status(admin: str, as_json: bool) -> None:
    """What waits, how long it will take, and what became of the rest."""
    told = _ask(admin, "status")
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    from rich.console import Console  # noqa: PLC0415

    from sluicegate.relay.screen import Screen  # noqa: PLC0415

    console = Console()
    console.print(Screen().show(told, monotonic(), console.width))


@relay.command(
    epilog="\b\nExamples:\n  sluicegate relay top\n  sluicegate relay top --admin 127.0.0.1:9061 --every 0.5"
)
@admin_option
@click.option(
    "--every", type=click.FloatRange(0.1, 60), default=1.0, show_default=True, metavar="SECONDS", help="Between looks."
)
def top(admin: str, every: float) -> None:
    """A live screen of the relay. Ctrl-C ends it."""
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from sluicegate.relay.screen import Screen  # noqa: PLC0415

    screen, console = Screen(), Console()
    last: Any = screen.show(_ask(admin, "status"), monotonic(), console.width)
    try:
        with Live(last, console=console, screen=console.is_terminal, auto_refresh=False) as live:
            while True:
                sleep(every)
                try:
                    last = screen.show(_ask(admin, "status"), monotonic(), console.width)
                    live.update(last, refresh=True)
                except click.ClickException as error:  # it is started again, perhaps
                    live.update(Text(error.message, "red"), refresh=True)
    except KeyboardInterrupt:
        console.print(last)


@relay.command(epilog="\b\nExamples:\n  sluicegate relay find 90-B3-D5-1F-30-01-00-00:00-0D-6F-00-00-00-00-01:1001")
@click.argument("request_id")
@admin_option
def find(request_id: str, admin: str) -> None:
    """All that is known of one RequestID that had to wait."""
    told = _ask(admin, f"requests/{quote(request_id, safe='')}")
    for one in told["found"]:
        click.echo(json.dumps(one, indent=2))


@relay.command(epilog="\b\nExamples:\n  sluicegate relay report\n  sluicegate relay report --hours 168 --json")
@click.option("--hours", type=click.FloatRange(0.01), default=24.0, show_default=True, help="Up to now.")
@click.option("--most", type=click.IntRange(0, 10_000), default=20, show_default=True, help="So many are listed.")
@admin_option
@json_option
def report(hours: float, most: int, admin: str, as_json: bool) -> None:
    """What became of the SRs that had to wait: how many of each class, and which ones were not acknowledged."""
    told = _ask(admin, f"report?since={time() - hours * HOUR:.3f}&most={most}")
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    from rich.console import Console  # noqa: PLC0415

    console = Console()
    console.print(_ends(told["ends"]))
    for one in told["not_acknowledged"]:
        ended = datetime.fromtimestamp(one["ended_at"], UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        click.echo(f"{ended}  {one['request']}  {one['srv']:<7} {one['class']}: {one['state']} {one['code']}")


def _ends(ends: list[dict[str, Any]]) -> Any:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=SIMPLE_HEAD, pad_edge=False, title="SRs that had to wait", title_justify="left")
    table.add_column("class")
    names = ("acknowledged", "refused", "expired")
    for name in names:
        table.add_column(name, justify="right")
    found: dict[str, dict[str, int]] = {}
    for one in ends:
        found.setdefault(one["class"], {})[one["end"]] = one["count"]
    for of_class, counts in found.items():
        table.add_row(of_class, *(f"{counts.get(name, 0):,}" for name in names))
    return table


@relay.command(
    epilog="""\b
Examples:
  sluicegate relay demand demand/ --out held.csv
  sluicegate relay demand demand/ --from 2026-11-24T18:00Z --to 2026-11-24T19:00Z --out held.parquet
"""
)
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--from", "since", metavar="TIME", help="Where the period begins (ISO 8601; UTC unless it says).")
@click.option("--to", "until", metavar="TIME", help="Where it ends.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="A .csv or a .parquet file."
)
def demand(folder: Path, since: str | None, until: str | None, out: Path) -> None:
    """Export the demand that a relay held back, minute by minute, from its FOLDER (relay.demand.folder).

    A traffic record has what the gateway received; beside it, this says what a relay held back meanwhile.
    """
    from sluicegate.relay.demand import read, write_csv, write_parquet  # noqa: PLC0415

    write = {".csv": write_csv, ".parquet": write_parquet}.get(out.suffix)
    if write is None:
        raise click.BadParameter(f"{out} is neither .csv nor .parquet", param_hint="--out")
    period = _moment(since, "--from"), _moment(until, "--to")
    try:
        count = write(out, read(folder, *period))
    except ImportError:
        raise click.ClickException("Parquet needs pyarrow: pip install 'sluicegate[evidence]'") from None
    except OSError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{out}: {count:,} rows")


def _moment(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a time such as 2026-11-24T18:00Z", param_hint=option) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _ask(admin: str, path: str) -> Any:
    unknown = "nothing is known of this RequestID: it went straight on, or was forgotten (retention.remember_days)"
    return ask("relay", admin, "GET", path, where="relay.admin", unknown=unknown)
