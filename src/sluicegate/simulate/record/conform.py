"""From a table as a file has it to rows of the schema: types made the same, bad rows told and passed over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sluicegate.simulate.record.columns import (
    EARLIEST,
    FIRST_YEAR,
    LAST_YEAR,
    LATEST,
    LONGEST,
    MOST_SECONDS,
    OUTCOMES,
    REQUIRED,
    SCHEMA,
    SRV,
    STATUSES,
    VARIANTS,
    request_hash,
)
from sluicegate.simulate.record.problems import RecordError, shown

Mask = NDArray[np.bool_]
BOUNDS = {
    "command_variant": (VARIANTS[0], VARIANTS[-1]),
    "size": (0, 2**32 - 1),
    "status": (STATUSES[0], STATUSES[-1]),
    "upstream_status": (STATUSES[0], STATUSES[-1]),
}
MOST_REQUEST = 2**64 - 1
LONGEST_REQUEST = 256
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DIGITS = re.compile(r"[0-9]{1,20}", re.ASCII)


class Fault(NamedTuple):
    """A bad row: its place in the table, the column, and why."""

    row: int
    field: str
    reason: str


def check_columns(schema: pa.Schema, file: object) -> list[str]:
    """The columns of a file that are no columns of a record.

    Raises:
        RecordError: a required one is missing, one is there twice, or one is of a type that cannot be.
    """
    missing = [name for name in REQUIRED if name not in schema.names]
    if missing:
        raise RecordError(
            f"{file} has no column {' and no column '.join(map(repr, missing))}: a traffic record has at least "
            f"{', '.join(REQUIRED)}"
        )
    for name in SCHEMA.names:
        if schema.names.count(name) > 1:
            raise RecordError(f"{file} has the column {name!r} twice: take one out")
        if name in schema.names:
            wanted = _KINDS[name]
            kind = schema.field(name).type
            if not (wanted.fits(kind) or (pa.types.is_null(kind) and name not in REQUIRED)):
                raise RecordError(f"{file}: the column {name!r} must hold {wanted.words}, and holds {kind}")
    return [str(name) for name in schema.names if name not in SCHEMA.names]


def conform(table: pa.Table) -> tuple[pa.Table, list[Fault]]:
    """The good rows of a table, of `SCHEMA` with one chunk, and why the others are none; a row is told once."""
    good: Mask = np.ones(table.num_rows, dtype=bool)
    columns, faults = [], []
    for field in SCHEMA:
        if field.name not in table.schema.names:
            columns.append(pa.nulls(table.num_rows, field.type))
            continue
        column, wrong = _KINDS[field.name].take(_one_chunk(table[field.name]), field)
        for mask, reason in wrong:
            fresh = np.flatnonzero(mask & good)
            faults += [Fault(int(row), field.name, reason(column[int(row)])) for row in fresh]
            good[fresh] = False
        columns.append(column)
    if faults:
        faults.sort()
        kept = pa.array(good)
        columns = [column.filter(kept) for column in columns]
    return pa.table([_final(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA), faults


def _final(column: pa.Array, kind: pa.DataType) -> pa.Array:
    return column if column.type == kind else column.cast(kind)


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


Wrong = Iterator[tuple[Mask, Callable[[pa.Scalar], str]]]
"""Which rows are bad, and why one with such a value is."""


def _nulls(column: pa.Array) -> Mask:
    found: Mask = column.is_null().to_numpy(zero_copy_only=False)
    return found


def _missing(field: pa.Field, column: pa.Array) -> Wrong:
    if not field.nullable and column.null_count:
        yield _nulls(column), lambda _: "is missing"


def _time(column: pa.Array, field: pa.Field) -> tuple[pa.Array, Wrong]:
    """Held against the years in the file's own unit: what is far beyond them would wrap around in another one."""
    per_second = _PER_SECOND[column.type.unit]
    earliest, latest = EARLIEST * per_second // 1_000_000, LATEST * per_second // 1_000_000
    values = column.cast(pa.int64()).fill_null(earliest).to_numpy(zero_copy_only=False)
    beyond = (values < earliest) | (values >= latest)
    within = pc.if_else(pa.array(beyond), pa.scalar(None, column.type), column)
    taken = within.cast(field.type, safe=False)  # nanoseconds are cut off

    def wrong() -> Wrong:
        yield from _missing(field, column)
        yield beyond, lambda _: f"must be in the years {FIRST_YEAR} to {LAST_YEAR}"

    return taken, wrong()


def _text(column: pa.Array, field: pa.Field) -> tuple[pa.Array, Wrong]:
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    taken = column.cast(field.type)

    def wrong() -> Wrong:
        yield from _missing(field, taken)
        reasons = [_wrong_text(field.name, value) for value in taken.dictionary.to_pylist()]
        if any(reasons):
            # One place more than there are values, for the rows that have none.
            bad = np.array([*map(bool, reasons), False])
            codes = taken.indices.fill_null(len(reasons)).to_numpy(zero_copy_only=False)
            yield bad[codes], lambda value: _wrong_text(field.name, value.as_py())

    return taken, wrong()


def _wrong_text(name: str, value: str | None) -> str:
    """Why this cannot be a value of the column; empty where it can."""
    if value is None:
        return "is missing" if name in REQUIRED else ""
    if not 1 <= len(value) <= LONGEST[name]:
        return f"must have 1 to {LONGEST[name]} characters, and has {len(value)}"
    if not value.isprintable():
        return f"{shown(value)} holds a character that cannot be printed"
    if name == "outcome" and value not in OUTCOMES:
        return f"must be one of {', '.join(OUTCOMES)}, and is {shown(value)}"
    if name == "srv" and not SRV.fullmatch(value):
        return f"must be a Service Reference Variant such as 2.2 or 6.15.1, and is {shown(value)}"
    return ""


def _whole(column: pa.Array, field: pa.Field) -> tuple[pa.Array, Wrong]:
    lowest, highest = BOUNDS[field.name]
    wide = column.cast(pa.float64(), safe=False)  # every number within the bounds is exact in it
    values = wide.fill_null(lowest).to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):
        beyond = ~((values >= lowest) & (values <= highest) & (values == np.floor(values)))
    taken = pc.if_else(pa.array(beyond), pa.scalar(None, pa.float64()), wide).cast(field.type)

    def wrong() -> Wrong:
        yield from _missing(field, wide)
        yield beyond, lambda _: f"must be a whole number of {lowest} to {highest}"

    return taken, wrong()


def _request(column: pa.Array, field: pa.Field) -> tuple[pa.Array, Wrong]:
    if _texts(column.type):
        values = column.to_pylist()
        too_long = np.array([value is not None and len(value) > LONGEST_REQUEST for value in values], dtype=bool)
        numbers = [
            None if value is None or bad else number_of(value) for value, bad in zip(values, too_long, strict=True)
        ]
        taken = pa.array(numbers, pa.uint64())
    else:
        too_long = np.zeros(len(column), dtype=bool)
        if pa.types.is_signed_integer(column.type):
            negative = column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False) < 0
            column = pc.if_else(pa.array(negative), pa.scalar(None, column.type), column)
        taken = column.cast(field.type)

    def wrong() -> Wrong:
        yield too_long, lambda _: f"must have at most {LONGEST_REQUEST} characters"
        if taken.null_count:
            yield _nulls(taken), lambda _: "is missing, or below 0"

    return taken, wrong()


def number_of(text: str) -> int:
    """A request's number: as written where it is one below 2^64, the hash of the text otherwise."""
    if _DIGITS.fullmatch(text):
        number = int(text)
        if number <= MOST_REQUEST:
            return number
    return request_hash(text)


def _latency(column: pa.Array, field: pa.Field) -> tuple[pa.Array, Wrong]:
    wide = column.cast(pa.float64(), safe=False)
    values = wide.fill_null(0.0).to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):
        beyond = ~((values >= 0.0) & (values <= MOST_SECONDS))
    taken = pc.if_else(pa.array(beyond), pa.scalar(None, pa.float64()), wide).cast(field.type)

    def wrong() -> Wrong:
        yield beyond, lambda _: f"must be seconds, 0 to {MOST_SECONDS:g}"

    return taken, wrong()


def _texts(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _numbers(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


class _Kind(NamedTuple):
    """What a column may be in a file, in words too, and how it is taken."""

    fits: Callable[[pa.DataType], bool]
    words: str
    take: Callable[[pa.Array, pa.Field], tuple[pa.Array, Wrong]]


_A_TEXT = _Kind(_texts, "text", _text)
_A_NUMBER = _Kind(_numbers, "whole numbers", _whole)
_KINDS = {
    "time": _Kind(
        lambda kind: pa.types.is_timestamp(kind) and kind.tz is not None, "times with a time zone (UTC)", _time
    ),
    "user": _A_TEXT,
    "request": _Kind(lambda kind: pa.types.is_integer(kind) or _texts(kind), "whole numbers or text", _request),
    "srv": _A_TEXT,
    "command_variant": _A_NUMBER,
    "region": _A_TEXT,
    "duis": _A_TEXT,
    "size": _A_NUMBER,
    "outcome": _A_TEXT,
    "status": _A_NUMBER,
    "upstream_status": _A_NUMBER,
    "latency": _Kind(_numbers, "seconds", _latency),
}
