"""The ledger's books as a test reads them, and what no draw may do to them.

The layout is read from the functions' own text, so that another field of a record does not blind the tests.
"""

import re
import struct
from collections import Counter
from typing import NamedTuple

from lua_shard import BASE, LuaShard

from sluicegate.ledger.fleet.library import library
from sluicegate.ledger.fleet.messages import Answer, Ask

TINY = 1e-6


def _names(pattern: str) -> list[str]:
    (found,) = re.findall(pattern, library().text, re.DOTALL)
    return re.findall(r"\w+", found)


SYSTEM = _names(r"local SYSTEM = \{(.*?)\}")
WORKER = _names(r"local WORKER = \{(.*?)\}")
USER = _names(r"local (level, filled_at[^=]*) = struct\.unpack\(USER_FORM")


def _unpacked(names: list[str], packed: bytes) -> tuple[dict[str, float], bytes]:
    width = 8 * len(names)
    return dict(zip(names, struct.unpack(f"<{len(names)}d", packed[:width]), strict=True)), packed[width:]


class Booked(NamedTuple):
    """One User's tokens in one worker's hand: of its bank, of the spare; and of each those that somebody waited for."""

    bank: float
    spare: float
    ready: float
    ready_spare: float

    @property
    def ahead(self) -> float:
        """Those that nobody waited for."""
        return self.bank - self.ready + self.spare - self.ready_spare


NOTHING = Booked(0.0, 0.0, 0.0, 0.0)


class Books(NamedTuple):
    """One moment: the system's record, each User's, each worker's hand by User ('': offered), and what all workers have
    got with their last draw for those who waited (`ready`, SR)."""

    epoch: str
    terms: str
    system: dict[str, float]
    users: dict[str, dict[str, float]]
    hands: dict[str, dict[str, Booked]]
    ready: float

    @property
    def now(self) -> float:
        """Of the clock by which banks fill, in seconds."""
        return self.system["filled"] / 1e6

    @property
    def floor(self) -> float:
        """Of the offered bank."""
        return -max(self.system["deepest"], self.system["threshold"] * self.system["calm"])

    def level(self, name: str, now: float) -> float:
        """Of a User's bank, whatever its depth; one that was not heard of is empty since the epoch began."""
        user = self.users.get(name)
        return user["level"] + (now - user["filled_at"]) * user["allocation"] if user else 0.0

    def in_hands(self, name: str) -> float:
        """Tokens of a User's bank, in SR."""
        return sum(hand[name].bank for hand in self.hands.values() if name in hand)


def read_books(shard: LuaShard) -> Books | None:
    """The books; None where nobody has come yet."""
    keys = shard.commands.keys
    packed = keys.get(BASE + b":system")
    if packed is None:
        return None
    system, words = _unpacked(SYSTEM, packed)
    epoch, _run, terms = words.decode().split("\n", 2)
    users = {name.decode(): _unpacked(USER, row)[0] for name, row in keys.get(BASE + b":users", {}).items()}
    hands = {}
    prefix = BASE + b":hand:" + epoch.encode() + b":"
    for key, rows in keys.items():
        if key.startswith(prefix):
            worker = key[len(prefix) :].rpartition(b":")[0].decode()
            hands[worker] = {name.decode(): Booked(*struct.unpack("<dddd", row)) for name, row in rows.items()}
    ready = sum(_unpacked(WORKER, row)[0]["ready"] for row in keys.get(BASE + b":workers", {}).values())
    return Books(epoch, terms, system, users, hands, ready)


def check_draw(before: Books | None, after: Books, ask: Ask, answer: Answer) -> None:
    """One draw keeps the depths, and mints nothing. `before`: of the same epoch, if there was any."""
    check_depths(after, ask, answer)
    if before is None or before.terms != after.terms:
        return
    was, of = before.system, after.system
    fill = (after.now - before.now) * of["threshold"]
    unsent = ask.unsent + _spent_as_it_came(before, ask)
    if of["system"] > -of["deepest"] + TINY:  # at its floor it forgives
        gained = of["system"] + of["pool"] + of["hand"] - was["system"] - was["pool"] - was["hand"]
        assert gained <= fill + unsent + TINY, "the system bank has gained what nobody gave"
    if of["offered"] > after.floor + TINY:
        gained = of["offered"] + of["hand"] - was["offered"] - was["hand"]
        assert gained <= fill + unsent - ask.unsent - ask.owed + TINY, (
            "the offered bank has gained what nobody gave, or was not charged"
        )
    charged: Counter[str] = Counter()
    spared: Counter[str] = Counter()
    for want in ask.wants:
        charged[want.user] += want.late + want.alone
        spared[want.user] += want.excess_back
    for name, charge in charged.items():
        now = after.now
        rate = max(each.users[name]["allocation"] for each in (before, after) if name in each.users)
        since = before.users[name]["filled_at"] if name in before.users else 0.0
        level = (before.users[name]["level"] if name in before.users else 0.0) + (now - since) * rate
        most = max(0.0, level - charge) + before.in_hands(name) + spared[name]
        assert after.level(name, now) + after.in_hands(name) <= most + TINY, f"{name}'s bank gained, or was not charged"


def _spent_as_it_came(before: Books, ask: Ask) -> float:
    """Of what is given back, what the ledger may count as spent since an earlier draw."""
    hand = before.hands.get(ask.worker, {})
    return sum(
        min(want.back, hand[want.user].ready) + min(want.excess_back, hand[want.user].ready_spare)
        for want in ask.wants
        if want.user in hand
    )


def check_depths(after: Books, ask: Ask, answer: Answer) -> None:
    """Rule 2 of docs/fleet.md: what is in hand counts against the depths; and the books agree with themselves."""
    of = after.system
    assert of["pool"] >= -TINY
    assert of["system"] >= -of["deepest"] - TINY
    assert of["system"] <= max(of["depth"] - of["pool"] - of["hand"], -of["deepest"]) + TINY, "the system bank's depth"
    assert answer.level <= max(of["depth"] - of["hand"], after.floor) + TINY, "the offered bank's depth"
    for want, given in zip(ask.wants, answer.given, strict=True):
        user = after.users[want.user]
        assert given.level <= max(0.0, user["depth"] - user["hand"]) + TINY, f"the depth of {want.user}'s bank"
    hands = [booked for hand in after.hands.values() for booked in hand.values()]
    assert abs(of["hand"] - after.ready - sum(booked.ahead for booked in hands)) <= TINY, "all hands, and each"
    for name, user in after.users.items():
        held = sum(hand[name].bank - hand[name].ready for hand in after.hands.values() if name in hand)
        assert abs(user["hand"] - held) <= TINY, f"what is in hand of {name}'s bank"
