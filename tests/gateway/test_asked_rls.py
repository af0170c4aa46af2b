"""Envoy's Rate Limit Service: what counts, what is charged, and who may call."""

import filecmp
import subprocess
from pathlib import Path

import grpc
import pytest
from pki import LARGE_SUBJECT, Authority, users
from rig import LARGE, PATIENCE, SMALL, STRANGER, configuration
from rig_throttled import NARROW, ONE_EACH, RARE

from sluicegate.gateway.asked.wire.rls_pb2 import RateLimitRequest, RateLimitResponse

ANY = {"grpc": "127.0.0.1:0"}
OK, OVER = RateLimitResponse.OK, RateLimitResponse.OVER_LIMIT
METHOD = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
ROOT = Path(__file__).resolve().parents[2]


def question(*descriptors: dict[str, str], domain: str = "sluicegate", hits: int = 0) -> RateLimitRequest:
    made = RateLimitRequest(domain=domain, hits_addend=hits)
    for entries in descriptors:
        descriptor = made.descriptors.add()
        for key, value in entries.items():
            descriptor.entries.add(key=key, value=value)
    return made


class Service:
    def __init__(self, running, credentials=None) -> None:
        where = f"127.0.0.1:{running.gateway.asked.grpc_port}"
        channel = grpc.secure_channel(where, credentials) if credentials else grpc.insecure_channel(where)
        self.running = running
        self.channel = channel
        self._call = channel.unary_unary(METHOD, RateLimitRequest.SerializeToString, RateLimitResponse.FromString)

    def __call__(self, *descriptors: dict[str, str], **more) -> RateLimitResponse:
        return self._call(question(*descriptors, **more), timeout=PATIENCE)

    def tally(self, name: str):
        return self.running.desk.users[name].tally


@pytest.fixture
def service(gateway):
    made = []

    def start(credentials=None, **tables):
        made.append(Service(gateway(**{"ask": ANY, **tables}), credentials))
        return made[-1]

    yield start
    for one in made:
        one.channel.close()


def headers(response) -> dict[str, str]:
    return {header.key: header.value for header in response.response_headers_to_add}


def test_a_user_is_named_by_an_id_or_by_its_name_and_told_its_allocation(service) -> None:
    ask = service(users=ONE_EACH)
    for entries in ({"originator": LARGE.lower()}, {"user": "Small"}):
        response = ask(entries)
        assert response.overall_code == OK
        assert [status.code for status in response.statuses] == [OK]
        assert set(headers(response)) == {"ratelimit-policy", "ratelimit"}
    assert (ask.tally("Large").within, ask.tally("Small").within) == (1, 1)
    assert ask.running.desk.totals.asked_grpc == 2


@pytest.mark.parametrize(("version", "status"), [("5.4", "429"), ("4.0", "503"), ("", "503")])
def test_over_the_limit_says_status_wait_and_problem(service, version, status) -> None:
    ask = service(users=RARE, capacity=NARROW, responses={"too_many_requests_from_duis": "4.1"})
    response = [ask({"user": "Large", "srv": "2.2", "duis_version": version}) for _ in range(5)][-1]
    assert response.overall_code == response.statuses[0].code == OVER
    assert response.dynamic_metadata["sluicegate-status"] == status
    told = headers(response)
    assert int(told["retry-after"]) >= 1
    assert told["content-type"] == "application/problem+json"
    assert f'"status": {status}'.encode() in response.raw_body


def test_of_several_descriptors_all_must_pass_or_nothing_is_charged(service) -> None:
    users_ = (*RARE, {"name": "Spare", "ids": [STRANGER], "role": "OU", "allocation": 0})
    ask = service(users=users_, capacity={**NARROW, "sharing": "first-come"})
    while ask({"user": "Spare"}).overall_code == OK:  # until nothing is spare
        pass
    account = ask.running.desk.users["Large"].account
    before = ask.running.call(lambda: account.level)
    response = ask({"user": "Large"}, {"user": "Spare"})
    assert response.overall_code == OVER
    assert [status.code for status in response.statuses] == [OK, OVER]
    assert ask.running.call(lambda: account.level) >= before - 1e-6
    assert (ask.tally("Large").within, ask.tally("Large").rejected) == (0, 1)
    assert ask({"user": "Large"}).overall_code == OK
    assert ask({"user": "Large"}, {"user": "Small"}).overall_code == OK or ask.tally("Small").rejected == 0


def test_descriptors_of_others_do_not_count_and_one_without_ours_is_refused(service) -> None:
    ask = service()
    response = ask({"remote_address": "10.0.0.1"}, {"user": "Large"})
    assert response.overall_code == OK
    assert [status.code for status in response.statuses] == [OK, OK]
    assert ask.tally("Large").within == 1
    nobody = ask({"remote_address": "10.0.0.1"})
    assert nobody.overall_code == OVER
    assert nobody.dynamic_metadata["sluicegate-status"] == "403"


@pytest.mark.parametrize(
    ("entries", "status"),
    [
        ({"user": "Nobody"}, "403"), ({"originator": STRANGER}, "403"), ({"originator": "Large"}, "400"),
        ({"user": "Large", "duis_version": "new"}, "400"), ({"certificate": "nonsense"}, "403"),
    ],
)  # fmt: skip
def test_what_names_no_user_or_cannot_be_is_over_the_limit(service, entries, status) -> None:
    response = service()(entries)
    assert response.overall_code == OVER
    assert response.dynamic_metadata["sluicegate-status"] == status


def test_unknown_users_pass_where_the_configuration_says_so(service) -> None:
    ask = service(ask={**ANY, "pass_unknown": True})
    for entries in ({"user": "Nobody"}, {"remote_address": "10.0.0.1"}):
        assert ask(entries).overall_code == OK
    assert ask({"originator": "Large"}).overall_code == OVER


def test_hits_count_as_many_requests_and_more_than_could_ever_pass_is_a_mistake(service) -> None:
    ask = service(capacity__weights={"11.1": 5})
    account = ask.running.desk.users["Large"].account
    full = ask.running.call(lambda: account.level)
    ask({"user": "Large"}, hits=5)
    assert ask.running.call(lambda: account.level) <= full - 4
    with pytest.raises(grpc.RpcError) as error:
        ask({"user": "Large"}, hits=6)
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "heaviest weight" in error.value.details()


def test_the_weight_of_an_srv_counts_where_no_hits_are_told(service) -> None:
    ask = service(capacity__weights={"11.1": 5})
    account = ask.running.desk.users["Large"].account
    full = ask.running.call(lambda: account.level)
    ask({"user": "Large", "srv": "11.1"})
    assert ask.running.call(lambda: account.level) <= full - 4


def test_another_domain_is_a_mistake_in_the_proxys_configuration(service) -> None:
    ask = service()
    with pytest.raises(grpc.RpcError) as error:
        ask({"user": "Large"}, domain="other")
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert ask.tally("Large").within == 0


def test_a_message_that_is_too_large_is_refused_unread(service) -> None:
    ask = service(ask={**ANY, "max_body_bytes": 2000})
    with pytest.raises(grpc.RpcError) as error:
        ask({"user": "Large", "other": "x" * 3000})
    assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert ask({"user": "Large"}).overall_code == OK


def test_what_is_no_message_of_the_service_is_refused(service) -> None:
    ask = service()
    raw = ask.channel.unary_unary(METHOD)
    with pytest.raises(grpc.RpcError):
        raw(b"\xff" * 50, timeout=PATIENCE)
    assert ask({"user": "Large"}).overall_code == OK


def test_a_certificate_speaks_for_its_own_users_only(service, tmp_path) -> None:
    credential = Authority(tmp_path).issue(LARGE_SUBJECT)
    gateway = {"identity": "forwarded-certificate", "trusted_proxies": ["127.0.0.1"]}
    ask = service(users=users(large=(credential.fingerprint,)), gateway=gateway)
    forwarded = {"certificate": f"Hash={credential.fingerprint[7:]}"}
    assert ask({**forwarded, "originator": LARGE}).overall_code == OK
    assert ask(forwarded).overall_code == OK, "it has one User, who need not be named"
    assert b"foreign-originator" in ask({**forwarded, "originator": SMALL}).raw_body
    assert b"no-certificate" in ask({"originator": LARGE}).raw_body


def test_over_tls_only_who_shows_a_certificate_of_the_proxies_authority_may_call(service, tmp_path) -> None:
    servers, proxies = Authority(tmp_path, "CN=Servers"), Authority(tmp_path, "CN=Proxies")
    server, proxy, other = servers.server(), proxies.issue("CN=envoy"), servers.issue("CN=other")
    tls = {"certificate": server.pem, "key": server.key_pem, "client_ca": proxies.pem}

    def credentials(of):
        return grpc.ssl_channel_credentials(
            servers.pem.read_bytes(), of and of.key_pem.read_bytes(), of and of.pem.read_bytes()
        )

    ask = service(credentials(proxy), ask__tls=tls)
    assert ask({"user": "Large"}).overall_code == OK
    for of in (other, None):
        stranger = Service(ask.running, credentials(of))
        with pytest.raises(grpc.RpcError):
            stranger({"user": "Large"})
        stranger.channel.close()
    assert ask.running.desk.totals.asked_grpc == 1


def test_a_reload_counts_at_once(service, upstream) -> None:
    ask = service(users=ONE_EACH)
    assert ask({"user": "Small"}).overall_code == OK
    ask.running.reload(configuration(upstream.url, users=ONE_EACH[:1], ask=ANY))
    assert ask.running.gateway.last_reload_error is None
    assert ask({"user": "Small"}).overall_code == OVER


def test_the_generated_code_is_that_of_the_proto_file(tmp_path) -> None:
    subprocess.run(["bash", str(ROOT / "tools" / "protobuf.sh"), str(tmp_path)], check=True, timeout=60)
    shipped = ROOT / "src" / "sluicegate" / "gateway" / "asked" / "wire"
    for name in ("rls_pb2.py", "rls_pb2.pyi"):
        assert filecmp.cmp(tmp_path / name, shipped / name, shallow=False), "run: bash tools/protobuf.sh"
