"""What status and metrics say of notices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from sluicegate.operations.notices.lane import Lane
from sluicegate.operations.notices.notice import Notice
from sluicegate.operations.notices.service import Notices
from sluicegate.settings.noticing import Channel

FAILING = "failing"
_OF_CHANNEL = ["user", "channel"]
_UNOPENED: Mapping[str, object] = {
    "state": "unused", "why": None, "failing_since": None, "sent_at": None,
    "waiting": 0, "sent": 0, "failed": 0, "given_up": 0,
}  # fmt: skip
"""A channel that a moment ago was not there."""


def status(notices: Notices) -> dict[str, object]:
    """For `/api/v1/status`, ready for JSON: `notices`."""
    return {
        "told": dict(sorted(notices.told.items())),
        "held_back": notices.held_back,
        "lost": notices.lost,
        "waiting": notices.waiting,
        "unwritten": notices.unwritten,
        "unrecorded": notices.unrecorded,
        "given_up_without_channel": notices.given_up_without_channel,
        "channels": [channel(lane) for _, lane in sorted(notices.lanes.items())],
    }


def channel(lane: Lane) -> dict[str, object]:
    """One channel, ready for JSON."""
    user, name = lane.name
    return {
        "user": user,
        "channel": name,
        "state": FAILING if lane.failing else "working" if lane.sent_at is not None else "unused",
        "why": lane.failing or None,
        "failing_since": _when(lane.failing_since),
        "sent_at": _when(lane.sent_at),
        "waiting": len(lane),
        "sent": lane.counts.sent,
        "failed": lane.counts.failed,
        "given_up": lane.counts.given_up,
    }


def configured(
    name: tuple[str, str], settings: Channel, lanes: Mapping[tuple[str, str], Lane], last: Mapping[tuple[str, str], int]
) -> dict[str, object]:
    """One channel as its User and operators see it, ready for JSON: nothing secret is in it.

    Args:
        last: when something last arrived by the database, in microseconds since 1970: others may have sent it.
    """
    lane = lanes.get(name)
    told = {"user": name[0], "channel": name[1]} | (channel(lane) if lane is not None else dict(_UNOPENED))
    here = lane.sent_at if lane is not None else None
    sent_at = max(here or 0.0, last.get(name, 0) / 1e6) or None
    state = "working" if told["state"] == "unused" and sent_at else told["state"]
    about = {"way": settings.way, "address": address(settings), "notices": list(settings.notices)}
    return told | about | {"state": state, "sent_at": _when(sent_at)}


def address(settings: Channel) -> str | None:
    """As much of an address as is no secret: of a webhook its host, of an e-mail the first letter and the domain.

    A path is what many services know their callers by. Of Apprise's URLs nothing is told: None.
    """
    if settings.webhook is not None:
        hook = settings.webhook
        return str(replace(hook, prefix="")) + ("/…" if hook.prefix else "")
    if settings.email is not None:
        name, _, domain = settings.email.rpartition("@")
        return f"{name[0]}…@{domain}"
    return None


def notice(one: Notice) -> Mapping[str, object]:
    """One notice, ready for JSON."""
    told = one.told
    return {
        "id": one.id,
        "made_at": _when(one.made_at / 1e6),
        "user": one.user or None,
        "channel": one.channel or None,
        "kind": one.kind,
        "title": told["title"],
        "text": told["text"],
        "data": told["data"],
        "state": one.state,
        "attempts": one.attempts,
        "ended_at": _when(one.ended_at / 1e6) if one.ended_at is not None else None,
        "due_at": _when(one.due_at / 1e6) if one.ended_at is None else None,
        "why": one.why or None,
    }


def metrics(notices: Notices) -> Iterator[Metric]:
    """For `/metrics`."""
    told = CounterMetricFamily("sluicegate_notices_told", "Notices that were told, by kind.", labels=["kind"])
    for kind, count in sorted(notices.told.items()):
        told.add_metric([kind], count)
    yield told
    for name, text, count in (
        ("held_back", "Not told because the same had been told shortly before.", notices.held_back),
        ("lost", "Not told because too much was to be told at once.", notices.lost),
        ("unrecorded", "Changes that were never written: the database was lost for too long.", notices.unrecorded),
    ):
        yield CounterMetricFamily(f"sluicegate_notices_{name}", text, value=count)
    yield GaugeMetricFamily(
        "sluicegate_notices_unwritten", "Notices whose last change is not in the database.", value=notices.unwritten
    )
    waiting = GaugeMetricFamily("sluicegate_notices_waiting", "Notices to be delivered.", labels=_OF_CHANNEL)
    failing = GaugeMetricFamily("sluicegate_notices_channel_failing", "1: the last attempt failed.", labels=_OF_CHANNEL)
    sent = CounterMetricFamily("sluicegate_notices_sent", "Notices that arrived.", labels=_OF_CHANNEL)
    failed = CounterMetricFamily("sluicegate_notices_failed", "Attempts that failed.", labels=_OF_CHANNEL)
    given_up = CounterMetricFamily("sluicegate_notices_given_up", "Notices that were given up.", labels=_OF_CHANNEL)
    for labels, lane in sorted(notices.lanes.items()):
        waiting.add_metric(labels, len(lane))
        failing.add_metric(labels, bool(lane.failing))
        sent.add_metric(labels, lane.counts.sent)
        failed.add_metric(labels, lane.counts.failed)
        given_up.add_metric(labels, lane.counts.given_up)
    given_up.add_metric(("", ""), notices.given_up_without_channel)
    yield from (waiting, failing, sent, failed, given_up)


def _when(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
