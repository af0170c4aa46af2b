"""`sluicegate book campaign`: what Users announce, laid over what is usual, and what it came to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sluicegate.cli.book_options import as_option, by_whom, changing, print_table
from sluicegate.cli.configuration import config_option
from sluicegate.cli.evidence import packages_needed
from sluicegate.cli.operations import store_of
from sluicegate.cli.records import moment_of, print_problems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sluicegate.operations.book.campaigns import Campaign
    from sluicegate.operations.book.demand import Demand
    from sluicegate.operations.book.planning import Planned
    from sluicegate.operations.book.slots import Hour
    from sluicegate.settings import Settings

HOUR = 3_600_000_000  # microseconds
MOST_DAYS = 92


@click.group(
    epilog="""\b
Examples:
  sluicegate book campaign announce "Large Supplier A" 1.1.1 1200000 2026-12-01T01:00 2026-12-01T05:00 -c FILE
  sluicegate book campaign plan -c sluicegate.toml --record record/ --out plan.html
  sluicegate book campaign result 1 -c sluicegate.toml --record record/
"""
)
def campaign() -> None:
    """Announced runs (a tariff change, firmware): laid over the usual load, and held against what came.

    An announcement binds nobody, and no decision looks at it. Times without an offset are London's.
    """


@campaign.command(
    epilog="""\b
Examples:
  sluicegate book campaign announce "Large Supplier A" 1.1.1 1200000 2026-12-01T01:00 2026-12-01T05:00 \\
      -c sluicegate.toml --as ann --note "winter tariff"
"""
)
@click.argument("user", metavar="USER")
@click.argument("srv", metavar="SRV")
@click.argument("volume", metavar="SRs", type=click.IntRange(1))
@click.argument("start", metavar="FROM")
@click.argument("end", metavar="TO")
@config_option
@as_option
@click.option("--note", default="", help="What it is.")
def announce(user: str, srv: str, volume: int, start: str, end: str, config: Path, who: str, note: str) -> None:
    """USER will send so many SRs of one kind between two times."""
    from sluicegate.operations.book import campaigns  # noqa: PLC0415
    from sluicegate.operations.book.effective import LONDON, microseconds  # noqa: PLC0415
    from sluicegate.operations.store import trail  # noqa: PLC0415

    first, last = moment_of(start, LONDON, "FROM"), moment_of(end, LONDON, "TO")
    if first is None or last is None:
        raise click.UsageError("a campaign has a beginning and an end")
    with store_of(config) as (store, settings):
        if user not in {one.name for one in settings.users}:
            raise click.BadParameter(f"{user[:60]!r} is no User of {config}", param_hint="USER")
        with changing(store) as connection:
            made = campaigns.announce(
                connection, user=user, srv=srv, volume=volume, starts_at=microseconds(first),
                ends_at=microseconds(last), note=note, who=who, at=trail.now(), **by_whom(),
            )  # fmt: skip
    click.echo(f"Campaign {made.id}: {made.rate:,.1f} SR/s if it is spread evenly over its window.")


@campaign.command(
    epilog="""\b
Examples:
  sluicegate book campaign withdraw 1 --config sluicegate.toml --as ann
"""
)
@click.argument("number", type=click.IntRange(1))
@config_option
@as_option
def withdraw(number: int, config: Path, who: str) -> None:
    """Campaign NUMBER will not take place."""
    from sluicegate.operations.book import campaigns  # noqa: PLC0415
    from sluicegate.operations.store import trail  # noqa: PLC0415

    with store_of(config) as (store, _), changing(store) as connection:
        one = campaigns.withdraw(connection, number, who=who, at=trail.now(), **by_whom())
    click.echo(f"Campaign {number} of {one.user} is withdrawn.")


@campaign.command(
    epilog="""\b
Examples:
  sluicegate book campaign plan --config sluicegate.toml --record record/
  sluicegate book campaign plan -c sluicegate.toml --record record/ --days 28 --scale 1.1 --out plan.html
"""
)
@config_option
@click.option("--record", metavar="RECORD", help="What is usual: the same hours of the week in this traffic record.")
@click.option(
    "--scale", type=click.FloatRange(0, 100), default=1.0, show_default=True, help="So much of it is expected."
)
@click.option("--days", type=click.IntRange(1, MOST_DAYS), default=14, show_default=True, help="So many from now.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write a page (.html).")
@click.option("--json", "as_json", is_flag=True, help="For a program; times are microseconds since 1970.")
def plan(config: Path, record: str | None, scale: float, days: int, out: Path | None, as_json: bool) -> None:
    """What is announced, over the usual load and the threshold, with quieter slots for each campaign."""
    from sluicegate.operations.book import campaign_page, campaigns, planning, slots  # noqa: PLC0415
    from sluicegate.operations.store import trail  # noqa: PLC0415

    first = trail.now() // HOUR + 1
    ahead = range(first, first + days * 24)
    with store_of(config) as (store, settings), store.reading() as connection:
        found = campaigns.within(connection, ahead.start * HOUR, ahead.stop * HOUR)
    weights = settings.capacity.weights
    demand = None if record is None else _demand(record, settings, ())
    usual = slots.usual_of(demand.by_hour, demand.covered, scale) if demand else lambda _hour: 0.0
    basis = f"Usual: the same hours of the week in {record}." if record else "No record was named: nothing is usual."
    hours = slots.laid_over(found, usual, ahead, weights)
    planned = planning.plan(found, found, usual, weights, lambda _: ahead)
    if out is not None:
        _write(out, campaign_page.plan_page(hours, planned, settings.capacity, basis))
    if as_json:
        click.echo(json.dumps(campaign_page.told(hours, planned), indent=2, ensure_ascii=False))
    else:
        _print(hours, planned, settings.capacity.operating_threshold)


def _print(hours: Sequence[Hour], planned: Sequence[Planned], threshold: float) -> None:
    from sluicegate.operations.book.campaign_page import offer, when  # noqa: PLC0415

    if not planned:
        click.echo("Nothing is announced for that time.")
    else:
        rows = [
            (
                str(one.id), one.user, one.srv, f"{one.volume:,}", f"{when(one.starts_at)} to {when(one.ends_at)}",
                f"{peak:,.1f}" + (" ABOVE" if peak > threshold else ""), "\n".join(map(offer, offered)) or "none",
            )
            for one, peak, offered in planned
        ]  # fmt: skip
        print_table(("", "User", "SRV", "SRs", "window (London)", "peak, SR/s", "quieter"), rows, (0, 3, 5))
    highest = max(hours, key=lambda hour: hour.all)
    click.echo(
        f"Highest hour: {when(highest.hour * HOUR)}, {highest.all:,.1f} SR/s ({highest.usual:,.1f} without campaigns); "
        f"the operating threshold is {threshold:,.10g}."
    )


@campaign.command(
    epilog="""\b
Examples:
  sluicegate book campaign result 1 --config sluicegate.toml --record record/
"""
)
@click.argument("number", type=click.IntRange(1))
@config_option
@click.option("--record", required=True, metavar="RECORD", help="The traffic record of that time.")
@click.option("--json", "as_json", is_flag=True, help="For a program.")
def result(number: int, config: Path, record: str, as_json: bool) -> None:
    """What campaign NUMBER came to, against its announcement."""
    from sluicegate.operations.book import campaigns, slots  # noqa: PLC0415
    from sluicegate.operations.book.campaign_page import when  # noqa: PLC0415

    with store_of(config) as (store, settings):
        try:
            with store.reading() as connection:
                one = campaigns.find(connection, number)
        except campaigns.CampaignRefused as error:
            raise click.ClickException(str(error)) from None
    demand = _demand(record, settings, (one,))
    pair = (one.user, one.srv)
    run = slots.run_of(one, demand.seen.get(pair, {}), demand.covered)
    if not run.part:
        raise click.ClickException(f"{record} has no row of {when(one.starts_at)} to {when(one.ends_at)}")
    attempts, held = demand.attempts[pair], demand.held[pair]
    if as_json:
        told = {**one._asdict(), **run._asdict(), "over": run.over, "attempts": attempts, "held": held}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    click.echo(f"{one.user}, SRV {one.srv}, {when(one.starts_at)} to {when(one.ends_at)} (London)")
    click.echo(f"announced {run.announced:,} SRs, {one.rate:,.1f} SR/s if spread evenly")
    covered = "" if run.part == 1 else f" of the {run.part:.0%} that the record covers"
    click.echo(f"came      {run.inside:,} SRs in the window{covered}: {100 * run.over:+.1f}%")
    click.echo(f"highest   hour {run.peak:,.1f} SR/s")
    click.echo(f"outside   {run.outside:,} SRs in the day before and after it")
    click.echo(f"held      {held:,} of {attempts:,} attempts of that kind, in the window and a day around it")


def _demand(record: str, settings: Settings, campaigns: Sequence[Campaign]) -> Demand:
    """What a record says; of campaigns only their windows and a day around them are read."""
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    with packages_needed():
        from sluicegate.operations.book.demand import demand_of  # noqa: PLC0415
        from sluicegate.simulate.record import RecordError, open_record  # noqa: PLC0415

        since = until = None
        if campaigns:
            day = timedelta(days=1)
            since = datetime.fromtimestamp(min(one.starts_at for one in campaigns) // HOUR * 3600, UTC) - day
            until = datetime.fromtimestamp(-(-max(one.ends_at for one in campaigns) // HOUR) * 3600, UTC) + day
        try:
            opened = open_record(record, since=since, until=until)
            pairs = [(one.user, one.srv) for one in campaigns]
            found = demand_of(opened, pairs=pairs, weights=settings.capacity.weights)
        except RecordError as error:
            raise click.ClickException(str(error)) from None
        print_problems(opened)
        return found


def _write(out: Path, page: str) -> None:
    from sluicegate.simulate.evidence.files import put  # noqa: PLC0415

    try:
        put({out: page.encode()})
    except OSError as error:
        raise click.ClickException(f"{error.filename or out} cannot be written: {error.strerror}") from None
    click.echo(str(out), err=True)
