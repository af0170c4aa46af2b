"""What lies over the configuration file while the gateway runs: the book in force, and what operators have done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sluicegate.settings import Settings, User

_NONE: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Overlay:
    """None, and what is empty: the file counts.

    Args:
        allocations: of the allocation book in force, in SR/s; a User of the file that is not in it has none.
        maximum: an emergency capacity, in SR/s. Below the sum of the allocations, all are cut by the same factor.
        threshold: a lowered operating threshold, in SR/s. It never lies above the maximum.
        enforce: whether throttled requests are refused, for everybody.
        observed: Users for whom they are not.
        temporary: allocations for a time, in SR/s, by User; before those of the book.
        drills: by User, the part of its requests (0 to 1) that is throttled for practice.
    """

    allocations: Mapping[str, float] | None = None
    maximum: float | None = None
    threshold: float | None = None
    enforce: bool | None = None
    observed: frozenset[str] = frozenset()
    temporary: Mapping[str, float] = field(default_factory=lambda: _NONE)
    drills: Mapping[str, float] = field(default_factory=lambda: _NONE)

    @property
    def nothing(self) -> bool:
        """Whether the file counts as it is."""
        return self == NOTHING


NOTHING = Overlay()


def overlaid(settings: Settings, overlay: Overlay) -> Settings:
    """The settings that are in force: those of the file with what lies over them."""
    if overlay.nothing:
        return settings
    capacity = settings.capacity
    maximum = capacity.maximum if overlay.maximum is None else overlay.maximum
    threshold = capacity.operating_threshold if overlay.threshold is None else overlay.threshold
    changed = {
        "maximum": maximum,
        "operating_threshold": min(threshold, maximum),
        "enforce": capacity.enforce if overlay.enforce is None else overlay.enforce,
    }
    return settings.model_copy(
        update={
            "capacity": capacity.model_copy(update=changed),
            "users": tuple(_overlaid(user, overlay) for user in settings.users),
        }
    )


def _overlaid(user: User, overlay: Overlay) -> User:
    allocation = user.allocation if overlay.allocations is None else overlay.allocations.get(user.name, 0.0)
    allocation = overlay.temporary.get(user.name, allocation)
    enforce = user.enforce and user.name not in overlay.observed
    if allocation == user.allocation and enforce == user.enforce:
        return user
    return user.model_copy(update={"allocation": allocation, "enforce": enforce})
