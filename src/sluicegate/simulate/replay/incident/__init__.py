"""The investigation of one period of a record: who sent what, who was held, what followed."""

from sluicegate.simulate.replay.incident.findings import incident
from sluicegate.simulate.replay.incident.gather import Period, PeriodError, look_into
from sluicegate.simulate.replay.incident.held import HeldMinute, held_back
from sluicegate.simulate.replay.incident.page import incident_page

__all__ = ["HeldMinute", "Period", "PeriodError", "held_back", "incident", "incident_page", "look_into"]
