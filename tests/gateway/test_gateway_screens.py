"""The pages of a running gateway in a real browser: somebody signs in, sees, changes and signs out."""

from __future__ import annotations

import shutil

import pytest
from test_gateway_controls import TABLES

from sluicegate.operations.store import tokens, trail
from sluicegate.operations.store.store import OperationsStore


@pytest.fixture
def browser():
    """A browser of the machine; skips where there is none."""
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
    running = gateway(**TABLES, account={"listen": "127.0.0.1:0"})
    store = OperationsStore(str(tmp_path / "operations.db"))

    def sign_in(role, name):
        with store.changing() as connection:
            shown, _, _ = tokens.create(connection, role=role, name=name, days=1, note="", who="op", at=trail.now())
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{running.gateway.accounts.port}/")
        assert "/sign-in?next=" in page.url
        page.fill("#token", shown)
        page.keyboard.press("Enter")
        page.wait_for_url("**/")
        return page

    sign_in.running = running
    yield sign_in
    store.close()


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
