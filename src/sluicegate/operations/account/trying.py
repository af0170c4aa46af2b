"""The process of a dry run: `python -m sluicegate.operations.account.trying`, asked by `dry_run` on standard input."""

from __future__ import annotations

import json
import os
import pickle
import resource
import signal
import sys
from typing import Any, Final

DEADLINE: Final = 120  # seconds, also where nobody waits any more
GENTLE: Final = 10  # the gateway decides first


def told(asked: bytes) -> dict[str, Any]:
    """The answer, ready for JSON; of a record that cannot be replayed `error` says why."""
    from sluicegate.simulate.record import RecordError  # noqa: PLC0415
    from sluicegate.simulate.replay.profiles import MOST_ROWS, last_hour, other_way  # noqa: PLC0415

    folder, settings, user, profile = pickle.loads(asked)  # noqa: S301 - from the gateway that has started us
    try:
        record = last_hour(folder)
        found = other_way(record, settings, user, profile)
    except RecordError as error:
        return {"error": str(error).replace(folder, "the record")[:500]}
    span = record.span
    return {
        "user": user,
        "since": span.first.isoformat() if span is not None else None,
        "until": span.last.isoformat() if span is not None else None,
        "classes": [
            {"class": name or None, "throttled": before, "with_this_profile": after}
            for name, (before, after) in found.classes.items()
        ],
        "would_have_passed": found.passes,
        "would_have_been_throttled": found.throttled,
        "requests": [
            {"at": one.at.isoformat(), "srv": one.srv, "class": one.name or None, "would_have_passed": one.passes}
            for one in found.turned
        ],
        "most_requests": MOST_ROWS,
    }


def main() -> None:
    """Read, replay, answer."""
    signal.alarm(DEADLINE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(GENTLE)
    json.dump(told(sys.stdin.buffer.read()), sys.stdout)


if __name__ == "__main__":
    main()
