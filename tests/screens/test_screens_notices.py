"""The panels of notices and channels, and the operators' page of them, in a real browser: over the real API."""

from __future__ import annotations

import http.server
import threading
from time import monotonic

import pytest
from rig_screens import Standing, configuration, names
from test_screens_browser import CONTRAST, SIDEWAYS, text, wait_for_text

from sluicegate.operations.notices import outbox
from sluicegate.operations.notices.notice import made
from sluicegate.operations.store import trail
from sluicegate.operations.store.store import OperationsStore

WHO = names(3)


class Hook(http.server.BaseHTTPRequestHandler):
    """Takes webhooks, with the status that its server says."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.took += 1
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def hook():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.status, server.took = 204, 0
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def channelled(serve, hook, tmp_path, monkeypatch):
    """The pages of a gateway whose first User has two channels, the second of which fails; the others have none."""
    monkeypatch.setenv("SECRET_OF_A_TEST", "x" * 32)
    room = f'name = "operations room"\nwebhook = "http://127.0.0.1:{hook.server_port}/path-of-a-secret"\n'
    chat = 'name = "chat"\napprise = "env:NOT_SET_ANYWHERE"\nnotices = ["100%", "active"]\n'
    channels = {WHO[0]: [room + 'secret = "env:SECRET_OF_A_TEST"', chat]}
    text = configuration([(name, 10.0) for name in WHO], 36.0, 22.0, channels=channels)
    return serve(Standing(text, monotonic()), store=str(tmp_path / "operations.db"))


def write(served, *notices):
    store = OperationsStore(served.store)
    with store.changing() as connection:
        outbox.write(connection, notices, "another gateway", trail.now() + 3_600_000_000)
    store.close()


def some(user=WHO[0], title="You are at 90% of your allocation", kind="90%", ago=60):
    """What one event told over both channels, and what became of it."""
    at, document = trail.now() - ago * 1_000_000, {"title": title, "text": "in more words", "data": {}}
    sent = made(kind, document, at, user, "operations room").sent(at + 1)
    return [sent, made(kind, document, at, user, "chat").given_up("it answered 410", at + 2)]


def test_a_user_sees_what_it_was_told_and_what_became_of_it(channelled, page):
    write(channelled, *some(), *some(WHO[1], "Of another User"))
    tab = page(channelled, as_=f"user:{WHO[0]}")
    wait_for_text(tab, "#notices", "You are at 90% of your allocation")
    assert tab.locator("#notices li").count() == 1
    assert "Delivered to operations room" in text(tab, "#notices")
    assert "chat: given up: it answered 410" in text(tab, "#notices")
    assert "Of another User" not in tab.content()


def test_a_user_s_channels_are_masked_and_a_test_says_what_happened(channelled, hook, page):
    tab = page(channelled, as_=f"user:{WHO[0]}")
    wait_for_text(tab, "#channels", "operations room")
    assert "path-of-a-secret" not in tab.content()
    assert f"webhook to http://127.0.0.1:{hook.server_port}/…" in text(tab, "#channels")
    assert "its address is kept secret, for 100%, active" in text(tab, "#channels")
    tab.get_by_role("button", name="Test operations room").focus()
    tab.keyboard.press("Enter")
    row = "#channels li:has([aria-label='Test operations room'])"
    wait_for_text(tab, row, "The test was taken, after .* s")
    assert hook.took == 1
    wait_for_text(tab, row, "Last delivered")
    wait_for_text(tab, "#notices", "Test of the channel operations room")
    assert tab.locator(f"{row} [role=status]").count() == 1
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')") == "Test operations room"
    tab.keyboard.press("Enter")
    wait_for_text(tab, row, "a channel may be tested once in 10 s")
    assert hook.took == 1


def test_a_test_that_is_not_taken_says_why_and_the_channel_is_shown_to_fail(channelled, hook, page):
    hook.status = 403
    tab = page(channelled, as_=f"user:{WHO[0]}")
    tab.get_by_role("button", name="Test operations room").click()
    wait_for_text(tab, "#channels", "The test was not taken: it answered 403")
    wait_for_text(tab, "#channels", "Fails since .*: it answered 403")
    wait_for_text(tab, "#announce", "1 channel of yours fails")


def test_who_has_no_channel_is_told_which_lines_make_one(channelled, page):
    tab = page(channelled, as_=f"user:{WHO[1]}", width=360)
    wait_for_text(tab, "#no-channels", r"\[\[user.channel\]\]")
    wait_for_text(tab, "#no-notices", "You are told at 80%, 90% and 100%")
    assert tab.evaluate(SIDEWAYS) <= 0


def test_the_panels_are_looked_at_again_each_half_minute_while_they_are_seen(channelled, page):
    tab = page(channelled, "/static/mark.svg", as_=f"user:{WHO[0]}")
    tab.clock.install()
    tab.goto(channelled.url + "/")
    tab.locator("#no-notices").wait_for()
    write(channelled, *some(title="Told meanwhile"))
    tab.clock.run_for(29_000)
    assert "Told meanwhile" not in text(tab, "#notices")
    tab.clock.run_for(2_000)
    wait_for_text(tab, "#notices", "Told meanwhile")


def test_panels_that_cannot_be_read_say_so_and_the_page_goes_on(serve, page):
    tab = page(serve(), as_="user:Alder")
    wait_for_text(tab, "#notices", "They cannot be read now")
    wait_for_text(tab, "#channels-problem", "They cannot be read now")
    wait_for_text(tab, "#state", "Normal")


# --- the operators'


def test_an_operator_sees_at_a_glance_what_fails_and_what_was_told_to_whom(channelled, hook, page):
    hook.status = 500
    write(channelled, *some(), *some(WHO[1], "Another thing", ago=50))
    tab = page(channelled, "/notices")
    wait_for_text(tab, "#state", "All channels work")
    wait_for_text(tab, "#cause", "2 channels, none of them failing. 2 Users have no channel")
    wait_for_text(tab, "#told", f"To {WHO[0]}: 1 delivered, 1 given up")
    assert tab.locator("#told li").count() == 2
    tab.get_by_label("Find a User").fill(WHO[1])
    assert tab.locator("#told li").count() == 1
    tab.get_by_label("Find a User").fill("")
    label = f"Test operations room of {WHO[0]}"
    tab.get_by_role("button", name=label).click()
    wait_for_text(tab, "#tested", "The test was not taken: it answered 500")
    wait_for_text(tab, "#state", "1 channel fails")
    wait_for_text(tab, "#failing", "Fails since")
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')") == label


@pytest.mark.parametrize("role", ["viewer", "approver"])
def test_who_only_looks_has_no_button(channelled, page, role):
    tab = page(channelled, "/notices", as_=role)
    wait_for_text(tab, "#channels", "operations room")
    assert tab.get_by_role("button", name="Test").count() == 0


def test_a_user_has_no_page_of_everybody_s_notices(channelled, page):
    tab = page(channelled, as_=f"user:{WHO[1]}")
    assert tab.locator("nav a", has_text="Notices").is_hidden()
    tab.goto(channelled.url + "/notices")
    assert "Not for you" in tab.content()


@pytest.mark.parametrize(("path", "as_"), [("/", f"user:{WHO[0]}"), ("/", f"user:{WHO[1]}"), ("/notices", "")])
def test_words_stand_out_and_nothing_scrolls_sideways_at_360_px(channelled, hook, page, path, as_):
    hook.status = 500
    write(channelled, *some(), *some(kind="100%", title="You are at 100%", ago=40))
    tab = page(channelled, path, as_, width=360, reduced_motion="reduce")
    if WHO[0] in as_ or path == "/notices":
        tab.get_by_role("button", name="Test operations room").click()
        wait_for_text(tab, "main", "not taken: it answered 500")
    else:
        wait_for_text(tab, "#no-channels", "none")
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        assert tab.evaluate(CONTRAST) == []
    assert tab.evaluate(SIDEWAYS) <= 0
