"""Campaigns: a User announces a tariff or firmware run, with its window, its SRV and its volume.

An announcement binds nobody: it lets the operator see what is to come, and the User find a quieter time. It is never
changed; who wants another window withdraws it and announces again.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, func, insert, select, update

from sluicegate.operations.store import trail
from sluicegate.operations.store.book_tables import campaign
from sluicegate.settings.fields import srv as checked_srv

ANNOUNCED, WITHDRAWN = "campaign announced", "campaign withdrawn"
HOUR: Final = 3_600_000_000  # microseconds
LONGEST: Final = 92 * 24 * HOUR
FURTHEST: Final = 400 * 24 * HOUR
MOST_VOLUME: Final = 10**12
MOST_OPEN: Final = 100
"""So many announcements of one User may be to come at once."""
MOST_NOTE: Final = 200  # characters


class Campaign(NamedTuple):
    """One announcement. Times are microseconds since 1970; volume: SRs."""

    id: int
    seq: int
    user: str
    srv: str
    volume: int
    starts_at: int
    ends_at: int
    note: str
    announced_at: int
    who: str
    withdrawn_at: int | None

    @property
    def rate(self) -> float:
        """SR/s, if it is spread evenly over its window."""
        return self.volume / ((self.ends_at - self.starts_at) / 1e6)


class CampaignRefused(Exception):  # noqa: N818 - named after what it is
    """It is not done. `str()` says why, and what to do."""


class CampaignUnfit(CampaignRefused):
    """No announcement can be so."""


class NoSuchCampaign(CampaignRefused):
    """There is none of that number, or it is another User's."""


def announce(
    connection: Connection, *, user: str, srv: str, volume: int, starts_at: int, ends_at: int, who: str, at: int,
    note: str = "", **said: Any,
) -> Campaign:  # fmt: skip
    """Take an announcement down. `said`: what else the audit trail is told. Raises CampaignRefused."""
    check(srv, volume, starts_at, ends_at, note, at)
    mine = (campaign.c.user == user) & campaign.c.withdrawn_at.is_(None) & (campaign.c.ends_at > at)
    if (connection.scalar(select(func.count()).select_from(campaign).where(mine)) or 0) >= MOST_OPEN:
        raise CampaignRefused(f"{user} has {MOST_OPEN} campaigns to come: withdraw one first")
    number = (connection.scalar(select(func.max(campaign.c.id))) or 0) + 1
    row = trail.append(
        connection, who=who, did=ANNOUNCED, about=user, at=at, **said, campaign=number, srv=srv, volume=volume,
        starts_at=starts_at, ends_at=ends_at, note=note,
    )  # fmt: skip
    made = Campaign(number, row.seq, user, srv, volume, starts_at, ends_at, note, at, who, None)
    connection.execute(insert(campaign).values(made._asdict()))
    return made


def check(srv: str, volume: int, starts_at: int, ends_at: int, note: str, at: int) -> None:
    """Whether an announcement can be so, at a time. Raises CampaignUnfit."""
    try:
        checked_srv(srv)
    except ValueError as error:
        raise CampaignUnfit(str(error).removesuffix(", in quotes")) from None
    if not 0 < volume <= MOST_VOLUME:
        raise CampaignUnfit(f"the volume must be from 1 to {MOST_VOLUME:,} SRs")
    if not at < ends_at or starts_at > at + FURTHEST:
        raise CampaignUnfit("the window must end in the future, and begin within 400 days")
    if not 0 < ends_at - starts_at <= LONGEST:
        raise CampaignUnfit("the window must end after it begins, and within 92 days")
    if len(note) > MOST_NOTE or (note and not note.isprintable()):
        raise CampaignUnfit(f"the note must have at most {MOST_NOTE} printable characters")


def withdraw(
    connection: Connection, number: int, *, who: str, at: int, user: str | None = None, **said: Any
) -> Campaign:
    """It will not take place. `user`: it must be this one's. Raises CampaignRefused."""
    one = find(connection, number, user)
    if one.withdrawn_at is not None:
        raise CampaignRefused(f"campaign {number} is withdrawn already")
    if one.ends_at <= at:
        raise CampaignRefused(f"campaign {number} is over")
    trail.append(connection, who=who, did=WITHDRAWN, about=one.user, at=at, **said, campaign=number)
    connection.execute(update(campaign).where(campaign.c.id == number).values(withdrawn_at=at))
    return one._replace(withdrawn_at=at)


def find(connection: Connection, number: int, user: str | None = None) -> Campaign:
    """One announcement; one of another than `user` is as if it were not there. Raises NoSuchCampaign."""
    row = None
    if 0 < number < 2**62:
        row = connection.execute(select(campaign).where(campaign.c.id == number)).first()
    if row is None or (user is not None and row.user != user):
        raise NoSuchCampaign(f"there is no campaign {number}")
    return Campaign(*row)


def within(connection: Connection, since: int, until: int, user: str | None = None) -> list[Campaign]:
    """What was announced for a time, and not withdrawn, in the order of its beginning. `user`: only this one's."""
    rows = select(campaign).where(
        campaign.c.ends_at > since, campaign.c.starts_at < until, campaign.c.withdrawn_at.is_(None)
    )
    if user is not None:
        rows = rows.where(campaign.c.user == user)
    return [Campaign(*row) for row in connection.execute(rows.order_by(campaign.c.starts_at, campaign.c.id))]


def over(connection: Connection, at: int, most: int, user: str | None = None) -> list[Campaign]:
    """What was announced and is over, the last to end first. `user`: only this one's."""
    rows = select(campaign).where(campaign.c.ends_at <= at, campaign.c.withdrawn_at.is_(None))
    if user is not None:
        rows = rows.where(campaign.c.user == user)
    ordered = rows.order_by(campaign.c.ends_at.desc(), campaign.c.id.desc()).limit(most)
    return [Campaign(*row) for row in connection.execute(ordered)]
