"""The external decision that Envoy asks: RSGI, served by Granian, which was the fastest of the Python servers tried."""

from __future__ import annotations

import json
import os
from typing import Any

from rule import Rule

SETTINGS = json.loads(os.environ["BENCH_RULE"])
RULE = Rule({name.encode(): rate for name, rate in SETTINGS["allocations"].items()}, SETTINGS["threshold"])
REFUSED = [("retry-after", "1"), ("content-type", "application/problem+json")]


async def app(_scope: Any, protocol: Any) -> None:
    """Answer 200 to let the request pass; anything else is what the sender is told."""
    status = RULE.status(await protocol())
    if status == 200:
        protocol.response_empty(200, [])
    else:
        protocol.response_str(status, REFUSED, '{"type":"about:blank","title":"Throttled"}')
