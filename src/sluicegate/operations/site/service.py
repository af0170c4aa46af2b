"""The site of a gateway as a service: what every part offers, behind one gate and one door."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from sluicegate.front.tls import server_context
from sluicegate.http.listening import listen
from sluicegate.http.tls import no_password
from sluicegate.log import logger
from sluicegate.operations.site import openapi
from sluicegate.operations.site.app import Part, site
from sluicegate.operations.site.door import MOST, Door
from sluicegate.operations.site.gate import SiteGate, Terms
from sluicegate.operations.site.openid import OpenId
from sluicegate.operations.site.sign_in import CALLBACK, SignIn
from sluicegate.settings import SignIn as SignInSettings

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from sluicegate.operations.account.governed import Governed
    from sluicegate.operations.site.headers import Fields
    from sluicegate.operations.store.worker import Worker
    from sluicegate.settings import AccountApi

CONNECTIONS: Final = MOST  # descriptors that it may take


class Site:
    """The site of `[account]`. Without that table it answers nobody. For the event loop of the gateway.

    Args:
        gateway: whose site it is. worker: has the database.
        knows: whether there is such a User in the configuration in force.

    Attributes:
        gate: knows who asks.
        port: where it listens; None: nowhere.

    Raises:
        OSError: the file of the provider's secret cannot be read.
    """

    def __init__(self, gateway: Governed, worker: Worker, knows: Callable[[str], bool]) -> None:
        self._gateway = gateway
        sign_in = gateway.settings.sign_in or SignInSettings()
        terms = _terms(gateway.settings.account, sign_in)
        self.gate = SiteGate(worker, knows, terms)
        self._own: list[BaseRoute] = list(SignIn(worker, self.gate, _provider(sign_in)).routes())
        self._parts: list[Part] = []
        self._secure = terms.secure
        self._app: Fields | None = None
        self._door: Door | None = None
        self._tls: ssl.SSLContext | None = None
        self._serving: asyncio.Task[None] | None = None
        self.port: int | None = None

    # --- what operations look at

    @property
    def answers(self) -> Mapping[int, int]:
        """Answers by status."""
        return self._app.answers if self._app is not None else {}

    @property
    def refused_tokens(self) -> int:
        """Requests without a token that counts."""
        return self.gate.slowing.refused

    @property
    def routes(self) -> list[BaseRoute]:
        """Everything that it answers."""
        described = openapi.routes(part.paths for part in self._parts)
        return [*self._own, *described, *(route for part in self._parts for route in part.routes)]

    # --- its life

    def offer(self, part: Part) -> None:
        """Answer this too. Before `start`."""
        self._parts.append(part)

    async def start(self) -> None:
        """Begin to answer. Raises OSError: the address, or a TLS file."""
        account = self._gateway.settings.account
        if account is None:
            return
        if account.tls is not None:
            self._tls = server_context(str(account.tls.certificate), str(account.tls.key), None, None)
        listening = listen("account.listen", account.listen.host, account.listen.port)
        self.port = int(listening.getsockname()[1])
        self._app = site(self.gate, self.routes, secure=self._secure)
        self._door = Door(self._app, listening, self._tls)
        self._serving = asyncio.get_running_loop().create_task(self._door.serve())

    def reloaded(self) -> None:
        """The files of TLS may be other ones."""
        account = self._gateway.settings.account
        if self._tls is not None and account is not None and account.tls is not None:
            try:
                self._tls.load_cert_chain(account.tls.certificate, account.tls.key, password=no_password)
            except OSError as error:
                logger().error("the certificate of the site cannot be used: the last one goes on", why=str(error))

    async def stop(self) -> None:
        """Answer what was asked, and end."""
        if self._door is not None:
            self._door.close()
        if self._serving is not None:
            await asyncio.wait([self._serving], timeout=4.0)
            self._serving.cancel()


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
