"""An open-loop sender: requests leave when their schedule says so, however slowly the answers come.

Latency counts from the intended time, so a slow answer cannot hide the requests that waited behind it.
"""

from sluicegate.simulate.sender.answers import Outcome, classify
from sluicegate.simulate.sender.client import Answer, Client, NoAnswerError
from sluicegate.simulate.sender.journey import Journey
from sluicegate.simulate.sender.load import Load, RetryHabit, send
from sluicegate.simulate.sender.schedule import Phase, fixed_times, poisson_times

__all__ = [
    "Answer",
    "Client",
    "Journey",
    "Load",
    "NoAnswerError",
    "Outcome",
    "Phase",
    "RetryHabit",
    "classify",
    "fixed_times",
    "poisson_times",
    "send",
]
