"""The evidence as people read it: the report out of a summary, and the summary without names and sizes."""

from sluicegate.simulate.evidence.anonymous import anonymous, anonymous_rows
from sluicegate.simulate.evidence.report import report

__all__ = ["anonymous", "anonymous_rows", "report"]
