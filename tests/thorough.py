"""How many examples a property is tried with: so many under `make test-long`, two in five of them under `make test`."""

from __future__ import annotations

from hypothesis import settings

ALL = 100
"""Examples of a property that names no number, under the profile `thorough`."""

QUICK = 40
"""The same under the profile `quick`."""


def register() -> None:
    """Register both profiles, and take `quick`. `--hypothesis-profile=thorough` comes after this, and wins."""
    # How long an example takes is the machine's affair: a busy one must not fail a rule. CI is a profile of its own.
    settings.register_profile("thorough", settings.get_profile("default"), max_examples=ALL, deadline=None)
    settings.register_profile("quick", settings.get_profile("thorough"), max_examples=QUICK)
    settings.load_profile("quick")


def examples(thorough: int) -> int:
    """So many under `thorough`, and its part of them under the profile that is in force."""
    return max(1, thorough * settings().max_examples // ALL)
