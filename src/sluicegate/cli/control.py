"""`sluicegate control`: what an operator does while the gateways run."""

from __future__ import annotations

import re
from pathlib import Path

import click

from sluicegate.cli.configuration import config_option
from sluicegate.cli.operations import moment, operator, store_of

_LASTS = re.compile(r"(\d{1,9})([smhd]?)", re.ASCII)
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


class Lasts(click.ParamType[float]):
    """A time such as 90, 15m or 2h, as seconds."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read one."""
        if isinstance(value, int | float):
            return float(value)
        form = _LASTS.fullmatch(str(value))
        if form is None:
            self.fail(f"{str(value)[:40]!r} is no time: write 90s, 15m, 2h or 1d", param, ctx)
        return float(int(form[1]) * _UNITS[form[2]])


@click.group(
    epilog="""\b
Examples:
  sluicegate control show --config sluicegate.toml
  sluicegate control put emergency-capacity --value 600 --reason "half of the DSP is down" -c sluicegate.toml
  sluicegate control put drill --user "Large Supplier A" --value 0.2 --for 15m --reason "agreed, ticket 118" -c ...
  sluicegate control end 12 --reason "it is over" --config sluicegate.toml
"""
)
def control() -> None:
    """Observe or enforce, emergency capacity, a lowered threshold, an allocation for a time, a drill.

    Written into the database of [operations]; every running gateway takes it within two seconds, without losing
    what a bank holds. Each is a row of the audit trail.
    """


@control.command()
@config_option
def show(config: Path) -> None:
    """What counts now."""
    from sluicegate.operations.controls.kept import in_force  # noqa: PLC0415
    from sluicegate.operations.store import trail  # noqa: PLC0415

    with store_of(config) as (store, _), store.reading() as connection:
        found = in_force(connection, trail.now())
    for one in found:
        about = f" of {one.user}" if one.user is not None else ""
        value = f" {one.value:g}" if one.value is not None else ""
        until = f", until {moment(one.until)}" if one.until is not None else ""
        click.echo(
            f"{one.seq:>5}  {one.kind}{value}{about}, since {moment(one.made_at)}{until}: {one.reason} ({one.who})"
        )
    if not found:
        click.echo("Nothing: the configuration file, and the book if there is one, count as they are.")


@control.command(
    epilog="""\b
Kinds:
  observe, enforce                     for everybody: throttled requests go through, or are refused again
  observe-user --user                  the same for one User
  emergency-capacity --value           SR/s; below the sum of the allocations all are cut by one factor
  lowered-threshold --value --for      SR/s: traffic management begins earlier, for planned maintenance
  temporary-allocation --user --value --for
  drill --user --value --for           --value is the part of its requests that is throttled, 0.2 for a fifth

Examples:
  sluicegate control put observe --reason "first week" --config sluicegate.toml
  sluicegate control put temporary-allocation --user "Large Supplier A" --value 350 --for 2h --reason "recall" -c ...
"""
)
@click.argument("kind")
@config_option
@click.option("--user", metavar="NAME", help="A User of the configuration.")
@click.option("--value", type=float, help="SR/s; of a drill the part of requests.")
@click.option("--for", "lasts", type=Lasts(), help="How long, such as 15m or 2h.")
@click.option("--reason", required=True, help="Why: it goes into the audit trail.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def put(
    kind: str, config: Path, user: str | None, value: float | None, lasts: float | None, reason: str, yes: bool
) -> None:
    """Put a control, after saying what it will do."""
    from sluicegate.operations.controls import kept, kinds  # noqa: PLC0415
    from sluicegate.operations.store import trail  # noqa: PLC0415

    wanted = kinds.Wanted(kind, user, value, lasts)
    with store_of(config) as (store, settings):
        try:
            kinds.check(wanted, settings)
        except kinds.Unfit as error:
            raise click.UsageError(str(error)) from None
        click.echo(kinds.meaning(wanted, settings))
        if not yes:
            click.confirm("Do it?", abort=True)
        with store.changing() as connection:
            made, _ = kept.put(
                connection, wanted, who=operator(), reason=reason[: kinds.MOST_REASON], at=trail.now()
            )  # fmt: skip
    click.echo(f"Control {made.seq} counts. `sluicegate control end {made.seq}` ends it.")


@control.command()
@click.argument("number", type=click.IntRange(1))
@config_option
@click.option("--reason", required=True, help="Why: it goes into the audit trail.")
def end(number: int, config: Path, reason: str) -> None:
    """End control NUMBER."""
    from sluicegate.operations.controls import kept  # noqa: PLC0415
    from sluicegate.operations.store import trail  # noqa: PLC0415

    with store_of(config) as (store, _):
        try:
            with store.changing() as connection:
                ended, _ = kept.end(connection, number, who=operator(), reason=reason[:500], at=trail.now())
        except kept.NoSuchControl:
            raise click.ClickException(f"no control {number} counts now: `sluicegate control show` has them") from None
    about = f" of {ended.user}" if ended.user is not None else ""
    click.echo(f"{ended.kind}{about} has ended.")
