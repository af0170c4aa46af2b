"""Stand-ins for what is behind the DSP: a CSP, which may be slow, fail, or be down; and a User's endpoint.

For tests, fault campaigns and the demo, on a loopback address. They authenticate nobody.
"""

from sluicegate.simulate.standin_csp.behaviour import Behaviour
from sluicegate.simulate.standin_csp.csp import CspSettings, StandInCsp
from sluicegate.simulate.standin_csp.schedule import Schedule
from sluicegate.simulate.standin_csp.server import Settings
from sluicegate.simulate.standin_csp.user import StandInUser

__all__ = ["Behaviour", "CspSettings", "Schedule", "Settings", "StandInCsp", "StandInUser"]
