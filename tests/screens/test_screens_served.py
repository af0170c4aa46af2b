"""What is served to whom, octet for octet."""

import contextlib
import http.client
import json
import re
import socket
from functools import partial
from time import monotonic, sleep

import pytest
from rig_screens import PATIENCE, Standing, configuration

from sluicegate.operations.screens import api
from sluicegate.operations.screens.pages import TITLES
from sluicegate.operations.screens.stream import Stream

MOST_OCTETS = 200_000
"""Of a page with all that it needs, as issue 6 asks."""


def ask(served, path, as_="", **fields):
    made = http.client.HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE)
    try:
        made.request("GET", path, headers={"Cookie": f"as={as_}"} | fields if as_ else fields)
        answer = made.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        made.close()


@pytest.fixture
def pressed(serve):
    """A gateway at which Alder was throttled; its pages, and the RequestID."""
    watched = Standing(configuration([("Alder", 10), ("Birch", 5)], 20, 15), monotonic())
    while not watched.throttled.seen:
        request_id = watched.send("Alder", monotonic())
    return serve(watched), request_id


PAGES = dict.fromkeys(("/", "/why", "/versions", "/controls", "/notices", "/campaigns", "/book"), "operator")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_with_all_that_it_fetches_is_small_and_comes_from_here_only(serve, path):
    served = serve()
    status, page, _ = ask(served, path)
    assert status == 200
    wanted, seen, octets = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.decode())), set(), len(page)
    while wanted - seen:
        one = (wanted - seen).pop()
        seen.add(one)
        status, body, fields = ask(served, one)
        assert status == 200, one
        assert fields["ETag"]
        octets += len(body)
        if one.endswith(".js"):
            wanted |= {f"/static/{name}" for name in re.findall(r'from "\./([^"]+)"', body.decode())}
        assert not re.search(rb"https?://(?!www\.w3\.org)", body.replace(b"https://github.com/leeoniya/uPlot", b"")), (
            one
        )
    assert octets <= MOST_OCTETS


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_nothing_inline_that_a_strict_policy_would_stop(serve, path):
    page = ask(serve(), path)[1].decode()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page)
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []


def test_an_asset_that_the_browser_has_is_not_sent_again_and_a_stranger_is_none(serve):
    served = serve()
    tag = ask(served, "/static/screens.css")[2]["ETag"]
    assert ask(served, "/static/screens.css", **{"If-None-Match": tag})[:2] == (304, b"")
    for name in ("frame.html", "operator.html", "nothing.css", "..%2fapi.py", "__init__.py"):
        assert ask(served, f"/static/{name}")[0] == 404, name


def test_what_comes_from_outside_is_text_in_a_page(serve):
    page = ask(serve(), "/", as_="user:<b>x")[1].decode()
    assert "<b>x" not in page
    assert set(TITLES) >= {"operator", "user"}


def test_a_user_sees_neither_anothers_request_nor_its_versions_nor_the_operators_figures(pressed):
    served, request_id = pressed
    status, body, _ = ask(served, f"/api/v1/throttled/{request_id}", as_="user:Alder")
    assert (status, json.loads(body)["decisions"][0]["user"]) == (200, "Alder")
    status, others, _ = ask(served, f"/api/v1/throttled/{request_id}", as_="user:Birch")
    never = ask(served, "/api/v1/throttled/90-B3-D5-1F-30-00-00-00:00-DB-12-34-56-78-90-A0:999999", as_="user:Birch")
    assert (status, others) == never[:2], "as unknown as one that never was"
    assert b"Alder" not in ask(served, "/api/v1/throttled", as_="user:Birch")[1]
    assert b"Alder" not in ask(served, "/api/v1/versions", as_="user:Birch")[1]
    assert b"Alder" not in ask(served, "/api/v1/throttled", as_="user")[1], "a user of no User sees nothing"
    for path in ("/controls", "/api/v1/screens/series", "/api/v1/screens/events"):
        assert ask(served, path, as_="user:Birch")[0] == 403, path


def test_the_first_page_is_the_role_s_own(serve):
    served = serve()
    assert 'data-page="operator"' in ask(served, "/", as_="viewer")[1].decode()
    assert 'data-page="user"' in ask(served, "/", as_="user:Alder")[1].decode()


def test_the_stream_tells_a_picture_and_too_many_are_told_to_wait(serve):
    served = serve()
    open_ = []
    for _ in range(8):
        sock = socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE)
        sock.sendall(b"GET /api/v1/live HTTP/1.1\r\nHost: x\r\n\r\n")
        open_.append(sock)
        got = b""
        while b"data: {" not in got:
            got += sock.recv(65536)
        assert b"text/event-stream" in got
        assert b"retry: 1000" in got
    status, body, fields = ask(served, "/api/v1/live")
    assert (status, fields["Retry-After"]) == (503, "10")
    assert json.loads(body)["type"].endswith("too-many-screens")
    for sock in open_:
        sock.close()


def test_a_real_connection_that_reads_nothing_is_cut(serve, monkeypatch):
    monkeypatch.setattr(api, "Stream", partial(Stream, unread=0.05))
    served = serve()
    with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as sock:
        sock.sendall(b"GET /api/v1/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(100)
        (listener,) = served.pulse._listeners
        served.loop.call_soon_threadsafe(listener.put, b"x" * 50_000_000)  # more than all buffers between the two
        until = monotonic() + PATIENCE
        while not served.pulse.dropped and monotonic() < until:
            sleep(0.01)
        assert (served.pulse.dropped, served.pulse.listeners) == (1, 0)
        got, octets = 0, b"x"
        with contextlib.suppress(ConnectionResetError):  # or it just ends
            while octets:
                octets = sock.recv(1_000_000)
                got += len(octets)
        assert got < 50_000_000
