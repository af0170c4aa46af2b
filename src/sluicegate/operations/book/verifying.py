"""Was a version of the book, or a campaign, tampered with? What the audit trail tells of each, against the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Connection, select

from sluicegate.operations.book import campaigns, kept_forecasts, versions
from sluicegate.operations.store.book_tables import book_version, campaign
from sluicegate.operations.store.trail import Row, details_of

_MADE: Final = frozenset((versions.PUT, versions.ROLLED_BACK))


class BooksTold:
    """What the rows of the trail say that there must be; `note` takes them in their order."""

    def __init__(self) -> None:
        self._told: dict[int, dict[str, Any]] = {}
        self._campaigns: dict[int, dict[str, Any]] = {}

    def note(self, row: Row) -> None:
        """Take one row; those of other things are passed over."""
        details = details_of(row)
        self._note_campaign(row, details)
        number = details.get("to")
        if not isinstance(number, int):
            return
        if row.did in _MADE:
            self._told[number] = {
                "seq": row.seq, "sha256": details.get("sha256"), "made_at": row.at, "who": row.who,
                "restores": details.get("restores"), "asked_at": details.get("asked_at"), "approved_at": None,
                "approver": None, "effective_at": details.get("effective_at"), "withdrawn_at": None,
                "forecasts": details.get("forecasts"),
            }  # fmt: skip
        elif row.did == versions.APPROVED and number in self._told:
            approved = {"approved_at": row.at, "approver": row.who, "effective_at": details.get("effective_at")}
            self._told[number].update(approved)
        elif row.did == versions.WITHDRAWN and number in self._told:
            self._told[number]["withdrawn_at"] = row.at

    def _note_campaign(self, row: Row, details: Mapping[str, Any]) -> None:
        number = details.get("campaign")
        if row.did == campaigns.ANNOUNCED and isinstance(number, int):
            self._campaigns[number] = {
                **{name: details.get(name) for name in ("srv", "volume", "starts_at", "ends_at", "note")},
                "seq": row.seq, "user": row.about, "announced_at": row.at, "who": row.who, "withdrawn_at": None,
            }  # fmt: skip
        elif row.did == campaigns.WITHDRAWN and isinstance(number, int) and number in self._campaigns:
            self._campaigns[number]["withdrawn_at"] = row.at

    def problems(self, connection: Connection) -> Iterator[str]:
        """One version after the other: the books are not held."""
        yield from self._of_books(connection)
        yield from self._of_campaigns(connection)

    def _of_campaigns(self, connection: Connection) -> Iterator[str]:
        left = dict(self._campaigns)
        for row in connection.execute(select(campaign).order_by(campaign.c.id)):
            one = campaigns.Campaign(*row)
            expected = left.pop(one.id, None)
            if expected is None:
                yield f"campaign {one.id}: the audit trail knows nothing of it"
            elif other := [name for name, value in expected.items() if one._asdict()[name] != value]:
                yield f"campaign {one.id}: the audit trail says otherwise of its {', '.join(other)}"
        for number in sorted(left):
            yield f"campaign {number}: it was announced, and is not there"

    def _of_books(self, connection: Connection) -> Iterator[str]:
        left, forecasts = dict(self._told), dict(kept_forecasts.digests(connection))
        found = connection.execute(
            select(book_version).order_by(book_version.c.version), execution_options={"yield_per": 10}
        )
        for row in found:
            one = versions.Version(*row)
            expected = left.pop(one.version, None)
            if expected is None:
                yield f"version {one.version} of the book: the audit trail knows nothing of it"
                continue
            is_so = one._asdict() | {
                "sha256": versions.digest(one.allocations, one.reasons, one.note),
                "forecasts": forecasts.pop(one.version, None),
            }
            if one.approver is not None and versions.same_account(one.approver, one.who):
                yield f"version {one.version} of the book: {one.who} approved its own"
            other = [name for name, value in expected.items() if is_so[name] != value]
            if other:
                what = ", ".join("content" if name == "sha256" else name for name in other)
                yield f"version {one.version} of the book: the audit trail says otherwise of its {what}"
        for number in sorted(left):
            yield f"version {number} of the book: it was made, and is not there"
        for number in sorted(forecasts):
            yield f"forecasts of version {number} of the book: there is no such version"
