"""Signing in at a provider: the whole dance with a real one, in a process of its own, and every step that is wrong."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from openid_provider import provider
from sluicegate.operations.site.gate import Terms
from sluicegate.operations.site.openid import OpenId
from sluicegate.operations.site.sign_in import CALLBACK, OPENID
from sluicegate.settings.signing_in import OpenIdProvider

URL = "https://site.example"
PEOPLE = (
    {"sub": "1", "email": "alice@example.com", "groups": ["staff", "sluicegate-operators"]},
    {"sub": "2", "email": "bob@example.com", "groups": "supplier"},
    {"sub": "3", "email": "eve@example.com", "groups": ["staff"]},
    {"sub": "4", "email": "mal lory", "groups": ["sluicegate-operators"]},
    {"sub": "5", "email": "carol@example.com", "email_verified": False, "groups": ["sluicegate-operators"]},
)


@pytest.fixture(scope="module")
def issuer():
    with provider(PEOPLE) as url:
        yield url


def settings(issuer, **more):
    return OpenIdProvider.model_validate({
        "issuer": issuer, "client_id": "sluicegate", "client_secret_file": __file__,
        "role": [
            {"value": "sluicegate-operators", "role": "operator"},
            {"value": "supplier", "role": "user", "user": "Large"},
        ], **more,
    })  # fmt: skip


@pytest.fixture
def site(make, issuer):
    return make(openid=OpenId(settings(issuer), "secret", URL + CALLBACK), terms=Terms(secure=True, own=URL))


def sent_away(browser, onward="/page"):
    """The browser begins to sign in; returns the provider's URL."""
    answer = browser.get(OPENID, params={"next": onward})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def comes_back(url, sub="1", **form):
    """Somebody signs in at the provider; returns the path to which it sends the browser back."""
    answer = httpx.post(url, data={"sub": sub} | form)
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == URL + CALLBACK
    return f"{back.path}?{back.query}"


@pytest.mark.parametrize(
    ("sub", "who", "role", "user"),
    [("1", "alice@example.com", "operator", None), ("2", "bob@example.com", "user", "Large")],
)
def test_the_whole_dance_signs_somebody_in_with_the_role_of_its_claim(site, sub, who, role, user):
    browser = site.browser()
    url = sent_away(browser)
    asked = parse_qs(urlsplit(url).query)
    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert len(asked["code_challenge"][0]) == len(asked["state"][0]) == len(asked["nonce"][0]) == 43
    assert len({asked[name][0] for name in ("code_challenge", "state", "nonce")}) == 3
    answer = browser.get(comes_back(url, sub))
    assert (answer.status_code, answer.headers["location"]) == (303, "/page"), answer.text
    told = browser.get("/api/v1/session").json()
    assert (told["who"], told["role"], told["user"], told["by"]) == (who, role, user, "OpenID Connect")
    assert [(row.who, row.did) for row in site.trail()] == [(who, "signed in")]


def refused(site, browser, path, status=401):
    answer = browser.get(path)
    assert answer.status_code == status, answer.text
    assert browser.get("/api/v1/session").status_code == 401
    assert site.trail() == []
    return answer


@pytest.mark.parametrize("state", ["", "x", "é", "A" * 43])
def test_an_answer_to_another_sign_in_counts_for_nothing(site, state):
    browser = site.browser()
    path = comes_back(sent_away(browser))
    code = parse_qs(urlsplit(path).query)["code"][0]
    refused(site, browser, f"{CALLBACK}?code={code}&state={state}")
    assert browser.get(path).status_code == 303  # the code was not spent by it


def test_an_answer_in_another_browser_counts_for_nothing(site):
    path = comes_back(sent_away(site.browser()))
    refused(site, site.browser(), path)
    other = site.browser()
    sent_away(other)
    refused(site, other, path)


def test_a_code_counts_once(site):
    browser = site.browser()
    path = comes_back(sent_away(browser))
    assert browser.get(path).status_code == 303
    again = site.browser()
    again.cookies.update({"__Host-sluicegate-flow": "x"})
    assert again.get(path).status_code == 401
    assert browser.get(path).status_code == 401


def test_a_code_of_another_sign_in_of_the_same_browser_counts_for_nothing(site):
    """The code is right, and its nonce is that of another sign-in."""
    browser = site.browser()
    stolen = parse_qs(urlsplit(comes_back(sent_away(site.browser()))).query)["code"][0]
    state = parse_qs(urlsplit(sent_away(browser)).query)["state"][0]
    answer = refused(site, browser, f"{CALLBACK}?code={stolen}&state={state}")
    assert stolen not in answer.text


def test_who_takes_too_long_begins_again(make, issuer):
    clock = [1_000_000.0]
    openid = OpenId(settings(issuer), "secret", URL + CALLBACK, now=lambda: clock[0])
    site = make(openid=openid)
    browser = site.browser()
    path = comes_back(sent_away(browser))
    clock[0] += 601
    assert "again" in refused(site, browser, path).text


def test_what_the_provider_refuses_is_told_and_is_no_offence(site):
    browser = site.browser()
    refused(site, browser, comes_back(sent_away(browser), action="deny"))
    assert site.gate.slowing.refused == 1  # that was the look at the session


@pytest.mark.parametrize("sub", ["3", "4", "5"])
def test_who_has_no_role_no_name_or_no_verified_address_is_not_let_in(site, sub):
    browser = site.browser()
    refused(site, browser, comes_back(sent_away(browser), sub), 403)


def test_a_token_of_a_clock_far_away_counts_for_nothing(make, issuer):
    """An hour is the life of the provider's tokens."""
    import time

    ahead = [0.0]
    openid = OpenId(settings(issuer), "secret", URL + CALLBACK, now=lambda: time.time() + ahead[0])
    site = make(openid=openid)
    browser = site.browser()
    ahead[0] = 3700.0
    path = comes_back(sent_away(browser))
    refused(site, browser, path)


def test_of_another_audience_nothing_counts(make, issuer, monkeypatch):
    """The provider issues tokens for whoever asks; ours are for us alone."""
    openid = OpenId(settings(issuer), "secret", URL + CALLBACK)
    site = make(openid=openid)
    browser = site.browser()
    path = comes_back(sent_away(browser))
    openid._provider = settings(issuer, client_id="sluicegate").model_copy(update={"client_id": "another"})
    refused(site, browser, path)


def test_a_provider_that_is_not_there_is_told_and_tokens_still_work(make):
    openid = OpenId(settings("http://127.0.0.1:1"), "secret", URL + CALLBACK)
    site = make(openid=openid)
    browser = site.browser()
    answer = browser.get(OPENID)
    assert (answer.status_code, "location" in answer.headers) == (503, False)
    assert "secret" not in answer.text
    assert browser.post("/sign-in", data={"token": site.token()}).status_code == 303
