"""The status tells where a gateway listens, the listeners at which proxies ask too."""

import json

from pki import Authority
from rig import fetch

from sluicegate.operations.admin import watching

ANY = "127.0.0.1:0"


def told_by(running) -> list[dict[str, object]]:
    told = json.loads(fetch(running.admin_port, "/api/v1/status").body)["listeners"]
    assert isinstance(told, list)
    return told


def test_every_listener_is_told_with_what_it_serves_and_whether_it_has_tls(gateway, tmp_path) -> None:
    (tmp_path / "proxies").mkdir()
    proxies = Authority(tmp_path / "proxies", "CN=Proxies")
    server = proxies.server("localhost", "127.0.0.1")
    tls = {"certificate": server.pem, "key": server.key_pem, "client_ca": proxies.pem}
    site = {"account": {"listen": ANY}, "operations": {"database": "operations.db"}}
    told = told_by(gateway(ask={"listen": ANY, "grpc": ANY}, ask__tls=tls, admin={"listen": ANY}, **site))
    assert {one["key"]: (one["serves"], one["tls"], one["client_certificates"]) for one in told} == {
        "gateway.listen": ("Service Requests", False, False),
        "ask.listen": ("HTTP external authorisation", True, True),
        "ask.grpc": ("Rate Limit Service (gRPC)", True, True),
        "admin.listen": ("status, metrics and health", False, False),
        "account.listen": ("the site", False, False),
    }
    assert {one["address"] for one in told} == {ANY}


def test_what_is_not_listened_on_is_not_told(gateway) -> None:
    told = told_by(gateway(ask={"grpc": ANY}, admin={"listen": ANY}))
    assert [one["key"] for one in told] == ["gateway.listen", "ask.grpc", "admin.listen"]


def test_the_description_of_the_api_says_what_a_listener_is_told_as(gateway) -> None:
    running = gateway(ask={"listen": ANY, "grpc": ANY}, admin={"listen": ANY})
    paths = watching(running.gateway, running.gateway.rates).paths
    schema = paths["/api/v1/status"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert "listeners" in schema["required"]
    one = schema["properties"]["listeners"]["items"]
    for told in told_by(running):
        assert set(told) == set(one["required"]) == set(one["properties"])
        assert told["key"] in one["properties"]["key"]["enum"]
