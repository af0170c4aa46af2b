"""A traffic record and a configuration: what would have happened, and what happened in one period.

Needs the extra `evidence`. docs/replay.md says what is modelled, and what is not.
"""

from sluicegate.simulate.replay.habits import Habit, HabitError, parse_habit
from sluicegate.simulate.replay.replay import READING, Question, Replay, bad_rows, check_policies, own_policy, replay
from sluicegate.simulate.replay.world import UNKNOWN, URGENT

__all__ = [
    "READING",
    "UNKNOWN",
    "URGENT",
    "Habit",
    "HabitError",
    "Question",
    "Replay",
    "bad_rows",
    "check_policies",
    "own_policy",
    "parse_habit",
    "replay",
]
