"""The ledger in Valkey: alone, behind Sentinel, or a Cluster; reached by valkey-py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from valkey.asyncio import Valkey
from valkey.asyncio.cluster import ClusterNode, ValkeyCluster
from valkey.asyncio.sentinel import Sentinel
from valkey.exceptions import ConnectionError as NotConnectedError
from valkey.exceptions import ReadOnlyError, ResponseError, ValkeyClusterException, ValkeyError

from sluicegate.ledger.fleet.library import base_key, library
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
from sluicegate.ledger.fleet.shard import AwayError, GoneError, refused

PORT: Final = 6379
SENTINEL_PORT: Final = 26379
SCHEMES: Final = (
    "valkey",
    "valkeys",
    "unix",
    *(f"valkey{tls}+{kind}" for tls in ("", "s") for kind in ("cluster", "sentinel")),
)
HOLD: Final = """
local seconds = tonumber(ARGV[2])
if seconds > 0 and server.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', seconds) then return 1 end
if server.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if seconds > 0 then server.call('PEXPIRE', KEYS[1], seconds) return 1 end
server.call('DEL', KEYS[1])
return 0
"""
"""The lock that Valkey describes (SET NX PX, and only its holder renews it or lets go): in milliseconds."""
DEAF: Final = (ValkeyError, ValkeyClusterException, OSError, TimeoutError)


class ValkeyShard:
    """The ledger of one name in a Valkey.

    Nothing is sent twice: whether a draw that failed was carried out is not known, and the next one puts it right.

    Args:
        url: `valkey://[user:password@]host[:port][/database]`, `valkeys://` with TLS, `unix:///path`; of a cluster
            `valkey+cluster://host:port,host:port` (any of its nodes), behind Sentinel
            `valkey+sentinel://host:port,host:port/service` (the Sentinels), both with `valkeys+` for TLS. A query sets
            options of valkey-py: `?ssl_ca_certs=/path`.
        name: of the ledger: one Valkey can hold several.
        timeout: for an answer, in seconds; a connection is given four times as long.
        part: of a ledger in parts, which one, from 0; None: the ledger, or what does not belong to one part.
        options: of valkey-py, in place of or beside the query's (`password`, say, or paths of certificates).

    Raises:
        ValueError: the URL cannot be.
    """

    def __init__(
        self,
        url: str,
        name: str,
        timeout: float = 0.5,
        options: Mapping[str, Any] | None = None,
        part: int | None = None,
    ) -> None:
        self._key = base_key(name, part)
        self._functions = library()
        self._client = client(
            url, {"socket_timeout": timeout, "socket_connect_timeout": 4 * timeout, **(options or {})}
        )

    async def draw(self, ask: Ask) -> Answer:
        """See `Shard`."""
        return answer_from_texts(await self._call("draw", *ask_to_texts(ask)), ask)

    async def leave(self, ask: Ask) -> None:
        """See `Shard`."""
        await self._call("leave", *ask_to_texts(ask))

    async def bury(self, worker: str) -> bool:
        """See `Shard`."""
        return burial_from_texts(await self._call("bury", FORM, worker))

    async def look(self) -> Look:
        """See `Shard`."""
        return look_from_texts(await self._call("look"))

    def sharing(self, name: str, part: int) -> ValkeyShard:
        """A part of a ledger in the same Valkey, over the same connections: to close one closes both."""
        made = copy(self)
        made._key = base_key(name, part)
        return made

    async def seat(self, worker: str, parts: int, own: int | None, moves: bool, seconds: float) -> int:
        """See `seats.Seats`."""
        texts = (FORM, worker, str(parts), "-1" if own is None else str(own), "1" if moves else "0", f"{seconds:g}")
        return seat_from_texts(await self._call("seat", *texts))

    async def unseat(self, worker: str) -> None:
        """See `seats.Seats`."""
        await self._call("unseat", FORM, worker)

    async def keep(self, name: str, text: bytes, seconds: float) -> None:
        """See `Shard`."""
        await self._sent("SET", self._beside(name), text, "PX", round(seconds * 1000))

    async def kept(self, names: Sequence[str]) -> list[bytes | None]:
        """See `Shard`."""
        if not names:
            return []
        return await self._sent("MGET", *map(self._beside, names))  # type: ignore[no-any-return]

    async def hold(self, name: str, who: str, seconds: float) -> bool:
        """See `Shard`."""
        return bool(await self._sent("EVAL", HOLD, 1, self._beside(name), who, round(seconds * 1000)))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _beside(self, name: str) -> str:
        return f"{self._key}:beside:{name}"

    async def _sent(self, *command: str | bytes | int) -> Any:
        try:
            return await self._client.execute_command(*command, **await self._where())
        except DEAF as error:
            if isinstance(error, ReadOnlyError):
                await self._drop()
            raise AwayError(f"{type(error).__name__}: {error}") from error

    async def _call(self, function: str, *texts: str | bytes) -> list[bytes]:
        try:
            return await self._told(function, *texts)
        except ReadOnlyError as error:  # a primary that was: the name, or Sentinel, knows the one that is
            await self._drop()
            raise AwayError(str(error)) from error
        except ResponseError as error:
            raise refused(str(error)) from error
        except DEAF as error:
            kind = GoneError if _refuses_connections(error) else AwayError
            raise kind(f"{type(error).__name__}: {error}") from error

    async def _told(self, function: str, *texts: str | bytes) -> list[bytes]:
        where = await self._where()
        name = f"{self._functions.name}_{function}"
        try:
            return await self._client.execute_command("FCALL", name, 1, self._key, *texts, **where)  # type: ignore[no-any-return]
        except ResponseError as error:
            if "function not found" not in str(error).lower():
                raise
        await self._client.execute_command("FUNCTION LOAD", "REPLACE", self._functions.text, **where)
        return await self._client.execute_command("FCALL", name, 1, self._key, *texts, **where)  # type: ignore[no-any-return]

    async def _where(self) -> dict[str, Any]:
        """Of a cluster, the node: valkey-py would ask the server first which of the arguments are keys."""
        if not isinstance(self._client, ValkeyCluster):
            return {}
        await self._client.initialize()
        return {"target_nodes": self._client.get_node_from_key(self._key)}

    async def _drop(self) -> None:
        if isinstance(self._client, Valkey):
            await self._client.connection_pool.disconnect()


def _refuses_connections(error: BaseException) -> bool:
    """Whether the server itself did, not a Sentinel or another node that was asked where it is."""
    return type(error) is NotConnectedError and isinstance(error.__context__, ConnectionRefusedError)


def client(url: str, options: Mapping[str, Any]) -> Valkey | ValkeyCluster:
    """A client by the URL of `ValkeyShard`; it connects when it is used. Raises ValueError."""
    scheme, _, kind = urlsplit(url).scheme.partition("+")
    made: dict[str, Callable[[str, str, Mapping[str, Any]], Valkey | ValkeyCluster]]
    made = {"": _alone, "cluster": _cluster, "sentinel": _behind_sentinel}
    if urlsplit(url).scheme not in SCHEMES:
        raise ValueError(f"the scheme of {url!r} is none of {', '.join(SCHEMES)}")
    if scheme == "valkeys":  # else valkey-py takes a good certificate for whatever host
        options = {"ssl_check_hostname": True, **options}
    return made[kind](url, scheme, options)


def _alone(url: str, _scheme: str, options: Mapping[str, Any]) -> Valkey:
    made: Valkey = Valkey.from_url(url, **options)
    return made


def _cluster(url: str, scheme: str, options: Mapping[str, Any]) -> ValkeyCluster:
    nodes = [ClusterNode(host, port) for host, port in _hosts(url, PORT)]
    return ValkeyCluster(startup_nodes=nodes, cluster_error_retry_attempts=0, **_options(url, scheme, options))


def _behind_sentinel(url: str, scheme: str, options: Mapping[str, Any]) -> Valkey:
    service = unquote(urlsplit(url).path.strip("/"))
    if not service:
        raise ValueError(f"{url!r} names no service: valkey+sentinel://host:port,host:port/service")
    given = _options(url, scheme, options)
    of_sentinel = {name: value for name, value in given.items() if name.startswith(("socket_", "ssl"))}
    sentinel = Sentinel(_hosts(url, SENTINEL_PORT), sentinel_kwargs=of_sentinel, **given)  # type: ignore[no-untyped-call]
    made: Valkey = sentinel.master_for(service)
    return made


def _hosts(url: str, port: int) -> list[tuple[str, int]]:
    hosts = []
    for each in urlsplit(url).netloc.rpartition("@")[2].split(","):
        parts = urlsplit(f"//{each}")
        if not parts.hostname:
            raise ValueError(f"{url!r} names a host that is none: {each!r}")
        hosts.append((parts.hostname, parts.port or port))
    return hosts


def _options(url: str, scheme: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What the URL says beside hosts; of its query all values are texts, as valkey-py takes them for TLS."""
    parts = urlsplit(url)
    who, at, _ = parts.netloc.rpartition("@")
    user, _, password = who.partition(":")
    given: dict[str, Any] = {"ssl": True} if scheme == "valkeys" else {}
    if at:
        given |= {"username": unquote(user) or None, "password": unquote(password) or None}
    return {**given, **dict(parse_qsl(parts.query)), **options}
