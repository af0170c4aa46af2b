"""Parcels for the tests of the pure parts."""

from __future__ import annotations

from sluicegate.dispatch.parcel import Kind, Parcel

NORTH = "csp:north"


def parcel(seq: int, user: str = "A", rank: int = 0, octets: int = 10, destination: str = NORTH) -> Parcel:
    """A parcel with a number, of a User, of a rank."""
    return Parcel(
        seq, Kind.REQUEST, b"k%d" % seq, destination, user, rank, "/api/v1/serviceS", None, "2.2", 0.0, 1e9,
        attempts=0, repeated=False, octets=octets, body=bytes(octets),
    )  # fmt: skip
