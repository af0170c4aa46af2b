"""What became of what was POSTed to the dispatcher."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """What became of what was POSTed, since the start."""

    accepted: int = 0
    repeated: int = 0
    conflicts: int = 0
    outcomes: int = 0
    late: int = 0
    """Outcomes of SRs that had been returned."""
    hung_up: int = 0
    """Senders that left within their message."""
    refused: dict[str, int] = field(default_factory=dict)
    """By reason: a code (E13, E19) or the name of a problem."""

    def refuse(self, reason: str) -> None:
        """Count a refusal."""
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def told(self) -> dict[str, int]:
        """All of them, in one mapping."""
        return {
            "accepted": self.accepted,
            "repeated": self.repeated,
            "conflicts": self.conflicts,
            "outcomes": self.outcomes,
            "late": self.late,
            "hung-up": self.hung_up,
            **{f"refused-{reason}": count for reason, count in list(self.refused.items())},
        }
