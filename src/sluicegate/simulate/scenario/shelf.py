"""Where scenarios are: the shipped ones by name, all others by file."""

import tomllib
from difflib import get_close_matches
from pathlib import Path

from sluicegate.settings.problems import shown
from sluicegate.simulate.scenario.problems import ScenarioError

FILES = Path(__file__).parent / "files"
ORDER = (
    "ordinary-day",
    "cold-snap",
    "tariff-change",
    "firmware-campaign",
    "change-of-supplier",
    "runaway-loop",
    "csp-outage",
    "half-capacity",
    "many-small-users",
    "gb-day",
)
BASES = ("great-britain",)
"""What others extend, and what is no scenario by itself."""


def shipped() -> tuple[tuple[str, str], ...]:
    """The scenarios that come with Sluicegate: (name, title)."""
    return tuple((name, tomllib.loads((FILES / f"{name}.toml").read_text("utf-8"))["title"]) for name in ORDER)


def find(name_or_path: str, beside: Path | None = None) -> Path:
    """The file of a scenario. A file that one extends is looked for `beside` it. Raises ScenarioError."""
    if name_or_path in ORDER or name_or_path in BASES:
        return FILES / f"{name_or_path}.toml"
    if "\0" not in name_or_path and len(name_or_path) <= 4096:
        path = (beside or Path()) / name_or_path
        try:
            if path.is_file():
                return path
            if path.is_dir():
                raise ScenarioError([f"{path}: is a directory: name the scenario file in it"])
        except OSError:
            pass  # such as a name that is too long for this system: it is no file
    if beside is None and name_or_path.endswith(".toml"):
        raise ScenarioError([f"{name_or_path[:200]}: there is no such file"])
    close = get_close_matches(name_or_path[:100], ORDER, n=1, cutoff=0.5)
    meant = f" Did you mean {close[0]}?" if close else ""
    raise ScenarioError(
        [f"there is no scenario {shown(name_or_path)}.{meant} Shipped are: {', '.join(ORDER)}; or name a TOML file"]
    )
