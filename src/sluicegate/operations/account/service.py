"""The accounts of a gateway as a service: what Users have set comes into force, and their API answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine, Mapping
from time import monotonic
from typing import Final

from starlette.routing import BaseRoute

from sluicegate.front.tls import server_context
from sluicegate.http.listening import listen
from sluicegate.http.tls import no_password
from sluicegate.log import logger
from sluicegate.operations.account import described
from sluicegate.operations.account.api import AccountApi as ProfileApi
from sluicegate.operations.account.door import MOST, Door
from sluicegate.operations.account.dry_run import DryRuns
from sluicegate.operations.account.governed import Governed
from sluicegate.operations.account.profiles import OwnProfiles
from sluicegate.operations.site import openapi
from sluicegate.operations.site.app import Part, site
from sluicegate.operations.site.gate import SiteGate, Terms
from sluicegate.operations.site.headers import Fields
from sluicegate.operations.site.openid import OpenId
from sluicegate.operations.site.sign_in import CALLBACK, SignIn
from sluicegate.operations.store.worker import Unavailable, Worker
from sluicegate.settings import AccountApi
from sluicegate.settings import SignIn as SignInSettings

CONNECTIONS: Final = MOST  # descriptors that the API may take


class Accounts:
    """What Users have set themselves, and where they set it. For the event loop of the gateway.

    Where the database cannot be asked, the gateway serves all the same: at a start with the profiles of the
    configuration, later with those that it knows.

    Args:
        gateway: whose Users they are. database: as `OperationsStore` takes it.
        parts: what else the site of `[account]` has.
    """

    def __init__(self, gateway: Governed, worker: Worker) -> None:
        self._gateway = gateway
        self._worker = worker
        self._profiles = OwnProfiles(gateway, self._worker)
        self._dry_runs = DryRuns(gateway, self._profiles)
        api = ProfileApi(self._worker, self._profiles, self._dry_runs)
        sign_in = gateway.settings.sign_in or SignInSettings()
        terms = _terms(gateway.settings.account, sign_in)
        self._gate = SiteGate(self._worker, lambda name: self._profiles.user(name) is not None, terms)
        browsers = SignIn(self._worker, self._gate, _provider(sign_in))
        self._parts = [Part(api.routes(), described.PATHS)]
        self._own: list[BaseRoute] = list(browsers.routes())
        self._secure = terms.secure
        self._site: Fields | None = None
        self._door: Door | None = None
        self._tls: ssl.SSLContext | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._caught_up_at = float("-inf")
        self.port: int | None = None

    @property
    def worker(self) -> Worker:
        """Has the database, for others that stand on it. It ends with the accounts."""
        return self._worker

    # --- what operations look at

    @property
    def failing(self) -> str:
        """Why the database cannot be used now; empty where it can."""
        return self._worker.failing

    @property
    def age(self) -> float:
        """Seconds since what Users set was last looked for in the database."""
        return monotonic() - self._caught_up_at

    @property
    def own_profiles(self) -> int:
        """How many Users' own profiles are in force."""
        return len(self._profiles.in_force)

    @property
    def answers(self) -> Mapping[int, int]:
        """Answers of the site, by status."""
        return self._site.answers if self._site is not None else {}

    @property
    def refused_tokens(self) -> int:
        """Requests without a token that counts."""
        return self._gate.slowing.refused

    # --- its life

    def offer(self, part: Part) -> None:
        """Answer this too. Before `start`."""
        self._parts.append(part)

    async def start(self) -> None:
        """Begin to answer. Raises OSError: the address, or a TLS file."""
        account = self._gateway.settings.account
        if account is not None:
            if account.tls is not None:
                self._tls = server_context(str(account.tls.certificate), str(account.tls.key), None, None)
            listening = listen("account.listen", account.listen.host, account.listen.port)
            self.port = int(listening.getsockname()[1])
            routes = [*self._own, *openapi.routes(part.paths for part in self._parts)]
            routes += [route for part in self._parts for route in part.routes]
            self._site = site(self._gate, routes, secure=self._secure)
            self._door = Door(self._site, listening, self._tls)
        if self._door is not None:
            self._spawn(self._door.serve())

    def reloaded(self) -> None:
        """The settings are other ones, and the files of TLS may be."""
        self._profiles.reloaded()
        account = self._gateway.settings.account
        if self._tls is not None and account is not None and account.tls is not None:
            try:
                self._tls.load_cert_chain(account.tls.certificate, account.tls.key, password=no_password)
            except OSError as error:
                logger().error(
                    "the certificate of the account API cannot be used: the last one goes on", why=str(error)
                )

    async def stop(self) -> None:
        """Answer what was asked, and end."""
        if self._door is not None:
            self._door.close()
        self._dry_runs.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=4.0)
        for task in list(self._tasks):
            task.cancel()

    async def look(self) -> None:
        """Take what others have written meanwhile."""
        await self._catch_up()

    async def _catch_up(self) -> None:
        try:
            await self._profiles.catch_up()
        except Unavailable:
            return  # the worker has said why
        except Exception:
            logger().exception("what Users have set themselves could not be taken")
        else:
            self._caught_up_at = monotonic()

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _terms(account: AccountApi | None, sign_in: SignInSettings) -> Terms:
    own = sign_in.origin
    secure = (account is not None and account.tls is not None) or (own is not None and own.startswith("https:"))
    return Terms(secure, own, round(sign_in.session_hours * 3.6e9), round(sign_in.idle_minutes * 6e7))


def _provider(sign_in: SignInSettings) -> OpenId | None:
    """The provider of the settings. Raises OSError where the file of its secret cannot be read."""
    if sign_in.openid is None:
        return None
    secret = sign_in.openid.client_secret_file.read_text("ascii").strip()
    return OpenId(sign_in.openid, secret, f"{sign_in.origin}{CALLBACK}")
