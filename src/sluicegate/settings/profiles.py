"""A priority profile by itself: what a User writes, apart from the operator's file."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field

from sluicegate.settings.dispatching import MOST_CLASSES, MOST_TEAMS, UserClass, UserTeam
from sluicegate.settings.problems import Finding, Problem, SettingsError, place
from sluicegate.settings.reading import document_of, problems_of, text_of, validated
from sluicegate.settings.table import Table

MOST_OCTETS: Final = 1_048_576
"""The largest profile, in octets."""


class ProfileFile(Table):
    """`[[class]]` and `[[team]]`, as `[[user.class]]` and `[[user.team]]` of a User in the configuration file."""

    classes: Annotated[tuple[UserClass, ...], Field(strict=False, max_length=MOST_CLASSES)] = Field(
        default=(), alias="class"
    )
    teams: Annotated[tuple[UserTeam, ...], Field(strict=False, max_length=MOST_TEAMS)] = Field(default=(), alias="team")


def load_profile(path: Any) -> ProfileFile:
    """Reads a profile from a TOML file. Raises SettingsError, which holds all that is wrong, with its lines."""
    text = text_of(path, MOST_OCTETS)
    return parse_profile(text, source=str(path))


def parse_profile(text: str, *, source: str = "profile") -> ProfileFile:
    """The same from its text."""
    document = document_of(text, source)
    found, findings = _read(document)
    if found is None or findings:
        raise SettingsError(source, problems_of(findings, text, document))
    return found


def check_profile(document: dict[str, Any], *, source: str = "profile") -> ProfileFile:
    """The same from a document, such as one that came as JSON. Raises SettingsError, without lines."""
    found, findings = _read(document)
    if found is None or findings:
        raise SettingsError(source, [Problem(None, place(one.path, document), one.message) for one in findings])
    return found


def _read(document: dict[str, Any]) -> tuple[ProfileFile | None, list[Finding]]:
    found, findings = validated(ProfileFile, document, {})
    if found is None or findings:
        return found, findings
    for table, names in (("class", [c.name for c in found.classes]), ("team", [t.name for t in found.teams])):
        for at, name in enumerate(names):
            if name in names[:at]:
                findings.append(Finding((table, at, "name"), f"{name!r} is already the name of another {table}"))
    if sum(team.part for team in found.teams) > 1 + 1e-9:
        findings.append(Finding(("team",), "the parts of the teams add up to more than 1"))
    return found, findings
