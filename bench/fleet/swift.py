"""The real functions of the ledger under LuaJIT, their books beside them: three times as many draws a second as over
books in Python. Its compiler is off: code that branches so much it compiles over and over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lupa.luajit21 as lupa

from sluicegate.ledger.fleet.library import base_key, library
from sluicegate.ledger.fleet.messages import Answer, Ask, answer_from_texts, ask_to_texts
from sluicegate.ledger.fleet.shard import refused

STAND_IN = Path(__file__).with_name("stand_in.lua")
CALLED = b"""
return function(name, key, ...)
  local result = functions[name]({ key }, { ... })
  if result.err then return result.err end
  return result
end
"""


class SwiftLedger:
    """One ledger, on the time of each draw (seconds)."""

    def __init__(self) -> None:
        self._lua = lua = lupa.LuaRuntime(encoding=None, unpack_returned_tuples=True)
        made = library()
        lua.execute(b"jit.off()")
        lua.execute(STAND_IN.read_bytes())
        lua.execute(made.text.split("\n", 1)[1].encode())
        self._globals: Any = lua.globals()
        self._called = lua.execute(CALLED)
        self._name, self._key = f"{made.name}_draw".encode(), base_key("thousand").encode()

    def draw(self, ask: Ask, now: float) -> Answer:
        """One draw. Raises as `Shard.draw`."""
        self._globals[b"clock_us"] = round((1000.0 + now) * 1e6)
        texts = (text.encode() if isinstance(text, str) else text for text in ask_to_texts(ask))
        result = self._called(self._name, self._key, *texts)
        if isinstance(result, bytes):
            raise refused(result.decode())
        return answer_from_texts(list(result.values()), ask)
