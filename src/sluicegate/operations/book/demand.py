"""What Users wanted, by a traffic record: first attempts, for a retry wants nothing more. Needs `evidence`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from sluicegate.simulate.record import Record
from sluicegate.simulate.replay.attempts import Attempts
from sluicegate.simulate.replay.rows import Reader

HOUR: Final = 3_600_000_000
"""Microseconds."""


@dataclass
class Demand:
    """First attempts.

    by_srv: by User and SRV. by_hour: of all Users together, by weight, by hour since 1970. seen: of the pairs that were
    asked for, by (User, SRV) and hour. attempts, held: of those pairs, all attempts and the throttled and rejected
    among them. covered: hours of which the record has a row.
    """

    by_srv: dict[str, Counter[str]] = field(default_factory=dict)
    by_hour: dict[int, float] = field(default_factory=dict)
    seen: dict[tuple[str, str], Counter[int]] = field(default_factory=dict)
    attempts: Counter[tuple[str, str]] = field(default_factory=Counter)
    held: Counter[tuple[str, str]] = field(default_factory=Counter)
    covered: set[int] = field(default_factory=set)


def demand_of(
    record: Record,
    srvs: Collection[str] = (),
    pairs: Collection[tuple[str, str]] = (),
    weights: Mapping[str, float] | None = None,
) -> Demand:
    """Read a record once.

    Args:
        srvs: SRVs that are told by their own names though no catalogue lists them; others of that kind are `other`.
        pairs: Users and SRVs whose hours are wanted too.
        weights: of SRVs, where they are not 1 (for `by_hour`).

    Raises RecordError where it cannot be read.
    """
    weigh = weights or {}
    own = frozenset((*srvs, *weigh, *(srv for _, srv in pairs)))
    reader, attempts, found = Reader(own), Attempts(), Demand()
    for batch in record.batches():
        rows = reader.rows(batch)
        first, held, hours = attempts.take(rows).first, rows.held, rows.times // HOUR
        found.covered.update(np.unique(hours).tolist())
        heavy = np.array([weigh.get(srv, 1.0) for srv in reader.srvs.texts])
        there, places = np.unique(hours[first], return_inverse=True)
        sums = np.bincount(places, weights=heavy[rows.srvs[first]], minlength=len(there))
        for hour, count in zip(there.tolist(), sums.tolist(), strict=True):
            found.by_hour[hour] = found.by_hour.get(hour, 0.0) + count
        codes, counts = np.unique(rows.users[first] << 24 | rows.srvs[first], return_counts=True)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            of_user = found.by_srv.setdefault(reader.users.texts[code >> 24], Counter())
            of_user[reader.srvs.texts[code & 0xFFFFFF]] += count
        for pair in pairs:
            if pair[0] not in reader.users.texts or pair[1] not in reader.srvs.texts:
                continue
            chosen = (rows.users == reader.users.number(pair[0])) & (rows.srvs == reader.srvs.number(pair[1]))
            found.attempts[pair] += int(chosen.sum())
            found.held[pair] += int((chosen & held).sum())
            of_pair = found.seen.setdefault(pair, Counter())
            for hour, count in zip(*np.unique(hours[chosen & first], return_counts=True), strict=True):
                of_pair[int(hour)] += int(count)
    return found
