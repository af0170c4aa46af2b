"""What came out of a run: counts by flow, times to delivery, series; the JSON of one policy."""

from sluicegate.simulate.measures.counts import COUNTS
from sluicegate.simulate.measures.histogram import ERROR
from sluicegate.simulate.measures.measures import PARTS, Entry, Measures, role_names

__all__ = ["COUNTS", "ERROR", "PARTS", "Entry", "Measures", "role_names"]
