"""The dispatcher's answer to "which CSPs are full?", read and checked: docs/backpressure.md is the interface."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from math import isfinite
from typing import Any, Final, NamedTuple

from sluicegate.gateway.answers import BACKLOG_429, BACKLOG_503, ComeAgain
from sluicegate.http.call import Answer

VERSION: Final = 1
MOST_OCTETS: Final = 262_144
"""Of the dispatcher's answer: some thousand Users. Reading that much takes three milliseconds of the event loop."""
MOST_CSPS: Final = 250
LONGEST_NAME: Final = 100
MOST_SRS: Final = 10**12


class NoNews(ValueError):  # noqa: N818 - named after what it comes to
    """What the dispatcher answered is not what it says in docs/backpressure.md. `str()` says where."""


class Behind(NamedTuple):
    """A CSP that refuses somebody.

    Attributes:
        csp: its name.
        users: for how many seconds, by the User's name.
        others: for how many seconds every other User; None: they are not refused.
        answer_429, answer_503: what who is refused gets.
    """

    csp: str
    users: Mapping[str, float]
    others: float | None
    answer_429: ComeAgain
    answer_503: ComeAgain


class News(NamedTuple):
    """What the dispatcher tells.

    Attributes:
        csps: those that refuse somebody, by name.
        waiting: SRs that it has for a CSP, accepted and not yet at their end; a CSP without any may be left out.
    """

    csps: Mapping[str, Behind]
    waiting: Mapping[str, int]


NOTHING: Final = News({}, {})


@lru_cache(maxsize=MOST_CSPS)
def _answers(csp: str) -> tuple[ComeAgain, ComeAgain]:
    detail = (
        f"What was sent to the devices of {csp} before waits for their network, and as much waits as may. Requests to "
        "the devices of other networks are not concerned. Send the request again after the given number of seconds."
    )
    return ComeAgain(BACKLOG_429, detail), ComeAgain(BACKLOG_503, detail)


def read(octets: bytes) -> News:
    """What the dispatcher told.

    Raises:
        NoNews: it is not of the form that docs/backpressure.md describes.
    """
    try:
        told = json.loads(octets)
    except (ValueError, RecursionError):
        raise NoNews("it is not JSON") from None
    if not isinstance(told, dict) or type(told.get("version")) is not int or told["version"] != VERSION:
        raise NoNews(f'"version" is not {VERSION}')
    return News(_csps(told.get("csps")), _waiting(told.get("waiting", {})))


def _csps(csps: Any) -> dict[str, Behind]:
    if not isinstance(csps, dict) or len(csps) > MOST_CSPS:
        raise NoNews(f'"csps" is not an object with at most {MOST_CSPS} members')
    found = {}
    for name, one in csps.items():
        if not isinstance(one, dict) or not isinstance(one.get("users"), dict) or "others" not in one:
            raise NoNews(f'the CSP {_shown(name)} is not an object with "users" and "others"')
        users, others = one["users"], one["others"]
        if not _is_name(name) or not all(map(_is_name, users)):
            raise NoNews(f"the CSP {_shown(name)}: a name has not 1 to {LONGEST_NAME} printable characters")
        if not all(map(_is_wait, users.values())) or not (others is None or _is_wait(others)):
            raise NoNews(f"the CSP {_shown(name)}: a number of seconds is none, or below 0")
        if users or others is not None:
            found[name] = Behind(name, users, others, *_answers(name))
    return found


def _waiting(waiting: Any) -> dict[str, int]:
    if not isinstance(waiting, dict) or len(waiting) > MOST_CSPS or not all(map(_is_name, waiting)):
        raise NoNews(f'"waiting" is not an object with at most {MOST_CSPS} members')
    for name, count in waiting.items():
        if type(count) is not int or not 0 <= count <= MOST_SRS:
            raise NoNews(f"the CSP {_shown(name)}: what waits is no number of SRs")
    return waiting


def news_of(answer: Answer) -> News:
    """The news of an answer. Raises NoNews."""
    if answer.status != 200:
        raise NoNews(f"it has the status {answer.status}")
    return read(answer.body)


def _is_name(text: str) -> bool:
    return 0 < len(text) <= LONGEST_NAME and text.isprintable()  # it stands in the log, the status and the metrics


def _is_wait(value: Any) -> bool:
    return type(value) in (int, float) and value >= 0 and (type(value) is int or isfinite(value))


def _shown(name: str) -> str:
    return ascii(name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}...")
