"""The relay's own file: its starter, its defaults, and what does not fit together."""

from __future__ import annotations

import pytest

from sluicegate.relay.classes import Classes
from sluicegate.settings import SettingsError, load_relay, parse_relay, relay_starter
from sluicegate.settings.fields import Address

LEAST = '[relay]\nuser = "A"\ngateway = "http://127.0.0.1:8079"\n'


def refused(text, **how):
    """What is said of a file."""
    with pytest.raises(SettingsError) as error:
        parse_relay(text, files=False, **how)
    return [f"{problem.line}: {problem.where}: {problem.message}" for problem in error.value.problems]


def test_the_starter_is_right_as_it_is_and_with_everything_switched_on(tmp_path):
    starter = relay_starter()
    assert parse_relay(starter, base=tmp_path).mode == "hold"
    on = "\n".join(
        line[1:] if line.startswith("#") and not line.startswith("# ") else line for line in starter.split("\n")
    )
    on = on.replace('gateway = "http://', 'gateway = "https://').replace('url = "http://', 'url = "https://')
    relay = parse_relay(on, base=tmp_path, files=False)
    assert relay.callback is not None
    assert relay.callback.retry.attempts == 1000
    assert relay.demand is not None


def test_the_starter_says_the_defaults(tmp_path):
    starter, least = parse_relay(relay_starter(), base=tmp_path), parse_relay(LEAST, base=tmp_path)
    for name in type(least).model_fields:
        if name not in {"user", "gateway", "classes"}:
            assert getattr(starter, name) == getattr(least, name), name
    assert (least.listen, least.admin) == (Address("127.0.0.1", 8060), Address("127.0.0.1", 8061))
    assert str(least.store) == str(tmp_path / "relay.db")
    assert (least.mode, least.on_hang_up, least.deadline, least.waiting) == ("hold", "keep", 300, 100_000)


def test_the_least_that_is_needed_is_who_and_where_to():
    assert refused("[relay]\n") == [
        '1: relay.user: is missing: add it, for example `user = "Large Supplier A"`',
        '1: relay.gateway: is missing: add it, for example `gateway = "https://gateway.example:8079"`',
    ]
    assert refused("") == ["None: relay: is missing: add the table [relay]"]


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ('mode = "callback"', "relay.mode", "needs the table [relay.callback]"),
        ('listen = "0.0.0.0:8060"', "relay.listen", "sends with the User's certificate"),
        ('admin = "0.0.0.0:8061"', "relay.admin", "asks nobody who he is"),
        ('admin = "127.0.0.1:8060"', "relay.admin", "is taken by the relay's own `listen`"),
        ('listen = "127.0.0.1:8079"', "relay.gateway", "it would send to itself"),
        ("deadline = 1e6", "relay.deadline", "is beyond longest_deadline"),
        ('store = "postgresql://a/b"', "relay.store", "must be the path of a file"),
        ('gateway_tls = {ca = "x.pem"}', "relay.gateway_tls", "is for https"),
        ('callback = {url = "http://x.y:1", tls = {ca = "x"}}', "relay.callback.tls", "is for https, and `url`"),
        ('tls = {certificate = "a", key = "b", client_crl = "c"}', "relay.tls.client_crl", "no meaning without"),
        ('class = [{name = "a"}, {name = "a"}]', 'relay.class[1] "a".name', "is already the name of class[0]"),
        ('class = [{name = "a", deadline = 1e6}]', 'relay.class[0] "a".deadline', "is beyond longest_deadline"),
        ('class = [{name = "a", srvs = ["x"]}]', 'relay.class[0] "a".srvs[0]', "is not an SRV or a pattern"),
        ('on_hang_up = "forget"', "relay.on_hang_up", '"keep"'),
        ("patience = 1", "relay.patience", "is not a key of this table"),
    ],
)
def test_what_does_not_fit_is_said(text, where, words):
    (said,) = refused(LEAST + text)
    assert said.split(": ", 2)[1] == where
    assert words in said


def test_insecure_permits_what_strangers_can_reach():
    relay = parse_relay(LEAST + 'listen = "0.0.0.0:8060"\nadmin = "0.0.0.0:8061"', insecure=True)
    assert relay.listen.everywhere


def test_a_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(SettingsError, match="there is no such file"):
        load_relay(tmp_path / "none.toml")
    (tmp_path / "relay.toml").write_text(LEAST + 'store = "nowhere/relay.db"')
    with pytest.raises(SettingsError, match="is in a folder that is not there"):
        load_relay(tmp_path / "relay.toml")


def test_bulk_stands_behind_everything_else():
    relay = parse_relay(
        LEAST + 'class = [{name = "a", bulk = true, srvs = ["4.*"]}, {name = "b", srvs = ["2.2"], deadline = 60}]'
    )
    classes = Classes(relay)
    assert [(place.name, place.deadline, place.bulk) for place in classes.places] == [
        ("b", 60, False), (None, 300, False), ("a", 300, True),
    ]  # fmt: skip
    assert [classes.of(srv, 1, "00-00-00-00-00-00-00-01").rank for srv in ("2.2", "6.1", "4.1")] == [0, 1, 2]
    assert classes.bulk == {2}
