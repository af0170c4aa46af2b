"""The commands as a newcomer meets them: what they print, and how they end."""

import os
import stat
import subprocess
import sys
import tomllib

import pytest
from click.testing import CliRunner

from sluicegate import __version__
from sluicegate.cli import configuration, main
from sluicegate.settings import starter


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        result = CliRunner().invoke(main, [str(word) for word in words])
        # A stack trace would be an exception other than the exit itself.
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "a.toml"
        path.write_text(text, "utf-8")
        return path

    return write


def test_init_writes_a_file_that_check_finds_right(run, tmp_path):
    made = run("init")
    assert made.exit_code == 0
    assert (tmp_path / "sluicegate.toml").read_text("utf-8") == starter()
    assert "sluicegate check --config sluicegate.toml" in made.stdout
    assert "sluicegate serve --config sluicegate.toml" in made.stdout
    checked = run("check", "--config", "sluicegate.toml")
    assert checked.exit_code == 0
    assert "sluicegate.toml: right" in checked.stdout


def test_init_says_how_to_go_on_with_an_awkward_name(run):
    assert "--config 'my gateway.toml'" in run("init", "my gateway.toml").stdout


def test_init_leaves_a_file_alone_unless_it_is_forced(run, tmp_path):
    (tmp_path / "sluicegate.toml").write_text("mine")
    refused = run("init")
    assert refused.exit_code == 1
    assert "replace it with --force" in refused.stderr
    assert (tmp_path / "sluicegate.toml").read_text() == "mine"
    assert run("init", "--force").exit_code == 0
    assert (tmp_path / "sluicegate.toml").read_text("utf-8") == starter()
    assert os.listdir(tmp_path) == ["sluicegate.toml"]


def test_init_says_what_is_in_its_way(run, tmp_path):
    (tmp_path / "file").touch()
    for path, said in [
        ("none/a.toml", "make that folder first"),
        (".", "is a directory"),
        ("file/a", "cannot be written"),
    ]:
        result = run("init", path)
        assert result.exit_code == 1
        assert said in result.stderr


def test_init_that_fails_leaves_nothing_behind(run, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    for words in (["init"], ["init", "--force"]):
        result = run(*words)
        assert result.exit_code == 1
        assert "No space left on device" in result.stderr
        assert os.listdir(tmp_path) == []


def test_init_makes_a_file_that_others_may_read_as_the_umask_says(run, tmp_path):
    before = os.umask(0o027)
    try:
        run("init")
        run("init", "forced.toml", "--force")
    finally:
        os.umask(before)
    for name in ("sluicegate.toml", "forced.toml"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640


def test_check_says_each_problem_as_file_line_where_and_message(run, written):
    text = starter().replace("maximum = 1000", 'maximum = "1000"').replace('\nrole = "GS"', '\nrole = "G"')
    path = written(text)
    role = text.split("\n").index('role = "G"') + 1
    result = run("check", "--config", path)
    assert result.exit_code == 1
    first, second, count = result.stderr.splitlines()
    assert first == f'{path}:7: capacity.maximum: must be a number, and is "1000": take the quotes away'
    assert second.startswith(f'{path}:{role}: user[2] "Small Supplier C".role: must be one of "IS", "GS"')
    assert count == "2 problems"
    assert result.stdout == ""


def test_check_states_what_a_right_configuration_lets_through(run, written):
    result = run("check", "--config", written(starter()))
    said = " ".join(result.stdout.split())
    for part in (
        "Users 3 with 4 IDs",
        "sum of allocations 500 SR/s",
        "operating threshold 800 SR/s",
        "maximum 1,000 SR/s",
        "worst burst 650 SR at once",  # 800 * 0.5 + (300 + 150 + 50) * 0.5
        "sustained rate 800 SR/s",
        'warning: identity is "originator"',
    ):
        assert part in said


def test_check_says_that_the_bounds_do_not_hold_where_nothing_is_enforced(run, written):
    one = starter().replace("allocation = 150\n", "allocation = 150\nenforce = false\n")
    assert "not enforced" in run("check", "--config", written(one)).stdout
    assert "not enforced" not in run("check", "--config", written(starter())).stdout


def test_check_prints_names_as_they_are_and_never_as_markup(run, written):
    text = starter().replace("Small Supplier C", "[red]C[/nothing]").replace("allocation = 50", "allocation = 0")
    result = run("check", "--config", written(text))
    assert result.exit_code == 0
    assert '"[red]C[/nothing]" has no allocation' in result.stdout


def test_insecure_permits_what_is_refused_without_it(run, written):
    path = written(starter().replace('listen = "127.0.0.1:8079"', 'listen = "0.0.0.0:8079"'))
    assert run("check", "--config", path).exit_code == 1
    assert run("check", "--config", path, "--insecure").exit_code == 0


def test_a_file_that_cannot_be_read_ends_in_one_sentence(run, tmp_path):
    (tmp_path / "latin.toml").write_bytes(b"\xff")
    for name, said in [
        ("none.toml", "there is no such file"),
        (".", "is a directory"),
        ("latin.toml", "is not UTF-8"),
        ("x" * 300, "cannot be read"),
    ]:
        result = run("check", "--config", name)
        assert result.exit_code == 1
        assert said in result.stderr
        assert "1 problem" in result.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind the superuser")
def test_a_file_without_permission_ends_in_one_sentence(run, written):
    path = written(starter())
    path.chmod(0)
    assert "must not be read by this account" in run("check", "--config", path).stderr


def test_of_very_many_problems_only_the_first_are_printed(run, written, monkeypatch):
    monkeypatch.setattr(configuration, "MOST_LINES", 3)
    result = run("check", "--config", written("a = 1\nb = 1\nc = 1\n" + starter()))
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) <= 4
    path = written("".join(f"z{n} = 1\n" for n in range(9)) + starter())
    assert run("check", "--config", path).stderr.splitlines()[-1] == "9 problems (6 of them not shown)"


def test_wrong_usage_ends_with_2(run):
    for words in (["check"], ["chek"], ["check", "--config"], ["init", "a", "b"], ["check", "--confg", "x"]):
        assert run(*words).exit_code == 2


def test_every_command_has_help_with_an_example(run):
    for name in main.commands:
        result = run(name, "--help")
        assert result.exit_code == 0
        assert f"sluicegate {name}" in result.stdout.split("Examples:")[1]
    assert all(name in run("--help").stdout for name in main.commands)


def test_the_version_is_that_of_the_package(run):
    assert run("--version").stdout.strip() == f"sluicegate, version {__version__}"


def test_help_loads_nothing_that_is_slow_to_load():
    code = (
        "import sys\nfrom sluicegate.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "slow = {'pydantic', 'rich', 'cryptography', 'uvicorn', 'starlette'}\n"
        "print(sorted(slow & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.strip() == "[]"


def test_a_reader_that_goes_away_causes_no_stack_trace(written):
    command = [sys.executable, "-c", "from sluicegate.cli import main; main()", "check", "--config", written(starter())]
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    finally:
        os.close(write)
    assert "Traceback" not in done.stderr


def test_the_starter_file_is_in_the_package():
    assert tomllib.loads(starter())["capacity"]["maximum"] == 1000


PROFILE = '[[class]]\nname = "top-ups"\nsrvs = ["2.*"]\nreserve = 6\n'


def test_profile_suggest_prints_what_profile_check_finds_right(run, written):
    suggested = run("profile", "suggest", "--role", "IS")
    assert suggested.exit_code == 0
    checked = run("profile", "check", written(suggested.stdout))
    assert checked.exit_code == 0
    assert "supply" in checked.stdout
    assert "2.2" in checked.stdout


def test_profile_check_says_what_is_wrong_with_its_line(run, written):
    refused = run("profile", "check", written(PROFILE.replace("2.*", "2.")))
    assert refused.exit_code == 1
    assert "a.toml:3: " in refused.stderr
    assert "no [[class]]" in run("profile", "check", written("")).stderr


@pytest.mark.parametrize(
    ("reserve", "says"), [("0", "reserve = 6 at its most urgent class serves 99.9%"), ("6", "up to 150 SR/s")]
)
def test_check_says_what_a_reserve_serves_and_proposes_one(run, written, reserve, says):
    text = starter().replace("enforce = true                        # false: this User", "# this User")
    config = written(
        f'{text}[[user.class]]\nname = "top-ups"\nsrvs = ["2.*"]\nreserve = {reserve}\n'.replace("= 50", "= 300")
    )
    checked = run("check", "--config", config)
    assert checked.exit_code == 0, checked.stderr
    assert says in " ".join(checked.stdout.split())


def many_tiny(users, reserve, account=""):
    """So many Users of 0.4 SR/s under a threshold of 100, of whom each reserves so much."""
    user = (
        '[[user]]\nname = "U{0}"\nids = ["00-00-00-00-00-00-{0:02X}-00"]\nrole = "OU"\nallocation = 0.4\n'
        '[[user.class]]\nname = "top-ups"\nsrvs = ["2.*"]\nreserve = {1}\n'
    )
    return (
        "[capacity]\nmaximum = 120\noperating_threshold = 100\n"
        f'[gateway]\nupstream = "http://127.0.0.1:1"\nidentity = "originator"\n{account}'
        + "".join(user.format(n, reserve) for n in range(users))
    )


ACCOUNT = '[operations]\ndatabase = "x.sqlite"\n[account]\n[profiles]\nmost_reserve = {}\n'


@pytest.mark.parametrize(
    ("reserve", "account", "says"),
    [
        (
            20,
            "",
            "could shut out all excess for 40 s (200 s while everybody uses its allocation). A reserve of 1 for each",
        ),
        (0, ACCOUNT.format(20), "most_reserve = 20, if all Users reserve that, spent at once after a lull, could shut"),
        (0, ACCOUNT.format(20), "while everybody uses its allocation). 1 would keep it at 2 s"),
        (3, ACCOUNT.format(20), "what the file reserves is too much by itself"),
    ],
)
def test_check_warns_where_all_reserves_together_could_shut_out_excess(run, written, reserve, account, says):
    checked = run("check", "--config", written(many_tiny(200, reserve, account)))
    assert checked.exit_code == 0, checked.stderr
    assert says in checked.stdout


@pytest.mark.parametrize(("reserve", "account"), [(1, ""), (0, ACCOUNT.format(1)), (0, "")])
def test_check_does_not_warn_of_reserves_that_fit(run, written, reserve, account):
    assert "shut out" not in run("check", "--config", written(many_tiny(200, reserve, account))).stdout


def test_check_proposes_no_reserve_that_would_shut_out_excess(run, written):
    said = run("check", "--config", written(many_tiny(200, 0))).stdout
    assert "U0: 0 requests reserved. reserve = 1 at its most urgent class serves 66.7%" in said
    assert "reserve = 6" not in said
    assert "reserve = 6 at its most urgent class" in run("check", "--config", written(many_tiny(20, 0))).stdout
