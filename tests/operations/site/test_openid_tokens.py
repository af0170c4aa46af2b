"""An ID token counts only where everything about it is right: a hostile provider, without a network."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from urllib.parse import parse_qs, urlsplit

import pytest

httpx2 = pytest.importorskip("httpx2")
jwk = pytest.importorskip("joserfc.jwk")

from joserfc import jwt  # noqa: E402

from sluicegate.operations.site.openid import OpenId, SignInFailed  # noqa: E402
from sluicegate.settings.signing_in import OpenIdProvider  # noqa: E402

ISSUER, NOW = "https://login.example", 1_800_000_000
KEY = jwk.RSAKey.generate_key(2048, {"kid": "1"})
OTHER = jwk.RSAKey.generate_key(2048, {"kid": "1"})
NEWER = jwk.RSAKey.generate_key(2048, {"kid": "2"})
SHARED = jwk.OctKey.import_key("secret-secret-secret-secret-secret-secret")


def unsigned(claims):
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    head, body = (base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in parts)
    return f"{head}.{body}."


def signed(claims, key=KEY, alg="RS256"):
    return jwt.encode({"alg": alg, "kid": key.kid} if key is not SHARED else {"alg": alg}, claims, key, [alg])


class Provider:
    """A provider that answers as a test wants it."""

    def __init__(self):
        self.claims, self.make, self.keys = {}, signed, [KEY]
        self.metadata = {
            "issuer": ISSUER, "authorization_endpoint": f"{ISSUER}/authorize", "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/jwks",
        }  # fmt: skip
        self.asked, self.answers, self.challenge = [], {}, None
        self.clock = [float(NOW)]
        told = {
            "issuer": ISSUER, "client_id": "sluicegate", "client_secret_file": __file__,
            "role": [{"value": "ops", "role": "operator"}],
        }  # fmt: skip
        transport = httpx2.MockTransport(self.answer)
        self.openid = OpenId(
            OpenIdProvider.model_validate(told), "the client's secret", "https://gate.example/back",
            now=lambda: self.clock[0], transport=transport,
        )  # fmt: skip

    def answer(self, request):
        path = request.url.path
        self.asked.append(path)
        if path in self.answers:
            return self.answers[path]
        if path == "/jwks":
            return httpx2.Response(200, json={"keys": [key.as_dict(private=False) for key in self.keys]})
        if path == "/token":
            form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == self.challenge
            assert form["redirect_uri"] == "https://gate.example/back"
            assert request.headers["authorization"].startswith("Basic ")
            return httpx2.Response(
                200, json={"access_token": "a", "token_type": "Bearer", "id_token": self.make(self.claims)}
            )
        return httpx2.Response(200, json=self.metadata)

    async def dance(self, **claims):
        flow, url = await self.openid.begin("/")
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        self.challenge = asked["code_challenge"]
        self.claims = {
            "iss": ISSUER, "aud": "sluicegate", "sub": "1", "iat": NOW, "exp": NOW + 300, "nonce": asked["nonce"],
            "email": "alice@example.com", "groups": ["ops"],
        }  # fmt: skip
        self.claims |= claims
        self.claims = {name: value for name, value in self.claims.items() if value is not None}
        return await self.openid.finish(flow, {"state": asked["state"], "code": "c"})


@pytest.fixture
def provider():
    return Provider()


def signs_in(provider, **claims):
    return asyncio.run(provider.dance(**claims))[0]


def test_a_token_that_is_right_signs_in(provider):
    assert signs_in(provider).who == "alice@example.com"
    assert signs_in(provider, aud=["sluicegate"]).role == "operator"
    assert signs_in(provider, aud=["sluicegate", "other"], azp="sluicegate").role == "operator"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"}, {"iss": None}, {"aud": "other"}, {"aud": None}, {"aud": []},
        {"aud": ["other"]},
        {"aud": ["sluicegate", "other"]}, {"aud": ["sluicegate", "other"], "azp": "other"}, {"azp": "other"},
        {"exp": NOW - 3600}, {"exp": NOW - 61}, {"exp": None}, {"exp": "never"}, {"iat": None}, {"nbf": NOW + 3600},
        {"nonce": "x"}, {"nonce": None}, {"nonce": ""}, {"nonce": 0}, {"sub": None}, {"at_hash": "x"},
    ],
    ids=str,
)  # fmt: skip
def test_a_token_of_which_one_claim_is_not_right_counts_for_nothing(provider, claims):
    with pytest.raises(SignInFailed) as failed:
        signs_in(provider, **claims)
    assert (failed.value.status, failed.value.offence) == (401, True)


@pytest.mark.parametrize(
    "make",
    [
        unsigned,
        lambda claims: signed(claims, OTHER),
        lambda claims: signed(claims, NEWER),
        lambda claims: signed(claims, SHARED, "HS256"),
        lambda claims: signed(claims)[:-4] + "AAAA",
        lambda claims: ".".join([signed(claims).split(".")[0], unsigned(claims).split(".")[1], ""]),
        lambda _: "x",
        lambda _: "",
        lambda _: None,
        lambda _: {"id": "token"},
        lambda _: "a.b.c",
        lambda _: "." * 50_000,
    ],
    ids=["alg none", "another key", "an unknown key", "a shared secret", "a signature cut off", "no signature",
         "a word", "nothing", "null", "an object", "three words", "dots"],
)  # fmt: skip
def test_what_the_provider_has_not_signed_counts_for_nothing(provider, make):
    provider.make = make
    with pytest.raises(SignInFailed):
        signs_in(provider)


def test_the_public_key_as_a_shared_secret_counts_for_nothing(provider):
    def by_the_public_key(claims):
        head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"1"}').rstrip(b"=").decode()
        said = f"{head}.{signed(claims).split('.')[1]}"
        made = hmac.digest(KEY.as_pem(private=False), said.encode(), "sha256")
        return f"{said}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"

    provider.make = by_the_public_key
    with pytest.raises(SignInFailed):
        signs_in(provider)


def test_a_new_key_of_the_provider_is_looked_for_once_in_a_while(provider):
    assert signs_in(provider).role == "operator"
    provider.keys, provider.make = [KEY, NEWER], lambda claims: signed(claims, NEWER)
    with pytest.raises(SignInFailed):
        signs_in(provider)  # it was looked for a moment ago
    provider.clock[0] += 31
    assert signs_in(provider).role == "operator"
    assert provider.asked.count("/jwks") == 2
    assert provider.asked.count("/.well-known/openid-configuration") == 1


@pytest.mark.parametrize("name", [None, "", "a b", "User Large", "x" * 101, 3, ["alice"], "é"])
def test_a_name_that_an_audit_trail_cannot_hold_is_nobodys(provider, name):
    with pytest.raises(SignInFailed) as failed:
        signs_in(provider, email=name)
    assert failed.value.status == 403


@pytest.mark.parametrize("groups", [None, [], "", "opsx", ["x", None, 3, ["ops"]], {"ops": 1}, 7])
def test_without_a_role_nobody_is_let_in(provider, groups):
    with pytest.raises(SignInFailed) as failed:
        signs_in(provider, groups=groups)
    assert failed.value.status == 403


@pytest.mark.parametrize(
    "told",
    [{"issuer": "https://evil.example"}, {"token_endpoint": None}, {"jwks_uri": 3}],
    ids=str,
)
def test_what_a_provider_tells_of_itself_must_be_whole_and_its_own(provider, told):
    provider.metadata |= told
    with pytest.raises(SignInFailed) as failed:
        signs_in(provider)
    assert (failed.value.status, failed.value.offence) == (503, False)


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks", "/token"])
@pytest.mark.parametrize(
    "answer", [(500, b"{}"), (200, b"<html>"), (200, b"[]"), (200, b"null"), (200, b"\xff")], ids=str
)
def test_whatever_a_provider_answers_nobody_is_signed_in_and_nothing_breaks(provider, path, answer):
    provider.answers[path] = httpx2.Response(answer[0], content=answer[1])
    with pytest.raises(SignInFailed) as failed:
        signs_in(provider)
    assert "secret" not in failed.value.why + failed.value.told


def test_one_that_does_not_answer_is_not_asked_again_at_once(provider):
    provider.answers["/.well-known/openid-configuration"] = httpx2.Response(503)
    for _ in range(3):
        with pytest.raises(SignInFailed):
            signs_in(provider)
    assert len(provider.asked) == 1
    provider.answers.clear()
    provider.clock[0] += 3
    assert signs_in(provider).role == "operator"
