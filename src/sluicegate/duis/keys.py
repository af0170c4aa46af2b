"""A RequestID in 24 octets, and an EUI-64 as a number: for what is stored and compared a million times."""

from . import values
from .header import Header, normal_eui64

KEY_OCTETS = 24


def request_key(request_id: str) -> bytes:
    """A RequestID (or ResponseID) as 24 octets: originator, target, counter, each 8 octets, big-endian.

    IDs that differ in nothing but the case of their letters have the same key. Raises ValueError where `request_id`
    is none.
    """
    _, originator, target, counter = values.request_id(request_id)
    return _packed(originator, target, counter)


def header_key(header: Header) -> bytes:
    """The key of a Service Request: that of its RequestID."""
    return _packed(header.originator, header.target, header.counter)


def key_text(key: bytes) -> str:
    """The RequestID of a key, its letters in upper case. Raises ValueError where `key` has not 24 octets."""
    if len(key) != KEY_OCTETS:
        raise ValueError(f"a key has {KEY_OCTETS} octets, not {len(key)}")
    originator, target = (key[start : start + 8].hex("-").upper() for start in (0, 8))
    return f"{originator}:{target}:{int.from_bytes(key[16:], 'big')}"


def lane_of(eui64: str) -> int:
    """A device as a signed 64-bit number, as databases have it. Raises ValueError where `eui64` is no EUI-64."""
    return int.from_bytes(_octets(normal_eui64(eui64)), "big", signed=True)


def _packed(originator: str, target: str, counter: int) -> bytes:
    return _octets(originator) + _octets(target) + counter.to_bytes(8, "big")


def _octets(eui64: str) -> bytes:
    return bytes.fromhex(eui64.replace("-", ""))
