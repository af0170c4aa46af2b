"""`[sign_in]`: what comes out of it, and what does not fit together."""

from __future__ import annotations

import pytest

from sluicegate.settings import SettingsError, SignIn, cautions, load, parse

TABLES = """\
[operations]
[account]
[sign_in]
url = "https://gate.example"
[sign_in.openid]
issuer = "https://login.example/realms/grid/"
client_id = "sluicegate"
client_secret_file = "openid.secret"
[[sign_in.openid.role]]
value = "ops"
role = "operator"
[[sign_in.openid.role]]
value = "a"
role = "user"
user = "Large Supplier A"
"""
SECRET = "hunter2-hunter2"


@pytest.fixture
def written(right, tmp_path):
    """The right file with those tables, some of its text replaced, beside its secret."""

    def write(*pairs, secret=SECRET):
        text = right.replace("[[user]]", TABLES + "[[user]]", 1)
        for old, new in pairs:
            assert old in text, old
            text = text.replace(old, new, 1)
        (tmp_path / "a.toml").write_text(text, "utf-8")
        if secret is not None:
            (tmp_path / "openid.secret").write_text(secret)
            (tmp_path / "openid.secret").chmod(0o600)
        return tmp_path / "a.toml"

    return write


def wrong(path):
    with pytest.raises(SettingsError) as raised:
        load(path)
    assert len(raised.value.problems) == 1, raised.value.problems
    return str(raised.value.problems[0])


def test_what_is_written_comes_out_and_the_issuer_letter_by_letter(written):
    found = load(written()).sign_in
    assert found.openid.issuer == "https://login.example/realms/grid/"
    assert found.origin == "https://gate.example"
    assert [(one.role, one.user) for one in found.openid.roles] == [("operator", None), ("user", "Large Supplier A")]
    assert (found.openid.name_claim, found.openid.role_claim) == ("email", "groups")


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Gate.example:443/", "https://gate.example"),
        ("https://gate.example:8091", "https://gate.example:8091"),
        ("http://127.0.0.1:8091", "http://127.0.0.1:8091"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_the_origin_is_as_browsers_write_it(url, origin):
    assert SignIn.model_validate({"url": url}).origin == origin


def test_without_the_table_browsers_sign_in_by_a_token(right):
    assert parse(right).sign_in is None
    assert (SignIn().openid, SignIn().origin) == (None, None)


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ((("[account]\n", ""),), "which is not there: add that table"),
        ((('url = "https://gate.example"\n', ""),), "say where to, with `url`"),
        ((("https://gate.example", "https://gate.example/base"),), "take the path out"),
        ((("https://gate.example", "http://gate.example"),), "in the clear: write https://"),
        ((("https://login.example", "http://login.example"),), "could be anybody"),
        ((("https://login.example", "ldap://login.example"),), "is not a URL"),
        ((('client_id = "sluicegate"', 'client_id = "x"\nscopes = ["email"]'),), 'needs "openid" among them'),
        ((('user = "Large Supplier A"', 'user = "Nobody"'),), "is no [[user]]"),
        ((('user = "Large Supplier A"\n', ""),), "name the [[user]] that it is"),
        ((('role = "operator"', 'role = "operator"\nuser = "Large Supplier A"'),), "has no effect with the role"),
        ((('role = "operator"', 'role = "root"'),), "operator"),
        ((('client_id = "sluicegate"', 'client_id = ""'),), "1 to 200 printable characters"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_what_to_do(written, pairs, said):
    assert said in wrong(written(*pairs))


@pytest.mark.parametrize("secret", [None, "", "\n", "two\nlines", "x" * 1001, "é"])
def test_a_secret_that_is_none_is_refused_and_not_repeated(written, secret):
    told = wrong(written(secret=secret))
    assert "openid.secret" in told
    assert not secret or len(secret) < 3 or secret not in told


def test_the_secret_is_in_nothing_that_is_shown_of_the_settings(written):
    settings = load(written())
    assert SECRET not in repr(settings) + str(settings)


def test_a_secret_that_everybody_may_read_is_a_caution(written, tmp_path):
    path = written()
    (tmp_path / "openid.secret").chmod(0o644)
    assert [said for said in cautions(load(path)) if "openid.secret" in said and "chmod 600" in said]


def test_without_its_packages_the_provider_is_refused_with_what_to_install(written, monkeypatch):
    monkeypatch.setattr("sluicegate.settings.sign_in_checks.installed", lambda name: name != "joserfc")
    assert "install 'sluicegate[sign-in]'" in wrong(written())
