"""From rates to arrivals: how much each flow sends at each time, by chance and yet the same for the same seed."""

from sluicegate.simulate.traffic.arrivals import MOST_IN_A_CHUNK, Arrivals
from sluicegate.simulate.traffic.bursts import Bursts
from sluicegate.simulate.traffic.listed import listed
from sluicegate.simulate.traffic.rates import STEP, Rates, steps_of
from sluicegate.simulate.traffic.surges import Surge

__all__ = ["MOST_IN_A_CHUNK", "STEP", "Arrivals", "Bursts", "Rates", "Surge", "listed", "steps_of"]
