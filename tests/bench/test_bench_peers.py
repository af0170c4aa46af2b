import random
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from bench.__main__ import arguments, plan_of
from bench.certificates import issue
from bench.messages import NEW_VERSION, OLD_VERSION, top_up, users
from bench.peers import CASES, CONTENDERS, Site, fingerprint, missing, require, sluicegate_settings
from bench.processes import BenchError

from bench import peers
from sluicegate import settings

sys.path.insert(0, str(peers.HERE))
import rule


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    work = tmp_path_factory.mktemp("site")
    return Site(work, 18080, issue(work), ("sluicegate",))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("contender", [each for each in CONTENDERS if each.key != "upstream"], ids=lambda c: c.key)
def test_every_configuration_is_filled_in(site, contender, case):
    for server in contender.start(site, case, 18081):
        assert server.command
        for word in server.command:
            if word.startswith(str(site.work)):
                assert not re.search(r"@[A-Z]+@", Path(word).read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_gateway_takes_its_configuration(site, case):
    text = sluicegate_settings(site, case, 18081, 18082).read_text()
    found = settings.parse(text)
    assert len(found.users) == 60
    assert sum(user["allocation"] for user in tomllib.loads(text)["user"]) <= found.capacity.maximum


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.skipif(shutil.which("haproxy") is None, reason="no haproxy here")
def test_haproxy_takes_its_configuration(site, case):
    peers._haproxy(site, case, 18081)
    command = ["haproxy", "-c", "-f", str(site.work / "haproxy.cfg")]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert said.returncode == 0, said.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.skipif(shutil.which("nginx") is None, reason="no nginx here")
def test_nginx_takes_its_configuration(site, case):
    peers._nginx(site, case, 18081)
    command = ["nginx", "-t", "-e", "stderr", "-c", str(site.work / "nginx.conf")]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert said.returncode == 0, said.stderr


def test_a_fingerprint_is_of_the_certificate_and_not_of_its_chain(site):
    prints = {fingerprint(path) for path in site.certificates.clients}
    assert len(prints) == len(site.certificates.clients)
    assert all(re.fullmatch("sha256:[0-9a-f]{64}", each) for each in prints)


def test_keys_are_readable_by_their_owner_only(site):
    for path in (site.certificates.server, site.certificates.server_key, *site.certificates.clients):
        assert path.stat().st_mode & 0o077 == 0


def test_a_missing_peer_comes_with_its_install_line(monkeypatch):
    monkeypatch.setattr(peers.shutil, "which", lambda name: None if name == "haproxy" else "/" + name)
    assert missing({"haproxy", "nginx"}, ("sluicegate",)) == [
        "haproxy is missing. On Debian or Ubuntu: apt-get install haproxy"
    ]
    with pytest.raises(BenchError, match="apt-get install haproxy"):
        require({"haproxy"}, ("sluicegate",))


def test_the_upstream_needs_nginx_whoever_takes_part(monkeypatch):
    monkeypatch.setattr(peers.shutil, "which", lambda _: None)
    assert [line.split()[0] for line in missing(set(), ("sluicegate",))] == ["nginx"]


@pytest.mark.parametrize(("version", "status"), [(NEW_VERSION, 429), (OLD_VERSION, 503)])
def test_the_python_peers_keep_the_rule(monkeypatch, version, status):
    monkeypatch.setattr(rule, "monotonic", lambda: 0.0)  # no bank fills meanwhile
    user = next(each for each in users() if each.version == version)
    message = top_up(user, 1, random.Random(1))
    plenty = rule.Rule({user.eui.encode(): 1e6}, 1e6)
    assert {plenty.status(message) for _ in range(100)} == {200}
    tiny = rule.Rule({user.eui.encode(): 1e-6}, 1e-6)
    assert [tiny.status(message) for _ in range(3)] == [200, status, status]
    spare = rule.Rule({user.eui.encode(): 1e-6}, 4.0)  # two tokens under the threshold, one of them for what is within
    assert [spare.status(message) for _ in range(3)] == [200, 200, status]
    assert plenty.status(b"<x/>") == 400
    assert rule.Rule({}, 1.0).status(message) == 403


@pytest.mark.parametrize(
    "words", [["--rounds", "101"], ["--seconds", "0.1"], ["--only", "nginx", "--without", "nginx"]]
)
def test_a_plan_out_of_bounds_is_refused(words):
    with pytest.raises(BenchError):
        plan_of(arguments(words))


def test_the_usual_plan_is_five_rounds_of_everything():
    plan = plan_of(arguments([]))
    assert (plan.rounds, list(plan.cases), list(plan.contenders)) == (5, list(CASES), list(CONTENDERS))
