"""A person signs in at a running gateway, over TLS, at a provider in another process."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

import httpx
import pytest
from pki import Authority
from rig import free_port
from test_gateway_account import TABLES, users

from openid_provider import provider

PEOPLE = (
    {"sub": "1", "email": "alice@example.com", "groups": ["ops"]},
    {"sub": "2", "email": "bob@example.com", "groups": ["large"]},
)


@pytest.fixture(scope="module")
def issuer():
    with provider(PEOPLE) as address:
        yield address


@pytest.fixture
def url(gateway, tmp_path, issuer):
    """The site of a gateway, and what a browser must trust to ask it."""
    authority, port = Authority(tmp_path), free_port()
    own = authority.server()
    (tmp_path / "openid.secret").write_text("hunter2\n")
    site = f"https://127.0.0.1:{port}"
    openid = {
        "issuer": issuer, "client_id": "sluicegate", "client_secret_file": "openid.secret",
        "role": [{"value": "ops", "role": "operator"}, {"value": "large", "role": "user", "user": "Large"}],
    }  # fmt: skip
    tls = {"certificate": str(own.pem), "key": str(own.key_pem)}
    account = {"listen": f"127.0.0.1:{port}", "tls": tls}
    gateway(users=users(), **TABLES | {"account": account}, sign_in={"url": site, "openid": openid})
    return site, ssl.create_default_context(cafile=str(authority.pem))


@pytest.mark.parametrize(
    ("sub", "role", "status", "profile"), [("1", "operator", 200, 403), ("2", "user", 403, 200)], ids=["alice", "bob"]
)
def test_a_person_signs_in_at_the_provider_and_sees_what_is_for_its_role(url, sub, role, status, profile):
    site, trusted = url
    with httpx.Client(base_url=site, verify=trusted, follow_redirects=True) as browser:
        form = browser.get("/sign-in/openid", params={"next": "/api/v1/session"})
        assert form.url.host == "127.0.0.1"
        assert f"{form.url.scheme}://{form.url.netloc.decode()}" != site
        told = browser.post(form.url, data={"sub": sub})
        assert told.url.path == "/api/v1/session"
        assert (told.json()["role"], told.json()["by"]) == (role, "OpenID Connect")
        assert browser.get("/api/v1/status").status_code == status
        assert browser.get("/api/v1/account/profile").status_code == profile
        fields = {"X-CSRF-Token": told.json()["csrf"], "If-Match": "*"}
        assert browser.delete("/api/v1/account/profile", headers={"If-Match": "*"}).status_code == 403
        assert browser.delete("/api/v1/account/profile", headers=fields).status_code == profile
        assert browser.delete("/api/v1/session", headers=fields).status_code == 204
        assert browser.get("/api/v1/session").status_code == 401
        page = browser.get("/api/v1/status", headers={"Accept": "text/html"})
        assert urlsplit(str(page.url)).path == "/sign-in"
        assert "Sign in with your organisation" in page.text
