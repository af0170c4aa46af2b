"""The book: who may use how much. Today from the settings; any source of holders will do."""

from sluicegate.allocation.book import Book, Holder
from sluicegate.allocation.effective import Effective, effective
from sluicegate.allocation.overlay import NOTHING, Overlay, overlaid
from sluicegate.allocation.profile import NO_PROFILE, NO_TEAM, PriorityClass, Profile, Team, classes_of

__all__ = [
    "NOTHING",
    "NO_PROFILE",
    "NO_TEAM",
    "Book",
    "Effective",
    "Holder",
    "Overlay",
    "PriorityClass",
    "Profile",
    "Team",
    "classes_of",
    "effective",
    "overlaid",
]
