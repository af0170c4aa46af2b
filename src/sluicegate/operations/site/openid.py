"""Signing in at a provider of OpenID Connect: authorisation code with PKCE, state and nonce.

The protocol is Authlib's, the signatures are joserfc's. Here is what is particular to this site: which provider, which
claim is the name, and which makes somebody what.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import ssl
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from secrets import token_urlsafe
from time import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from sluicegate.operations.site.principal import NAME, USER, Principal
from sluicegate.settings.signing_in import OpenIdProvider

if TYPE_CHECKING:
    from authlib.integrations.httpx_client import AsyncOAuth2Client

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by a key that the provider alone has: never `none`, never a secret that is shared."""
LEEWAY: Final = 60  # seconds between the provider's clock and ours
TIMEOUT: Final = 5.0  # seconds for each answer of the provider
KNOWN: Final = 3600.0  # seconds for which what the provider tells of itself is believed
SOONEST: Final = 30.0  # seconds between two looks for keys that we do not know
REST: Final = 2.0  # seconds in which one that did not answer is not asked: nobody queues for it
FLOW: Final = 600  # seconds for which somebody may be at the provider's
MOST_ROLES: Final = 10_000  # values of the claim that are looked at
HOW: Final = "OpenID Connect"
_FLOW: Final = re.compile(r"([A-Za-z0-9_-]{43})\.([0-9]{1,12})\.([A-Za-z0-9%._~/-]{1,2000})", re.ASCII)


class SignInFailed(Exception):  # noqa: N818 - named after what it is
    """Somebody is not signed in.

    why: for the log. told: for the person, without what would help somebody who guesses. status: of the answer.
    offence: whether it is held against the address.
    """

    def __init__(self, why: str, told: str, status: int = 401, offence: bool = True) -> None:
        super().__init__(why)
        self.why, self.told, self.status, self.offence = why, told, status, offence


class OpenId:
    """One provider, as one site sees it. For the event loop.

    Args:
        provider: settings. secret: of the client.
        back: the URL of this site to which the provider sends people.
        now: seconds since 1970.
        transport: how the provider is reached; for tests.
    """

    def __init__(
        self, provider: OpenIdProvider, secret: str, back: str, now: Callable[[], float] = time, transport: Any = None
    ) -> None:
        self._provider = provider
        self._secret = secret
        self._back = back
        self._now = now
        self._transport = transport
        self._verify: ssl.SSLContext | None = None
        self._metadata: dict[str, Any] = {}
        self._keys: Any = None
        self._metadata_at = self._keys_at = float("-inf")
        self._failed_at = float("-inf")
        self._asking = asyncio.Lock()

    async def begin(self, onward: str) -> tuple[str, str]:
        """Somebody wants to sign in: what the cookie holds until it is back, and the provider's URL.

        Raises SignInFailed where the provider cannot be asked.
        """
        metadata = await self._of_provider()
        secret = token_urlsafe(32)
        async with await self._client() as client:
            url, _ = client.create_authorization_url(
                metadata["authorization_endpoint"], state=_part(secret, "state"), nonce=_part(secret, "nonce"),
                code_verifier=_part(secret, "verifier"),
            )  # fmt: skip
        return f"{secret}.{int(self._now())}.{quote(onward, safe='/')}", url

    async def finish(self, flow: str, answer: Mapping[str, str]) -> tuple[Principal, str]:
        """Somebody is back: who it is, and where to. Raises SignInFailed, or what the database raises.

        Args:
            flow: what the cookie holds. answer: the query that the provider sent along.
        """
        found = _FLOW.fullmatch(flow)
        again = "Please sign in again: this took too long, or was begun in another browser."
        if found is None or not 0 <= self._now() - int(found[2]) <= FLOW:
            raise SignInFailed("no sign-in of this browser is under way", again, offence=False)
        secret = found[1]
        if not hmac.compare_digest(answer.get("state", "").encode(), _part(secret, "state").encode()):
            raise SignInFailed("the state is not what this browser was sent away with", again, offence=False)
        if "error" in answer or not answer.get("code"):
            why = f"the provider says: {answer.get('error', 'nothing')[:100]!r}"
            raise SignInFailed(why, "Your provider has not signed you in.", offence=False)
        if answer.get("iss", self._provider.issuer) != self._provider.issuer:  # RFC 9207
            raise SignInFailed("the answer is another provider's", again, offence=False)
        claims = await self._claims(answer["code"], secret)
        return self._principal(claims), unquote(found[3])

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        """As whom somebody signs in. Raises SignInFailed."""
        name = claims.get(self._provider.name_claim)
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise SignInFailed(
                f"the claim {self._provider.name_claim} is no name that an audit trail can hold",
                "Your provider does not tell who you are in a way that this site understands.", 403, offence=False,
            )  # fmt: skip
        if self._provider.name_claim == "email" and claims.get("email_verified", True) is not True:
            raise SignInFailed(f"the address of {name} is not verified", "Your e-mail address is not verified.", 403)
        held = claims.get(self._provider.role_claim)
        values = {one for one in (held if isinstance(held, list) else [held])[:MOST_ROLES] if isinstance(one, str)}
        for one in self._provider.roles:
            if one.value in values:
                return Principal(name, one.role, one.user if one.role == USER else None, HOW)
        raise SignInFailed(
            f"{name} has no value of {self._provider.role_claim} that makes it something here",
            "You are known, and nothing here is for you: ask the operator.", 403, offence=False,
        )  # fmt: skip

    # --- what the provider says

    async def _claims(self, code: str, secret: str) -> dict[str, Any]:
        """Those of the ID token that a code is worth, verified. Raises SignInFailed."""
        from authlib.common.errors import AuthlibBaseError  # noqa: PLC0415 - only where there is a provider

        metadata = await self._of_provider()
        try:
            async with await self._client() as client:
                token = await client.fetch_token(
                    metadata["token_endpoint"], grant_type="authorization_code", code=code,
                    redirect_uri=self._back, code_verifier=_part(secret, "verifier"),
                )  # fmt: skip
        except AuthlibBaseError as error:
            raise SignInFailed(
                f"the provider refused the code: {error.error!r}", "Your provider has not signed you in."
            ) from None
        except (
            Exception
        ) as error:  # whatever the answer makes the library raise: it must not end in a log of its locals
            raise _unreachable(error) from None
        shown = token.get("id_token")
        if not isinstance(shown, str):
            raise SignInFailed("the provider sent no ID token", "Your provider has not signed you in.")
        return await self._verified(shown, _part(secret, "nonce"), token.get("access_token"))

    async def _verified(self, shown: str, nonce: str, access_token: object) -> dict[str, Any]:
        from authlib.oidc.core import CodeIDToken  # noqa: PLC0415
        from joserfc import jwt  # noqa: PLC0415
        from joserfc.errors import JoseError  # noqa: PLC0415

        provider = self._provider
        try:
            try:
                token = jwt.decode(shown, await self._key_set(fresh=False), algorithms=ALGORITHMS)
            except (JoseError, ValueError):  # by a key that is newer than those that we know, perhaps
                token = jwt.decode(shown, await self._key_set(fresh=True), algorithms=ALGORITHMS)
            claims = CodeIDToken(
                token.claims, token.header,
                {"iss": {"essential": True, "values": [provider.issuer]},
                 "aud": {"essential": True, "values": [provider.client_id]}},
                {"nonce": nonce, "client_id": provider.client_id, "access_token": access_token},
            )  # fmt: skip
            claims.validate(now=int(self._now()), leeway=LEEWAY)
        except (JoseError, ValueError, TypeError) as error:
            why = f"the ID token does not count: {type(error).__name__}: {str(error)[:200]}"
            raise SignInFailed(why, "Your provider has not signed you in.") from None
        return dict(claims)

    async def _of_provider(self) -> dict[str, Any]:
        async with self._asking:
            if self._now() - self._metadata_at > KNOWN:
                told = await self._get(f"{self._provider.issuer.rstrip('/')}/.well-known/openid-configuration")
                needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
                if told.get("issuer") != self._provider.issuer or not all(isinstance(told.get(n), str) for n in needed):
                    raise _unreachable(ValueError("what it tells of itself is not of this issuer, or not whole"))
                self._metadata, self._metadata_at = told, self._now()
            return self._metadata

    async def _key_set(self, *, fresh: bool) -> Any:
        """The provider's public keys. A fresh look is taken once in a while, whoever shows us what."""
        from joserfc.jwk import KeySet  # noqa: PLC0415

        metadata = await self._of_provider()
        async with self._asking:
            age = self._now() - self._keys_at
            if age > KNOWN or (fresh and age > SOONEST):
                told = await self._get(metadata["jwks_uri"])
                self._keys, self._keys_at = KeySet.import_key_set(told), self._now()  # type: ignore[arg-type]
            return self._keys

    async def _get(self, url: str) -> dict[str, Any]:
        from httpx2 import HTTPError  # noqa: PLC0415

        if self._now() - self._failed_at < REST:
            raise _unreachable(TimeoutError("it did not answer a moment ago"))
        try:
            async with await self._client() as client:
                answer = await client.request("GET", url, withhold_token=True)
                answer.raise_for_status()
                told = answer.json()
        except (HTTPError, ValueError) as error:
            self._failed_at = self._now()
            raise _unreachable(error) from None
        if not isinstance(told, dict):
            raise _unreachable(ValueError(f"{url} is no JSON object"))
        return told

    async def _client(self) -> AsyncOAuth2Client:
        from authlib.integrations.httpx_client import AsyncOAuth2Client  # noqa: PLC0415

        if self._verify is None:  # tens of milliseconds, in which no decision should wait
            ca = self._provider.ca
            self._verify = await asyncio.to_thread(ssl.create_default_context, cafile=str(ca) if ca else None)
        return AsyncOAuth2Client(
            self._provider.client_id, self._secret, scope=" ".join(self._provider.scopes), redirect_uri=self._back,
            code_challenge_method="S256", timeout=TIMEOUT, verify=self._verify, transport=self._transport,
            trust_env=False,
        )  # fmt: skip


def _part(secret: str, what: str) -> str:
    """State, nonce and verifier of one sign-in: each from the secret in its browser, none from another."""
    made = hmac.new(secret.encode(), f"sluicegate {what} 1".encode(), sha256).digest()
    return urlsafe_b64encode(made).rstrip(b"=").decode()


def _unreachable(error: Exception) -> SignInFailed:
    why = f"the provider cannot be asked: {type(error).__name__}: {str(error)[:200]}"
    return SignInFailed(why, "Your provider cannot be reached now: try again, or use a token.", 503, offence=False)
