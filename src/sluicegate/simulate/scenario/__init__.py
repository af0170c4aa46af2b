"""Scenarios: who sends what on which day, to which plant, under which rules. TOML, read and checked as a whole."""

from sluicegate.simulate.scenario.problems import ScenarioError
from sluicegate.simulate.scenario.reading import Scenario, load
from sluicegate.simulate.scenario.shelf import shipped

__all__ = ["Scenario", "ScenarioError", "load", "shipped"]
