"""A shard that runs the real functions of the ledger in this process, by a Lua in Python, with a test's time."""

import struct
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import lupa.lua51 as lupa

from sluicegate.ledger.fleet.library import library
from sluicegate.ledger.fleet.messages import (
    FORM,
    Answer,
    Ask,
    Look,
    answer_from_texts,
    ask_to_texts,
    burial_from_texts,
    look_from_texts,
    seat_from_texts,
)
from sluicegate.ledger.fleet.shard import refused

BASE = b"sluicegate:{test}"


class Commands:
    """The few commands of Valkey that the functions call, on a dict. Keys, fields and values are bytes."""

    def __init__(self, time: Callable[[], float]) -> None:
        self.keys: dict[bytes, Any] = {}
        self._time = time
        self.run = b"run1"
        self.calls = 0

    def __call__(self, name: bytes, *given: Any) -> Any:
        self.calls += 1
        arguments = [each if isinstance(each, bytes) else str(each).encode() for each in given]
        return getattr(self, "do_" + name.decode().lower())(*arguments)

    def do_time(self) -> list[bytes]:
        whole = round(self._time() * 1e6)
        return [b"%d" % (whole // 1_000_000), b"%d" % (whole % 1_000_000)]

    def do_info(self, _: bytes) -> bytes:
        return b"# Server\r\nrun_id:" + self.run + b"\r\n"

    def do_get(self, key: bytes) -> bytes | None:
        return self.keys.get(key)

    def do_set(self, key: bytes, value: bytes) -> None:
        self.keys[key] = value

    def do_unlink(self, *keys: bytes) -> None:
        for key in keys:
            self.keys.pop(key, None)

    def do_expire(self, key: bytes, seconds: bytes) -> None:
        assert int(seconds) > 0

    def do_hget(self, key: bytes, field: bytes) -> bytes | None:
        return self.keys.get(key, {}).get(field)

    def do_hmget(self, key: bytes, *fields: bytes) -> list[bytes | None]:
        held = self.keys.get(key, {})
        return [held.get(field) for field in fields]

    def do_hset(self, key: bytes, *pairs: bytes) -> None:
        self.keys.setdefault(key, {}).update(zip(pairs[::2], pairs[1::2], strict=True))

    def do_hdel(self, key: bytes, *fields: bytes) -> None:
        for field in fields:
            self.keys.get(key, {}).pop(field, None)

    def do_hgetall(self, key: bytes) -> list[bytes]:
        return [each for pair in self.keys.get(key, {}).items() for each in pair]

    def do_hrandfield(self, key: bytes, count: bytes, _: bytes) -> list[bytes]:
        return self.do_hgetall(key)[: 2 * int(count)]

    def do_zadd(self, key: bytes, score: bytes, member: bytes) -> None:
        self.keys.setdefault(key, {})[member] = float(score)

    def do_zrem(self, key: bytes, member: bytes) -> None:
        self.keys.get(key, {}).pop(member, None)

    def do_zrangebyscore(self, key: bytes, least: bytes, most: bytes, *options: bytes) -> list[bytes]:
        found = sorted(
            (score, member) for member, score in self.keys.get(key, {}).items() if float(least) <= score <= float(most)
        )
        found = found[: int(options[-1])]
        if b"WITHSCORES" in options:
            return [each for score, member in found for each in (member, b"%.17g" % score)]
        return [member for _, member in found]


class LuaShard:
    """The functions over `Commands`. `time` is the server's clock, in seconds."""

    def __init__(self, time: Callable[[], float]) -> None:
        self.commands = Commands(time)
        self._time = time
        self._beside: dict[str, tuple[bytes, float]] = {}
        self.restart("run1")

    def restart(self, run: str) -> None:
        """Another process has the data now: the server restarted from its disk, or a replica was promoted."""
        self.commands.run = run.encode()
        self._functions: dict[str, Any] = {}
        lua = lupa.LuaRuntime(encoding=None, unpack_returned_tuples=True)
        self._lua = lua
        lua.globals()[b"python_call"] = self._call
        lua.globals()[b"python_pack"] = lambda form, *figures: struct.pack(_form(form), *figures)
        lua.globals()[b"python_unpack"] = self._unpack
        lua.globals()[b"python_register"] = self._register
        lua.execute(STAND_IN)
        made = library()
        self._name = made.name
        lua.execute(made.text.split("\n", 1)[1].encode())

    async def draw(self, ask: Ask) -> Answer:
        return self.drawn(ask)

    async def leave(self, ask: Ask) -> None:
        self.left(ask)

    async def bury(self, worker: str) -> bool:
        return self.buried(worker)

    async def look(self) -> Look:
        return self.looked()

    async def keep(self, name: str, text: bytes, seconds: float) -> None:
        self._beside[name] = text, self._time() + seconds

    async def kept(self, names: Sequence[str]) -> list[bytes | None]:
        now, nothing = self._time(), (None, float("-inf"))
        return [text if now < until else None for text, until in (self._beside.get(name, nothing) for name in names)]

    async def hold(self, name: str, who: str, seconds: float) -> bool:
        (holder,) = await self.kept([name])
        if holder not in (None, who.encode()):
            return False
        await self.keep(name, who.encode(), seconds)
        return seconds > 0.0

    async def close(self) -> None:
        """There is nothing to close."""

    def drawn(self, ask: Ask) -> Answer:
        return answer_from_texts(self.call("draw", *ask_to_texts(ask)), ask)

    def left(self, ask: Ask) -> None:
        self.call("leave", *ask_to_texts(ask))

    def buried(self, worker: str) -> bool:
        return burial_from_texts(self.call("bury", FORM, worker))

    def looked(self) -> Look:
        return look_from_texts(self.call("look"))

    async def seat(self, worker: str, parts: int, own: int | None, moves: bool, seconds: float) -> int:
        texts = FORM, worker, str(parts), "-1" if own is None else str(own), "1" if moves else "0", f"{seconds:g}"
        return seat_from_texts(self.call("seat", *texts))

    async def unseat(self, worker: str) -> None:
        self.call("unseat", FORM, worker)

    def flush(self) -> None:
        """All data is gone."""
        self.commands.keys.clear()

    def books(self) -> dict[bytes, Any]:
        """All that is kept."""
        return deepcopy(self.commands.keys)

    def call(self, function: str, *texts: str | bytes) -> list[bytes]:
        """Any texts, as somebody might send them. Raises what the ledger refuses with."""
        arguments = self._lua.table_from([text.encode() if isinstance(text, str) else text for text in texts])
        result = self._functions[f"{self._name}_{function}"](self._lua.table_from([BASE]), arguments)
        if result[b"err"] is not None:
            raise refused(result[b"err"].decode())
        return [result[at] for at in range(1, len(result) + 1)]

    def _call(self, *command: Any) -> Any:
        result = self.commands(*command)
        if isinstance(result, list):
            return self._lua.table_from([False if each is None else each for each in result])
        return False if result is None else result

    def _unpack(self, form: bytes, packed: bytes, first: int) -> Any:
        return self._lua.table_from(struct.unpack_from(_form(form), packed, first - 1))

    def _register(self, name: bytes, function: Any) -> None:
        self._functions[name.decode()] = function


def _form(form: bytes) -> str:
    return form.decode()


STAND_IN = b"""
server = {
  call = function(...) return python_call(...) end,
  error_reply = function(text) return { err = text } end,
  register_function = function(named, callback)
    if type(named) == 'table' then
      python_register(named.function_name, named.callback)
    else
      python_register(named, callback)
    end
  end,
}
struct = {
  pack = function(...) return python_pack(...) end,
  unpack = function(form, packed, first) return unpack(python_unpack(form, packed, first or 1)) end,
}
"""
