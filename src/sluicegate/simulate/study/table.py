"""The rows of `results.parquet`, and of the sweep's: columns, order, bytes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from sluicegate.simulate.measures import COUNTS, PARTS, Entry
from sluicegate.simulate.world import World

KEYS: Final = ("policy", "scope", "user", "role", "class", "srv", "csp")
_SCOPES: Final = (
    ("user", "users", "user"),
    ("role", "roles", "role"),
    ("class", "kinds", "class"),
    ("csp", "csps", "csp"),
)
_MOST_ROWS_IN_GROUP: Final = 1 << 16

Row = dict[str, Any]


def sums(summary: Mapping[str, Any]) -> Iterator[Row]:
    """Rows of all scopes but "cell", out of a summary. What a row sums over is null."""
    roles = {user["name"]: user["role"] for user in summary["users"]}
    services = {kind["name"]: kind["srv"] for kind in summary["kinds"]}
    for policy in summary["policies"]:
        yield _row(policy["name"], "all", policy["total"])
        for scope, where, column in _SCOPES:
            for name, figures in policy[where].items():
                more = {"user": {"role": roles.get(name)}, "class": {"srv": services.get(name)}}.get(scope, {})
                yield _row(policy["name"], scope, figures, **{column: name}, **more)


def cells(world: World, by_policy: Mapping[str, Iterable[Entry]]) -> Iterator[Row]:
    """Rows of scope "cell": a User, a kind and a CSP that had traffic. What goes to no CSP has none."""
    for policy, entries in by_policy.items():
        for entry in entries:
            user, kind = world.users[entry["user"]], world.kinds[entry["kind"]]
            csp = world.csps[entry["csp"]].name if entry["csp"] >= 0 else None
            keys = {"user": user.name, "role": user.role, "class": kind.name, "srv": kind.srv, "csp": csp}
            yield _row(policy, "cell", entry, **keys)


def results(rows: Sequence[Row]) -> bytes:
    """`results.parquet`. Counts are whole numbers, but for those of a summary without names: these are parts of 100."""
    whole = all(isinstance(row[name], int) for row in rows for name in COUNTS)
    counts = pa.int64() if whole else pa.float64()
    schema = pa.schema(
        [(name, pa.string()) for name in KEYS]
        + [(name, counts) for name in COUNTS]
        + [(name, pa.float64()) for name in PARTS]
    )
    return _bytes(pa.Table.from_pylist(list(rows), schema))


def runs(rows: Sequence[Row], columns: Sequence[str]) -> bytes:
    """`sweep.parquet`: a row a run. Policy and error are text, seeds whole numbers, the rest numbers."""
    kinds = {"policy": pa.string(), "error": pa.string(), "seed": pa.int64()}
    schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in columns])
    return _bytes(pa.Table.from_pylist(list(rows), schema))


def _row(policy: str, scope: str, figures: Mapping[str, Any], **keys: str | None) -> Row:
    named = {"policy": policy, "scope": scope, **keys}
    return {**{key: named.get(key) for key in KEYS}, **{name: figures[name] for name in (*COUNTS, *PARTS)}}


def _bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", row_group_size=_MOST_ROWS_IN_GROUP)
    return bytes(sink.getvalue())
