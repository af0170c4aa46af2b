"""The files of the dispatcher's tables: certificates, the store's folder, the table of devices."""

from datetime import timedelta

import pytest
from cryptography import x509

from sluicegate.settings import SettingsError, cautions, parse

TABLES = """\
[dispatch]
[dispatch.tls]
certificate = "server.pem"
key = "server.key"
client_ca = "ca.pem"
[dispatch.routes]
table = "devices.csv"
database = "devices.db"
query = "SELECT 1, 2"
[dispatch.users.tls]
ca = "ca.pem"
certificate = "server.pem"
key = "server.key"
[[csp]]
name = "north"
url = "https://north.example"
[csp.tls]
ca = "ca.pem"
certificate = "server.pem"
key = "server.key"
"""


@pytest.fixture
def folder(tmp_path, authority):
    server = authority.issue_cert("dispatch.example")
    (tmp_path / "server.pem").write_bytes(b"".join(pem.bytes() for pem in server.cert_chain_pems))
    (tmp_path / "server.key").write_bytes(server.private_key_pem.bytes())
    (tmp_path / "server.key").chmod(0o600)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "devices.csv").write_text("device,region\n")
    (tmp_path / "devices.db").touch()
    return tmp_path


def problems(text, folder):
    try:
        parse(text, base=folder)
    except SettingsError as error:
        return error.problems
    return ()


def test_files_that_fit_are_right_and_nothing_is_made(right, folder):
    assert problems(right + TABLES, folder) == ()
    assert not (folder / "dispatch.db").exists()


@pytest.mark.parametrize(
    ("file", "places"),
    [
        ("server.key", ["dispatch.tls.key", "dispatch.users.tls.key", 'csp[0] "north".tls.key']),
        ("server.pem", [f"{table}.tls.certificate" for table in ("dispatch", "dispatch.users", 'csp[0] "north"')]),
        ("ca.pem", ["dispatch.tls.client_ca", "dispatch.users.tls.ca", 'csp[0] "north".tls.ca']),
        ("devices.csv", ["dispatch.routes.table"]),
        ("devices.db", ["dispatch.routes.database"]),
    ],
)  # fmt: skip
def test_a_file_that_is_not_there_is_named_wherever_it_is_wanted(right, folder, file, places):
    (folder / file).unlink()
    found = problems(right + TABLES, folder)
    assert [problem.where for problem in found] == places
    assert all("is not there: put it there" in problem.message for problem in found)


def test_the_table_of_devices_is_a_file(right, folder):
    (folder / "devices.csv").unlink()
    (folder / "devices.csv").mkdir()
    (problem,) = problems(right + TABLES, folder)
    assert "is not a file" in problem.message


def test_the_store_is_a_file_in_a_folder_that_is_there(right, folder):
    (problem,) = problems(right + TABLES.replace("[dispatch]", '[dispatch]\nstore = "none/d.db"'), folder)
    assert problem.where == "dispatch.store"
    assert problem.message.endswith("is in a folder that is not there: make it, or mend the path")
    (folder / "dispatch.db").mkdir()
    (problem,) = problems(right + TABLES, folder)
    assert "is a folder: name a file" in problem.message


def test_a_store_that_must_not_be_written_to_is_said_so(right, folder, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, _: path != folder)
    (problem,) = problems(right + TABLES, folder)
    assert "must not be written to by this account" in problem.message


def test_certificates_near_their_end_and_open_keys_are_cautions(right, folder):
    (folder / "server.key").chmod(0o644)
    settings = parse(right + TABLES, base=folder)
    certificate = x509.load_pem_x509_certificate((folder / "server.pem").read_bytes())
    said = cautions(settings, now=certificate.not_valid_after_utc - timedelta(days=3))
    for table in ("dispatch.tls", "dispatch.users.tls", "csp.tls of north"):
        assert sum(caution.startswith(f"{table}.certificate holds") for caution in said) == 1
        assert sum(f"the private key of {table}, is open" in caution for caution in said) == 1
