"""Names that only who holds the key can tell from each other's owners."""

import hashlib
import hmac
from collections.abc import Iterable

_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # 32, none like another
_SHORTEST = 4
LEAST_KEY = 16
"""Octets. The names are known to many, so a key that can be guessed is none."""


def pseudonyms(names: Iterable[str], key: bytes) -> dict[str, str]:
    """`User K7QX` for each name: HMAC-SHA256 with the key, so the same name and key give the same, wherever.

    Two that would be alike are both made longer, until they differ. Raises ValueError where the key is too short.
    """
    if len(key) < LEAST_KEY:
        raise ValueError(f"the key of the pseudonyms has {len(key)} octets: it needs {LEAST_KEY} at least")
    whole = {name: _letters(name, key) for name in sorted(set(names))}
    lengths = dict.fromkeys(whole, _SHORTEST)
    while alike := _alike(whole, lengths):
        for name in alike:
            lengths[name] += 1
    return {name: f"User {text[: lengths[name]]}" for name, text in whole.items()}


def _letters(name: str, key: bytes) -> str:
    digest = hmac.new(key, name.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
    number = int.from_bytes(digest, "big")
    return "".join(_LETTERS[number >> 5 * place & 31] for place in range(51))


def _alike(whole: dict[str, str], lengths: dict[str, int]) -> list[str]:
    groups: dict[str, list[str]] = {}
    for name, text in whole.items():
        groups.setdefault(text[: lengths[name]], []).append(name)
    return [name for group in groups.values() if len(group) > 1 for name in group]
