"""One Service Request from the moment at which it was meant to leave to its end."""

from dataclasses import dataclass

from sluicegate.simulate.sender.answers import Outcome


@dataclass(slots=True)
class Journey:
    """Times are seconds from the start of the run. ``last`` None: no attempt has been answered yet."""

    user: int
    intended: float
    attempts: int = 0
    throttled: int = 0
    last: Outcome | None = None
    delivered_at: float | None = None
    given_up: bool = False
    behind: int = 0
    """Attempts that were refused because the CSP of the device is behind."""

    @property
    def seconds(self) -> float | None:
        """From the intended time to delivery; None while, or if, not delivered."""
        return None if self.delivered_at is None else self.delivered_at - self.intended

    def delivered_within(self, seconds: float) -> bool:
        """Whether it was delivered at most ``seconds`` after it was meant to leave."""
        taken = self.seconds
        return taken is not None and taken <= seconds
