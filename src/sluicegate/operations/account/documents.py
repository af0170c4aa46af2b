"""A profile as it comes over the wire, is kept, and is told: TOML or JSON, of a bounded size and depth."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

from sluicegate.allocation import Profile
from sluicegate.settings import ProfileFile, SettingsError, User, UserClass, UserTeam, check_profile, parse_profile

MOST_OCTETS: Final = 262_144
DEPTH: Final = 8
MOST_PROBLEMS: Final = 100
JSON, TOML = "application/json", "application/toml"
SOURCE: Final = "profile"


class Unfit(ValueError):  # noqa: N818 - named after what it is
    """A document that is no profile: `problems` says all that is wrong, a sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(problems)
        self.problems = problems


def read(octets: bytes, kind: str) -> ProfileFile:
    """A profile of one of the two kinds. Raises Unfit."""
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        raise Unfit(["is not UTF-8"]) from None
    try:
        found = parse_profile(text, source=SOURCE) if kind == TOML else check_profile(_from_json(text), source=SOURCE)
    except SettingsError as error:
        told = [str(one) if one.line is None else f"line {one}" for one in error.problems[:MOST_PROBLEMS]]
        raise Unfit(told) from None
    if not found.classes and not found.teams:
        raise Unfit(
            ["there is no class and no team in it; to go back to the profile of the configuration, delete yours"]
        )
    return found


def _from_json(text: str) -> dict[str, Any]:
    if _depth(text) > DEPTH:
        raise Unfit(["is nested too deeply to be a profile"])
    try:
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Unfit([f"is not JSON: {str(error)[:200]}"]) from None
    if not isinstance(found, dict):
        raise Unfit(['must be an object, such as {"class": [{"name": "top-ups", "srvs": ["2.*"], "reserve": 6}]}'])
    return found


def _depth(text: str) -> int:
    """How deep brackets stand in each other, texts left out."""
    depth = most = 0
    in_text = escaped = False
    for character in text:
        if in_text:
            in_text = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            in_text = True
        elif character in "[{":
            depth += 1
            most = max(most, depth)
        elif character in "]}":
            depth -= 1
    return most


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice in an object")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def kept(profile: ProfileFile) -> str:
    """As it is kept: JSON in one form, so that the same profile is the same text."""
    told = profile.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return json.dumps(told, sort_keys=True, separators=(",", ":"))


def of_kept(document: str) -> Profile:
    """From what is kept. Raises ValueError where this version of Sluicegate does not take it."""
    try:
        profile = Profile.of_user(check_profile(json.loads(document)))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if profile is None:
        raise ValueError("there is nothing in it")
    return profile


def of_user(user: User) -> dict[str, Any] | None:
    """The profile that the configuration has for a User, as a document."""
    if not user.classes and not user.teams:
        return None
    found: dict[str, Any] = json.loads(kept(ProfileFile.model_validate({"class": user.classes, "team": user.teams})))
    return found


def with_profile(user: User, profile: Profile | None) -> User:
    """The User of a configuration with another profile."""
    if profile is None:
        return user.model_copy(update={"classes": (), "teams": ()})
    classes = tuple(
        UserClass(
            name=one.name,
            srvs=one.srvs,
            command_variants=one.command_variants,
            targets=one.targets,
            reserve=one.reserve,
        )
        for one in profile.classes
    )
    teams = tuple(
        UserTeam(
            name=one.name, srvs=one.srvs, command_variants=one.command_variants, targets=one.targets, part=one.part
        )
        for one in profile.teams
    )
    return user.model_copy(update={"classes": classes, "teams": teams})
