"""Every endpoint stands behind its roles, and what goes wrong is a problem document."""

from __future__ import annotations

import pytest
from site_client import Browser
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from sluicegate.operations.site.guarded import guarded
from sluicegate.operations.site.principal import ROLES, STAFF, Principal
from sluicegate.operations.site.refusal import NO_TOKEN, NOT_FOUND, Refusal
from sluicegate.operations.store.worker import InDoubt, Unavailable


class One:
    """A gate that knows one person, or nobody."""

    def __init__(self, principal):
        self._principal = principal

    async def principal(self, _request):
        if self._principal is None:
            raise Refusal(NO_TOKEN, "sign in")
        return self._principal


def site(principal, handler, roles=STAFF):
    app = Starlette(routes=[Route("/", guarded(handler, roles), methods=["GET", "POST"])])
    app.state.gate = One(principal)
    return Browser(app)


async def hello(_request, principal):
    return PlainTextResponse(principal.told)


def raising(error):
    async def handler(_request, _principal):
        raise error

    return handler


@pytest.mark.parametrize("role", ROLES)
def test_only_the_roles_of_an_endpoint_are_let_in(role):
    answer = site(Principal("alice", role, by="token 3"), hello, {"operator", "viewer"}).get("/")
    if role in {"operator", "viewer"}:
        assert (answer.status_code, answer.text) == (200, "alice, token 3")
    else:
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:sluicegate:problem:not-for-this-role")


def test_nobody_is_told_to_sign_in_whatever_the_endpoint():
    answer = site(None, hello).get("/")
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")


@pytest.mark.parametrize(
    ("error", "method", "status", "said"),
    [
        (Refusal(NOT_FOUND, "no such thing"), "GET", 404, "no such thing"),
        (Unavailable("a secret of the operator"), "POST", 503, "nothing was done"),
        (InDoubt("a secret of the operator"), "POST", 503, "whether this was done is not known"),
        (InDoubt("a secret of the operator"), "GET", 503, "nothing was done"),
        (ValueError("a secret of the operator"), "GET", 500, "the log of the gateway says why"),
    ],
)
def test_what_goes_wrong_is_a_problem_that_tells_no_secrets(error, method, status, said):
    answer = site(Principal("alice", "viewer"), raising(error)).request(method, "/")
    assert answer.status_code == status
    assert said in answer.json()["detail"]
    assert "secret" not in answer.text


@pytest.mark.parametrize("roles", [(), ("operator", "admin")])
def test_an_endpoint_for_nobody_or_for_a_role_that_there_is_not_cannot_be_made(roles):
    with pytest.raises(ValueError):
        guarded(hello, roles)
