"""Whether the order of each device was kept, and how many requests of one device were here at once.

One sender's RequestIDs for one device carry a counter that rises. A first arrival, or an execution, with a counter
below one that came before is out of order: something was overtaken. (It takes a sender that sends them one by one.)
"""

from sluicegate.simulate.standin_csp.requests import request_id

MOST_EXAMPLES = 20


class _Highest:
    """The highest counter so far of each originator and device."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: dict[bytes, int] = {}

    def passed(self, key: bytes) -> bool:
        """Note a request; whether a later one of the same originator and device came before it."""
        pair, counter = key[:16], int.from_bytes(key[16:24], "big")
        known = self._of.get(pair)
        if known is None:
            if len(self._of) >= self._most:
                for old in list(self._of)[: max(1, self._most // 4)]:
                    del self._of[old]
        elif known > counter:
            return True
        self._of[pair] = counter
        return False


class Order:
    """Watches over both."""

    def __init__(self, most: int) -> None:
        """At most ``most`` pairs of originator and device are remembered."""
        self._arrived = _Highest(most)
        self._executed = _Highest(most)
        self._here: dict[bytes, int] = {}
        self._of_device: dict[bytes, int] = {}
        self.arrived_out_of_order = 0
        self.executed_out_of_order = 0
        self.examples: list[str] = []
        self.most_at_once = 0

    def first_arrival(self, key: bytes) -> None:
        """A RequestID came for the first time."""
        if self._arrived.passed(key):
            self.arrived_out_of_order += 1
            self._note(f"{request_id(key)} arrived for the first time after a later one")

    def executed(self, key: bytes) -> None:
        """A RequestID was executed."""
        if self._executed.passed(key):
            self.executed_out_of_order += 1
            self._note(f"{request_id(key)} was executed after a later one")

    def begins(self, key: bytes) -> None:
        """A request is here. The same RequestID twice at once counts as one."""
        times = self._here.get(key, 0)
        self._here[key] = times + 1
        if not times:
            device = key[8:16]
            at_once = self._of_device.get(device, 0) + 1
            self._of_device[device] = at_once
            if at_once > self.most_at_once:
                self.most_at_once = at_once
                if at_once > 1:
                    self._note(f"{request_id(key)} came while another one for its device was here")

    def ends(self, key: bytes) -> None:
        """It was answered, or its connection has ended."""
        times = self._here.pop(key) - 1
        if times:
            self._here[key] = times
            return
        device = key[8:16]
        at_once = self._of_device.pop(device) - 1
        if at_once:
            self._of_device[device] = at_once

    def _note(self, example: str) -> None:
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(example)
