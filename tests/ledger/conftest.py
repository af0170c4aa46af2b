from collections.abc import Iterator

import pytest
from fleet_of_one import Clock
from lua_shard import LuaShard
from real_valkey import RealShard, running


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """A real Valkey, one for all tests of a process."""
    with running() as socket:
        yield f"unix://{socket}"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["lua", "valkey"])
def shard(request, clock):
    """The ledger, by a Lua in Python and by a real Valkey, both with the time of `clock`."""
    if request.param == "lua":
        yield LuaShard(clock.server)
        return
    made = RealShard(request.getfixturevalue("valkey_url"), clock.server)
    made.flush()
    yield made
    made.close()
