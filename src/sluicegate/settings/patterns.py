"""How many SRVs, or many devices, are meant at once: `4.*`, and the first octets of an EUI-64."""

from __future__ import annotations

import re
from typing import Any

from sluicegate.settings.problems import shown

_SRV_PATTERN = re.compile(r"\*|[1-9][0-9]?\.(?:\*|[1-9][0-9]?(?:\.(?:\*|[1-9][0-9]?))?)", re.ASCII)
_PREFIX = re.compile(r"[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){0,7}", re.ASCII)
_CSP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", re.ASCII)
_CODE = re.compile(r"E[0-9]{1,6}", re.ASCII)


def srv_pattern(value: Any) -> str:
    """An SRV (`2.2`), all that begin like it (`4.*`, `6.15.*`), or all there are (`*`)."""
    if not isinstance(value, str) or not _SRV_PATTERN.fullmatch(value):
        raise ValueError(f'{shown(value)} is not an SRV or a pattern of SRVs: write "2.2", "4.*" or "*", in quotes')
    return value


def patterns_of(srv: str) -> tuple[str, ...]:
    """Every pattern that means an SRV, the most special first: `6.15.1`, `6.15.*`, `6.*`, `*`."""
    parts = srv.split(".")
    return (srv, *(".".join(parts[:length]) + ".*" for length in range(len(parts) - 1, 0, -1)), "*")


def eui64_prefix(value: Any) -> str:
    """The first octets of an EUI-64, one to eight of them, joined by `-`, in any case; becomes upper case."""
    if not isinstance(value, str) or not _PREFIX.fullmatch(value):
        raise ValueError(
            f"{shown(value)} is not the beginning of an EUI-64: write one to eight pairs of hex digits joined by -, "
            'as in "90-B3-D5"'
        )
    return value.upper()


def csp_name(value: Any) -> str:
    """A CSP's name: 1 to 40 letters, digits, `-` and `_`."""
    if not isinstance(value, str) or not _CSP.fullmatch(value):
        raise ValueError(
            f'{shown(value)} is not the name of a CSP: write 1 to 40 letters, digits, - and _, as in "north"'
        )
    return value


def error_code(value: Any) -> str:
    """A ResponseCode that says that something went wrong: `E` and one to six digits."""
    if not isinstance(value, str) or not _CODE.fullmatch(value):
        raise ValueError(f'{shown(value)} is not an error code: write one such as "E12"')
    return value
