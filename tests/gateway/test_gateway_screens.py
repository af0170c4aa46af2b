"""The pages of a running gateway in a real browser: somebody signs in, sees, changes and signs out."""

from __future__ import annotations

import shutil
from time import time

import pytest
from rig import Client, message, request, wait_for
from test_gateway_controls import TABLES

from sluicegate.operations.history import writing
from sluicegate.operations.history.counts import HOUR, MINUTE
from sluicegate.operations.history.minute import Minute
from sluicegate.operations.history.writing import Closed
from sluicegate.operations.store import tokens, trail
from sluicegate.operations.store.store import OperationsStore


@pytest.fixture(scope="module")
def browser():
    """A browser of the machine; skips where there is none. For one file: Playwright keeps the thread's event loop."""
    api = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
    found = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield made
        made.close()


@pytest.fixture
def signed_in(gateway, tmp_path, browser):
    """A page of a running gateway, after signing in by the form as a role."""
    running = gateway(**TABLES, account={"listen": "127.0.0.1:0"}, record={"folder": "record"})
    store = OperationsStore(str(tmp_path / "operations.db"))

    failures, contexts = [], []

    def sign_in(role, name):
        with store.changing() as connection:
            shown, _, _ = tokens.create(connection, role=role, name=name, days=1, note="", who="op", at=trail.now())
        contexts.append(browser.new_context())
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.goto(f"http://127.0.0.1:{running.gateway.site.port}/")
        assert "/sign-in?next=" in page.url
        page.fill("#token", shown)
        page.keyboard.press("Enter")
        page.wait_for_url("**/")
        return page

    sign_in.running, sign_in.store = running, store
    yield sign_in
    for context in contexts:
        context.close()
    store.close()
    assert failures == []


def test_an_operator_signs_in_puts_a_control_and_signs_out(signed_in):
    page = signed_in("operator", "alice")
    page.wait_for_selector("text=Large")
    page.click("nav >> text=Controls")
    page.check("input[value=emergency-capacity]")
    page.fill("#value", "3")
    page.fill("#reason", "half is down")
    page.click("#control button[type=submit]")
    page.wait_for_selector("text=every allocation is cut to 50.0%")
    assert signed_in.running.gateway.settings.capacity.maximum == 10
    page.click("#yes")
    page.wait_for_selector("#force >> text=half is down")
    assert signed_in.running.gateway.settings.capacity.maximum == 3
    page.click("text=Sign out")
    page.wait_for_url("**/sign-in*")
    page.goto(page.url.partition("/sign-in")[0] + "/controls")
    assert "/sign-in?next=" in page.url


def test_a_user_sees_its_own_figures_and_no_controls(signed_in):
    page = signed_in("user", "Small")
    page.wait_for_selector("text=Small")
    assert "Large" not in page.inner_text("body")
    assert page.goto(page.url + "controls").status == 403


def counted(store, user, srv, count, hours=3):
    """A history: so many requests a minute, for some hours until a few minutes ago."""
    newest = int(time() * 1e6) // MINUTE * MINUTE - 5 * MINUTE
    closed = []
    for seq, begins in enumerate(range(newest - hours * HOUR, newest, MINUTE), 1):
        minute = Minute(begins)
        minute.add(user, (count, 0, count // 10, 0, 0), {srv: (count, 0, count // 10)})
        closed.append(Closed(seq, begins, minute.requests, *minute.documents()))
    with store.changing() as connection:
        writing.write(connection, "before", closed, newest)


def test_after_a_restart_the_operator_sees_the_day_again_and_what_is_asked_for(signed_in):
    counted(signed_in.store, "Large", "2.2", 120)
    running = signed_in.running
    with Client(running.port) as client:
        client.send(request(message())).answer()
    running.call(lambda: setattr(running.gateway.operations, "_remembers", False))  # as at a start
    series = running.gateway.operations.screens.series
    wait_for(lambda: any(value == 2.0 for value in series.day()["within"]))
    page = signed_in("operator", "alice")
    page.wait_for_selector("#mix >> text=SR/s")
    page.wait_for_function("() => document.querySelector('#day .plot canvas') !== null")


def test_a_user_sees_what_it_used_over_a_day_and_a_month_and_of_what(signed_in):
    counted(signed_in.store, "Small", "2.2", 60)
    page = signed_in("user", "Small")
    page.wait_for_selector("#usage >> text=2.2 Top Up Device")
    page.wait_for_selector("#usage >> text=/11,880 requests in 24 hours, 1,080 of them throttled/")
    page.get_by_role("button", name="30 days").click()
    page.wait_for_selector("#usage >> text=/11,880 requests in 30 days/")
    assert page.get_by_role("button", name="30 days").get_attribute("aria-pressed") == "true"
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    rows = download.value.path().read_text().splitlines()
    assert rows[0].startswith("time,user,srv")
    assert {row.split(",")[1] for row in rows[1:]} == {"Small"}
    assert "Large" not in page.content()


def test_a_user_sets_its_priorities_after_it_was_told_what_would_have_happened(signed_in):
    page = signed_in("user", "Small")
    page.wait_for_selector("#priorities >> text=You have set none")
    page.get_by_role("button", name="Add a class").click()
    page.get_by_label("Name of class 1").fill("top-ups")
    page.get_by_label("SRVs of class 1").fill("2.*, nonsense")
    page.get_by_label("Reserve of class 1").fill("2")
    page.get_by_role("button", name="What would have happened?").click()
    page.wait_for_selector("#priorities [role=alert] >> text=nonsense")
    page.get_by_label("SRVs of class 1").fill("2.*")
    page.get_by_role("button", name="What would have happened?").click()
    page.wait_for_selector(".outcome:not([hidden])")
    assert "what" in page.locator(".outcome").inner_text().lower()
    assert signed_in.running.gateway.book.holders[1].profile is None, "nothing is set yet"
    page.get_by_role("button", name="Set it").click()
    page.wait_for_selector("#priorities >> text=Version 1, set")
    assert signed_in.running.gateway.book.holders[1].profile.classes[0].reserve == 2
    page.get_by_label("Reserve of class 1").fill("1")
    page.get_by_role("button", name="Edit as text").click()
    document = page.get_by_label("The profile as a document")
    assert '"reserve": 1' in document.input_value()
    document.fill('[[class]]\nname = "reads"\nsrvs = ["4.*"]\nreserve = "many"\n')
    page.get_by_role("button", name="What would have happened?").click()
    page.wait_for_selector("#priorities [role=alert] >> text=/line 4/")
    page.locator("#priorities summary").click()
    page.get_by_role("button", name="Go back to the configuration's").click()
    page.wait_for_selector("#priorities >> text=You have set none")
    assert signed_in.running.gateway.book.holders[1].profile is None
    page.get_by_role("button", name="Restore version 1").click()
    page.wait_for_selector("#priorities >> text=Version 3, set")
    assert signed_in.running.gateway.book.holders[1].profile.classes[0].name == "top-ups"


def test_a_profile_that_somebody_else_has_changed_meanwhile_is_not_written_over(signed_in):
    page, other = signed_in("user", "Small"), signed_in("user", "Small")
    for tab, name in ((page, "mine"), (other, "other")):
        tab.get_by_role("button", name="Add a class").click()
        tab.get_by_label("Name of class 1").fill(name)
        tab.get_by_label("SRVs of class 1").fill("2.*")
        tab.get_by_role("button", name="What would have happened?").click()
        tab.wait_for_selector(".outcome:not([hidden])")
    other.get_by_role("button", name="Set it").click()
    other.wait_for_selector("#priorities >> text=Version 1, set")
    page.get_by_role("button", name="Set it").click()
    page.wait_for_selector("#priorities [role=alert] >> text=Somebody has changed it meanwhile")
    page.get_by_role("button", name="Leave it as it was").click()
    page.wait_for_selector("#priorities >> text=Version 1, set")
    assert page.get_by_label("Name of class 1").input_value() == "other"
