"""`[ledger]` and `workers`: where the banks of a fleet live."""

import pytest

from sluicegate.settings import ledger_checks, parse
from sluicegate.settings.cautions import cautions
from sluicegate.settings.ledger import Place, place


@pytest.fixture
def with_ledger(right, monkeypatch, problems_of):
    monkeypatch.setattr(ledger_checks, "installed", lambda _package: True)
    return lambda table: problems_of(f"{right}\n[ledger]\n{table}")


@pytest.mark.parametrize(
    ("text", "is_at"),
    [
        ("valkey://127.0.0.1", Place(False, (("127.0.0.1", 6379),), "", 0)),
        ("valkey://one.example:7000/3", Place(False, (("one.example", 7000),), "", 3)),
        ("valkeys://one.example,two.example:6380", Place(True, (("one.example", 6379), ("two.example", 6380)), "", 0)),
        ("valkey://[::1]:6379/0", Place(False, (("::1", 6379),), "", 0)),
        ("unix:///run/valkey.sock", Place(False, (), "/run/valkey.sock", 0)),
    ],
)
def test_a_ledger_is_named_by_its_url(text, is_at):
    assert place(text) == is_at
    assert place(str(is_at)) == is_at


@pytest.mark.parametrize(
    "text", ["redis://one.example", "valkey://", "valkey://one.example/x", "one.example:6379", "valkey://a:b", "", 1]
)
def test_what_is_no_url_of_a_ledger_is_refused(text):
    with pytest.raises(ValueError, match="is not a URL such as"):
        place(text)


def test_a_password_in_the_url_is_refused_without_being_repeated():
    with pytest.raises(ValueError, match="must hold no user or password") as refused:
        place("valkey://user:verysecret@one.example")
    assert "verysecret" not in str(refused.value)


def test_without_a_ledger_a_gateway_has_one_worker_and_its_banks_in_itself(right):
    settings = parse(right, files=False)
    assert settings.gateway.workers == 1
    assert settings.ledger.url is None


@pytest.mark.parametrize(
    ("table", "where", "message"),
    [
        ('password = "env:P"', "ledger.password", "is for a Valkey with a `url`"),
        ('url = "valkey://a.example"\nusername = "me"', "ledger.username", "needs `password`"),
        ('url = "valkey://a.example,b.example"', "ledger.url", "several hosts"),
        ('url = "valkey://a.example/2"\ncluster = true', "ledger.cluster", "database 0 alone"),
        ('url = "unix:///a"\nsentinel = "s"', "ledger.sentinel", "that Sentinels watch"),
        ('url = "valkey://a.example"\nwait = 0.3', "ledger.hold", "more than twice `wait`"),
        ("parts = 2", "ledger.parts", "is for a Valkey with a `url`"),
        ('url = "valkey://a.example"\nparts = 257', "ledger.parts", "256"),
        ('url = "valkey://a.example"\nparts = 250', "ledger.parts", "less than two requests of the heaviest weight"),
        ('url = "valkey://a.example"\ndraws_per_second = 19', "ledger.draws_per_second", "at least 1 / `wait`, 20:"),
    ],
)
def test_what_does_not_fit_together_is_named(with_ledger, table, where, message):
    (problem,) = with_ledger(table)
    assert where in str(problem)
    assert message in str(problem)


def test_without_the_packages_it_is_said_what_to_install(right, monkeypatch, problems_of):
    monkeypatch.setattr(ledger_checks, "installed", lambda _package: False)
    (problem,) = problems_of(right.replace("[gateway]\n", "[gateway]\nworkers = 4\n"))
    assert "gateway.workers" in str(problem)
    assert "install 'sluicegate[fleet]'" in str(problem)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("cluster = true\nparts = 2", ["and this gateway has 1 worker:"]),
        ("parts = 2", ["and this gateway has 1 worker:", "in one Valkey"]),
        ("cluster = true", []),
    ],
)
def test_it_is_said_where_parts_would_be_of_no_use(right, monkeypatch, table, said):
    monkeypatch.setattr(ledger_checks, "installed", lambda _package: True)
    settings = parse(f'{right}\n[ledger]\nurl = "valkey://a.example"\n{table}', files=False)
    found = [each for each in cautions(settings, files=False) if "the ledger is in 2 parts" in each]
    assert len(found) == len(said)
    for each, part in zip(found, said, strict=True):
        assert part in each
