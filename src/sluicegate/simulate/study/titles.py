"""What policies are called where people read."""

from typing import Final

from sluicegate.simulate.policy import NAMES, Policy

_TITLES: Final = {
    "none": "No mechanism",
    "allocation": "Traffic management",
    "allocation-first-come": "Traffic management, first come",
    "imposed-priority": "Imposed priority",
    "own-priority": "Own priority",
    "adt": "Anomaly Detection Thresholds",
    "adaptive": "Adaptive traffic management",
}


def title(policy: Policy) -> str:
    """A few words: `Traffic management + own priority`."""
    parts = [_capacity(policy) if part.startswith("capacity:") else _TITLES[part] for part in policy.name.split("+")]
    return " + ".join([parts[0], *(part if part.isupper() else part[0].lower() + part[1:] for part in parts[1:])])


def explanation(policy: Policy) -> str:
    """A sentence for each part."""
    return " ".join(
        f"The DSP and the limits have {policy.capacity:g} times the capacity."
        if part.startswith("capacity:")
        else NAMES[part]
        for part in policy.name.split("+")
    )


def _capacity(policy: Policy) -> str:
    return f"{policy.capacity:g} times the capacity"
