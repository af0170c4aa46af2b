"""Times of day, as seconds from the start of the run. A time before the start is one of the day after."""

from sluicegate.simulate.scenario.tables import DAY, Window


def starts(time: float, window: Window) -> float:
    """When something begins: 0 at the start of the run, below a day."""
    return (time - window.starts) % DAY


def ends(time: float, window: Window) -> float:
    """When something is over: above 0, a day at the most."""
    return (time - window.starts) % DAY or DAY
