"""The profiles that Users have set themselves: from the database to the gateway."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from sluicegate.allocation import Profile
from sluicegate.ledger import deeper
from sluicegate.log import logger
from sluicegate.operations.account import documents
from sluicegate.operations.account.governed import Governed
from sluicegate.operations.store import versions
from sluicegate.operations.store.store import OperationsStore
from sluicegate.operations.store.versions import Version
from sluicegate.operations.store.worker import Worker
from sluicegate.settings import User
from sluicegate.settings.problems import figure

AT_ONCE: Final = 200  # Users whose profiles are read in one go


class Own(NamedTuple):
    """What a User has set itself. `profile`: None where it was taken back, or cannot be used (`why_not`)."""

    version: int
    profile: Profile | None
    why_not: str


class OwnProfiles:
    """What Users have set themselves, as this gateway knows it. For its event loop.

    What counts is the newest version in the database. It is taken when it was just written, and looked for every few
    seconds: another gateway, or an operator, may have written it.
    """

    def __init__(self, gateway: Governed, worker: Worker) -> None:
        self._gateway = gateway
        self._worker = worker
        self._known: dict[str, Own] = {}
        self._in_force: dict[str, Profile] = {}
        self._seen = 0
        self._settings: object = None
        self._users: Mapping[str, User] = {}

    @property
    def in_force(self) -> Mapping[str, Profile]:
        """By User."""
        return self._in_force

    async def catch_up(self) -> None:
        """Take what is new in the database. Raises Unavailable."""
        while True:
            seen = self._seen
            found = await self._worker.do(lambda store: _read_since(store, seen))  # noqa: B023 - it is awaited
            self._note(found)
            self._apply(version.user for version, _ in found)
            if not found:
                return
            self._seen = max(self._seen, *(version.seq for version, _ in found))

    def take(self, version: Version) -> None:
        """Take what was just written."""
        self._note([(version, _own(version))])
        self._apply([version.user])

    def _note(self, found: Iterable[tuple[Version, Own]]) -> None:
        for version, own in found:
            before = self._known.get(version.user)
            if before is None or before.version < own.version:
                self._known[version.user] = own
                if own.why_not:
                    logger().error("a stored profile cannot be used", user=version.user, why=own.why_not)

    def why_not(self, name: str) -> str:
        """Why what a User has set itself is not in force; empty where it is, or there is none."""
        own, user = self._known.get(name), self.user(name)
        if own is None or user is None:
            return ""
        return own.why_not or (self.unfit(user, own.profile) if own.profile is not None else "")

    def unfit(self, user: User, profile: Profile) -> str:
        """Why a User may not set a profile: it would make its bank deeper than the operator lets it. Else empty."""
        settings, allocation = self._gateway.settings, self._gateway.ledger.shown(user.name).allocation
        most = settings.profiles.most_reserve
        granted = deeper(Profile.of_user(user), allocation, settings.capacity)
        more = deeper(profile, allocation, settings.capacity)
        if more <= max(most, granted) + 1e-9:
            return ""
        what = "its reserves and teams make" if profile.teams else "its reserves make"
        return (
            f"{what} your bank {figure(round(more, 3))} requests deeper, and you may set {figure(max(most, granted))} "
            "at most yourself: reserve less, or ask the operator"
        )

    def reloaded(self) -> None:
        """The settings are other ones: Users, allocations, what they may set themselves."""
        self._apply(self._known)

    def _apply(self, names: Iterable[str]) -> None:
        changed: dict[str, Profile | None] = {}
        for name in names:
            own, user = self._known[name], self.user(name)
            if user is None:
                continue  # of no User now: when there is one, `reloaded` comes
            wanted = own.profile
            if wanted is not None and (why := self.unfit(user, wanted)):
                logger().warning("a User's own profile is not in force", user=name, why=why)
                wanted = None
            if wanted != self._in_force.get(name):
                changed[name] = wanted
        if changed:
            self._gateway.set_profiles(changed)
            for name, profile in changed.items():
                if profile is None:
                    self._in_force.pop(name, None)
                else:
                    self._in_force[name] = profile

    def user(self, name: str) -> User | None:
        """A User of the configuration in force."""
        settings = self._gateway.settings
        if settings is not self._settings:
            self._settings, self._users = settings, {user.name: user for user in settings.users}
        return self._users.get(name)


def _read_since(store: OperationsStore, seq: int) -> list[tuple[Version, Own]]:
    with store.reading() as connection:
        found = versions.since(connection, seq, AT_ONCE)
    return [(version, _own(version)) for version in found]


def _own(version: Version) -> Own:
    if version.document is None:
        return Own(version.version, None, "")
    try:
        return Own(version.version, documents.of_kept(version.document), "")
    except ValueError as error:
        return Own(version.version, None, " ".join(str(error).split())[:300])
