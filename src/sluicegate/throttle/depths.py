"""How deep the banks are. One place: the throttle fills them, `check` and the documentation state them."""


def allocation_depth(allocation: float, burst_seconds: float, heaviest: float, reserve: float = 0.0) -> float:
    """Depth of a User's allocation bank, in SR: `max(allocation * burst, heaviest weight) + reserve`.

    At least one heaviest request fits, or a small User could never send it within its allocation. A User
    without an allocation (0) has no bank: it lives on the spare. What it holds back for its more urgent requests
    (`reserve`, in SR) comes on top, so that it takes nothing from a burst.
    """
    return max(allocation * burst_seconds, heaviest) + reserve if allocation > 0 else 0.0


def system_depth(threshold: float, burst_seconds: float, heaviest: float) -> float:
    """Depth of the system bank, in SR: `max(threshold * burst, 2 * heaviest weight)`."""
    return max(threshold * burst_seconds, 2 * heaviest)
