"""A browser signs in by a token, changes with what its session told it, and signs out."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import JSONResponse

from sluicegate.front.offences import MOST
from sluicegate.operations.site.allowance import Allowance
from sluicegate.operations.site.gate import Terms
from sluicegate.operations.site.guarded import guarded, routed
from sluicegate.operations.site.principal import EVERYBODY
from sluicegate.operations.site.sign_in import next_page
from sluicegate.operations.store import sessions, tokens, trail

SESSION = "/api/v1/session"


async def hello(_request, principal):
    return JSONResponse([principal.who, principal.role, principal.user, principal.by])


ROUTES = (routed("/api/v1/thing", {method: guarded(hello, EVERYBODY) for method in ("GET", "POST")}),)


@pytest.fixture
def site(make):
    return make(routes=ROUTES)


def signed_in(site, **more):
    browser = site.browser()
    answer = browser.post("/sign-in", data={"token": site.token(**more), "next": "/page?a=1"})
    assert answer.status_code == 303, answer.text
    return browser, answer


def csrf(browser):
    return browser.get(SESSION).json()["csrf"]


def test_a_token_in_the_form_begins_a_session_and_leads_on(site):
    browser, answer = signed_in(site)
    assert answer.headers["location"] == "/page?a=1"
    assert browser.get("/api/v1/thing").json() == ["alice", "operator", None, "token 1"]
    told = browser.get(SESSION).json()
    assert (told["who"], told["role"]) == ("alice", "operator")
    assert [row.did for row in site.trail()] == [tokens.CREATED, sessions.SIGNED_IN]


def test_over_tls_no_script_no_other_site_and_no_page_without_tls_gets_at_the_cookie(site):
    _, answer = signed_in(site)
    name, attributes = answer.headers["set-cookie"].split("=", 1)[0], answer.headers["set-cookie"].lower()
    assert name == "__Host-sluicegate"
    for wanted in ("; httponly", "; secure", "; samesite=lax", "; path=/", "; max-age="):
        assert wanted in attributes
    assert "domain" not in attributes


def test_without_tls_the_cookie_still_is_for_no_script(make):
    site = make(terms=Terms(secure=False), routes=ROUTES)
    browser = site.browser("http://127.0.0.1:8091")
    answer = browser.post("/sign-in", data={"token": site.token()})
    assert answer.headers["set-cookie"].startswith("sluicegate=")
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert "strict-transport-security" not in answer.headers
    assert browser.get("/api/v1/thing").status_code == 200


def test_each_sign_in_is_a_session_of_its_own_whatever_cookie_was_there(site):
    planted, cookies = "A" * 43, []
    for _ in range(2):
        fields = {"Cookie": f"__Host-sluicegate={planted}"}
        answer = site.browser().post("/sign-in", data={"token": site.token()}, headers=fields)
        cookies.append(re.match(r"__Host-sluicegate=([\w-]+);", answer.headers["set-cookie"])[1])
    assert len({planted, *cookies}) == 3
    assert site.browser().get("/api/v1/thing", headers=fields).status_code == 401


@pytest.mark.parametrize("shown", ["", "x", "sluicegate_1_" + "A" * 43, "sluicegate_1_" + "A" * 5000])
def test_a_token_that_is_none_begins_nothing_and_is_not_repeated(site, shown):
    site.token()
    browser = site.browser()
    answer = browser.post("/sign-in", data={"token": shown})
    assert answer.status_code in (401, 403)
    assert "set-cookie" not in answer.headers
    assert len(shown) < 9 or shown not in answer.text
    assert browser.get("/api/v1/thing").status_code == 401


def test_who_guesses_tokens_in_the_form_is_kept_out(site, no_waiting):
    browser = site.browser()

    def guess():
        site.gate.slowing._of_address = Allowance(1, 0.0)  # what it may ask is not what this is about
        return browser.post("/sign-in", data={"token": "sluicegate_1_" + "A" * 43})

    answers = [guess() for _ in range(int(MOST) + 5)]
    assert (answers[0].status_code, answers[-1].status_code) == (401, 429)
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert browser.post("/sign-in", data={"token": site.token()}).status_code == 429


def test_an_address_asks_for_no_form_and_sends_none_without_end(site):
    browser = site.browser()
    answers = [browser.get("/api/v1/thing").status_code for _ in range(60)]
    assert (answers[0], answers[-1]) == (401, 429)


def test_a_change_by_a_session_needs_its_token_and_none_of_another_session(site):
    browser, _ = signed_in(site)
    other, _ = signed_in(site, name="bob")
    right = csrf(browser)
    for shown in (None, "", "x", "é", csrf(other), right[:-1], right.upper()):
        fields = {} if shown is None else {"X-CSRF-Token": shown.encode()}
        answer = browser.post("/api/v1/thing", headers=fields)
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:sluicegate:problem:foreign-page"), shown
    assert browser.post("/api/v1/thing", headers={"X-CSRF-Token": right}).status_code == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[site.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_of_another_site_signs_nobody_in_and_changes_nothing(site, fields):
    token = site.token()
    assert site.browser().post("/sign-in", data={"token": token}, headers=fields).status_code == 403
    browser, _ = signed_in(site)
    answer = browser.post("/api/v1/thing", headers={"X-CSRF-Token": csrf(browser), **fields})
    assert answer.status_code == 403


def test_with_a_url_only_pages_of_that_origin_change_anything(make):
    site = make(terms=Terms(secure=True, own="https://gate.example"), routes=ROUTES)
    browser, _ = signed_in(site)
    right = csrf(browser)
    for origin, status in (("https://gate.example", 200), ("https://site.example", 403), ("http://gate.example", 403)):
        fields = {"X-CSRF-Token": right, "Origin": origin}
        assert browser.post("/api/v1/thing", headers=fields).status_code == status


def test_a_program_with_a_token_needs_nothing_more_whatever_cookie_it_sends(site):
    browser, _ = signed_in(site)
    token = site.token("Large", "user")
    answer = browser.post("/api/v1/thing", headers={"Authorization": f"Bearer {token}"})
    assert answer.json() == ["User Large", "user", "Large", "token 2"]
    assert browser.get(SESSION, headers={"Authorization": f"Bearer {token}"}).json()["csrf"] is None
    assert browser.get("/api/v1/thing", headers={"Authorization": "Bearer x"}).status_code == 401


def test_who_signs_out_is_out_and_the_cookie_is_worth_nothing(site):
    for way in ("form", "api"):
        browser, _ = signed_in(site)
        kept = browser.cookies.get("__Host-sluicegate")
        token = csrf(browser)
        if way == "form":
            assert browser.post("/sign-out", data={"csrf": "x"}).status_code == 403
            answer = browser.post("/sign-out", data={"csrf": token})
            assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        else:
            answer = browser.request("DELETE", SESSION, headers={"X-CSRF-Token": token})
            assert answer.status_code == 204
        assert "max-age=0" in answer.headers["set-cookie"].lower()
        again = site.browser()
        again.cookies.set("__Host-sluicegate", kept)
        assert again.get("/api/v1/thing").status_code == 401
    assert site.trail()[-1].did == sessions.SIGNED_OUT


def test_a_session_ends_with_its_token_and_with_its_user(site, store):
    browser, _ = signed_in(site, name="Large", role="user")
    assert browser.get("/api/v1/thing").json()[2] == "Large"
    site.gate._knows = frozenset().__contains__
    assert browser.get("/api/v1/thing").status_code == 403
    site.gate._knows = frozenset({"Large"}).__contains__
    with store.changing() as connection:
        tokens.revoke(connection, 1, who="op", at=trail.now())
    assert browser.get("/api/v1/thing").status_code == 401


def test_a_person_without_a_session_is_led_to_the_form_and_a_program_is_told(site):
    page = site.browser().get("/api/v1/thing?x=1", headers={"Accept": "text/html,*/*"})
    assert (page.status_code, page.headers["location"]) == (303, "/sign-in?next=%2Fapi%2Fv1%2Fthing%3Fx%3D1")
    assert site.browser().get("/api/v1/thing").status_code == 401


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/sign-in", "/a\tb", "/é", ""],
)
def test_a_sign_in_leads_to_a_page_of_this_site_alone(site, wanted):
    answer = site.browser().post("/sign-in", data={"token": site.token(), "next": wanted})
    assert answer.headers["location"] == "/"


@given(st.text(max_size=40) | st.text("/\\\t .:@?#aA%\r\n", max_size=12))
def test_wherever_somebody_wants_to_go_it_is_on_this_site(wanted):
    onward = next_page(wanted)
    assert urlsplit(urljoin("https://site.example/sign-in", onward))[:2] == ("https", "site.example")
    assert onward.isprintable()


def test_the_form_escapes_what_it_repeats(site):
    answer = site.browser().get("/sign-in", params={"next": '/"><script>alert(1)</script>'})
    assert "<script" not in answer.text


@pytest.mark.parametrize("path", ["/sign-in", "/sign-in.css", "/nothing", SESSION])
def test_every_answer_tells_a_browser_what_a_page_must_never_do(site, path):
    fields = site.browser().get(path).headers
    policy = fields["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert fields["x-content-type-options"] == "nosniff"
    assert fields["referrer-policy"] == "same-origin"
    assert "max-age=" in fields["strict-transport-security"]
    assert "cache-control" in fields


def test_the_form_works_under_its_own_policy(site):
    text = site.browser().get("/sign-in").text
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|https?://", text)


def test_what_is_no_form_is_refused(site):
    browser = site.browser()
    assert browser.post("/sign-in", json={"token": "x"}).status_code == 403
    assert browser.post("/sign-in", data={"token": "x" * 9000}).status_code == 403
    assert (
        browser.post(
            "/sign-in", content=b"\xff", headers={"Content-Type": "application/x-www-form-urlencoded"}
        ).status_code
        == 403
    )
