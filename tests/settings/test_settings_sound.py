"""A right configuration: what comes out of it."""

import pickle
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import ValidationError

from sluicegate.settings import Address, Limits, Timeouts, Upstream, UserId, cautions, load, parse

FULL = """\
[capacity]
maximum = 1000
operating_threshold = 800.5
burst_seconds = 0.25
calm_seconds = 10
sharing = "first-come"
enforce = false
max_in_flight = 20
[capacity.weights]
"11.1" = 5
"6.15.1" = 0.5
[responses]
too_many_requests_from_duis = "4.10"
too_many_requests_users = ["B"]
[gateway]
listen = "[::1]:8079"
upstream = "https://dsp.example/base/"
max_body_bytes = 2048
identity = "forwarded-certificate"
trusted_proxies = ["10.1.2.3", "10.2.0.0/16"]
tls = { certificate = "tls/server.pem", key = "/etc/server.key", client_ca = "ca.pem", client_crl = "x.crl" }
[gateway.upstream_tls]
ca = "dsp.pem"
[gateway.timeouts]
head = 1.5
[gateway.limits]
connections = 7
[admin]
listen = "127.0.0.1:9000"
[[user]]
name = "A"
ids = ["90-b3-d5-1f-30-01-00-00", { id = "90-B3-D5-1F-30-01-00-01", role = "GS" }]
role = "IS"
allocation = 300
certificates = ["sha256:%s", "cn=shared,o=Provider"]
[[user]]
name = "B"
ids = ["90-B3-D5-1F-30-02-00-00"]
role = "RSA"
allocation = 0
certificates = ["CN=shared,O=Provider"]
enforce = false
""" % ("AB" * 32)


def test_every_key_arrives_under_its_own_name():
    settings = parse(FULL, base=Path("/etc/sluicegate"), files=False)
    capacity, gateway = settings.capacity, settings.gateway
    assert (capacity.maximum, capacity.operating_threshold) == (1000.0, 800.5)
    assert (capacity.burst_seconds, capacity.calm_seconds) == (0.25, 10.0)
    assert (capacity.sharing, capacity.enforce, capacity.max_in_flight) == ("first-come", False, 20)
    assert dict(capacity.weights) == {"11.1": 5.0, "6.15.1": 0.5}
    assert settings.responses.too_many_requests_from_duis == Decimal("4.1")
    assert settings.responses.too_many_requests_users == ("B",)
    assert gateway.listen == Address("::1", 8079)
    assert gateway.upstream == Upstream("https", "dsp.example", 443, "/base")
    assert gateway.max_body_bytes == 2048
    assert gateway.trusted_proxies == (ip_network("10.1.2.3/32"), ip_network("10.2.0.0/16"))
    assert gateway.timeouts == Timeouts(head=1.5)
    assert gateway.limits == Limits(connections=7)
    assert settings.admin is not None
    assert settings.admin.listen == Address("127.0.0.1", 9000)
    first, second = settings.users
    assert first.ids == (
        UserId(id="90-B3-D5-1F-30-01-00-00", role="IS"),
        UserId(id="90-B3-D5-1F-30-01-00-01", role="GS"),
    )
    assert first.certificates == ("sha256:" + "ab" * 32, "CN=shared,O=Provider")
    assert (second.role, second.allocation, second.enforce) == ("RSA", 0.0, False)


def test_relative_files_are_taken_from_the_folder_of_the_configuration():
    tls = parse(FULL, base=Path("/etc/sluicegate"), files=False).gateway.tls
    assert tls is not None
    assert tls.certificate == Path("/etc/sluicegate/tls/server.pem")
    assert tls.key == Path("/etc/server.key")


def test_load_takes_the_folder_of_the_file_and_ignores_a_byte_order_mark(tmp_path):
    path = tmp_path / "sluicegate.toml"
    path.write_text(FULL, encoding="utf-8-sig")
    settings = load(path, files=False)
    assert settings.gateway.tls is not None
    assert settings.gateway.tls.certificate == tmp_path / "tls/server.pem"


def test_what_is_left_out_has_its_default(right):
    settings = parse(right)
    assert settings.capacity.burst_seconds == 0.5
    assert settings.capacity.sharing == "fair"
    assert dict(settings.capacity.weights) == {}
    assert settings.responses.too_many_requests_from_duis is None
    assert settings.gateway.listen == Address("127.0.0.1", 8079)
    assert settings.gateway.timeouts.upstream_total == 120
    assert settings.admin is not None
    assert settings.admin.listen == Address("127.0.0.1", 8090)
    assert parse(right.replace("[admin]\n", "")).admin is None


def test_the_identity_is_the_safe_one_unless_another_is_chosen(changed, problems_of):
    problems = problems_of(changed(('identity = "originator"\n', "")))
    assert [problem.where for problem in problems] == ["gateway.identity"]
    assert "[gateway.tls]" in problems[0].message


def test_settings_cannot_be_changed(right):
    settings = parse(right)
    with pytest.raises(ValidationError):
        settings.capacity.maximum = 5


def test_settings_can_be_sent_to_another_process():
    settings = parse(FULL, files=False)
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_the_heaviest_weight_is_at_least_that_of_an_srv_without_one(right):
    assert parse(right).capacity.heaviest == 1
    assert parse(right.replace("[gateway]", 'weights = { "2.2" = 0.5 }\n[gateway]')).capacity.heaviest == 1
    assert parse(right.replace("[gateway]", 'weights = { "11.1" = 5 }\n[gateway]')).capacity.heaviest == 5


def test_two_users_may_share_a_certificate(right):
    settings = parse(right.replace("CN=c,", "CN=a,"))
    assert settings.users[0].certificates == settings.users[1].certificates


def test_allocations_may_add_up_to_the_maximum_as_written(changed):
    tenth = "".join(
        f'[[user]]\nname = "U{n}"\nids = ["00-00-00-00-00-00-00-{n:02X}"]\nrole = "OU"\nallocation = 0.1\n'
        for n in range(3)
    )
    text = changed(("maximum = 1000", "maximum = 0.3"), ("threshold = 800", "threshold = 0.3"))
    assert len(parse(text.split("[[user]]")[0] + tenth).users) == 3


def test_a_right_and_cautious_configuration_causes_one_caution(right):
    assert len(cautions(parse(right))) == 1  # identity = "originator"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("threshold = 800", "threshold = 340", "add up to 350 SR/s, above the operating threshold of 340"),
        ("threshold = 800", "threshold = 1000", "the operating threshold is the maximum"),
        ("allocation = 50", "allocation = 0", '"Small Supplier C" has no allocation'),
        ("allocation = 50", "allocation = 1.5", '"Small Supplier C" has an allocation whose burst'),
        ("allocation = 50", "allocation = 50\nenforce = false", '"Small Supplier C" has enforce = false'),
        ("[gateway]", "enforce = false\n[gateway]", "capacity.enforce is false"),
        ("[admin]\n", "", "there is no [admin]"),
        ("[admin]", 'trusted_proxies = ["10.0.0.1"]\n[admin]', "trusted_proxies has no effect"),
        ("[admin]", "timeouts = { upstream_total = 5 }\n[admin]", "upstream_total is below upstream_response"),
    ],
)
def test_what_is_legal_and_may_surprise_is_said(changed, old, new, said):
    found = [caution for caution in cautions(parse(changed((old, new)))) if said in caution]
    assert len(found) == 1


def test_cautions_name_a_few_users_and_count_the_rest(right):
    user = '[[user]]\nname = "U{0}"\nids = ["00-00-00-00-00-00-{0:02X}-00"]\nrole = "OU"\nallocation = 0\n'
    text = right + "".join(user.format(n) for n in range(10))
    (found,) = (c for c in cautions(parse(text)) if "no allocation" in c)
    assert '"U0", "U1", "U2" and 7 more have no allocation' in found
