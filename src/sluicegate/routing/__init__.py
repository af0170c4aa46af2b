"""Which CSP a device belongs to: by prefixes of its EUI-64, and by a table of devices. The gateway and the
dispatcher both ask."""

from sluicegate.routing.problems import RouteProblem, RoutesError
from sluicegate.routing.routes import Routes

__all__ = ["RouteProblem", "Routes", "RoutesError"]
