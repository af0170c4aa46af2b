"""What a user got wrong about a scenario: all of it at once, each with file, line and key where they are known."""

from collections.abc import Iterable


class ScenarioError(ValueError):
    """A scenario that cannot be used. `problems` are sentences, such as `mine.toml:12: csp[0].share: must be ...`."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)
