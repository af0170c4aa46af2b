"""`sluicegate profile show | put | delete | versions | restore`: a User's profile over the API of its account."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click

from sluicegate.cli.asking import Answered, NobodyAnswers, exchange, url_of

TRY_TIMEOUT = 150.0  # seconds: a dry run replays an hour of everybody's traffic
MOST_TOKEN = 1024  # octets of a file with a token
ACCOUNT, TOKEN = "SLUICEGATE_ACCOUNT", "SLUICEGATE_TOKEN"


class Account(NamedTuple):
    """Where a User's account is, and how it shows who it is. `ca`: a PEM file of authorities, or None."""

    address: str
    token: str
    ca: Path | None

    def ask(
        self, method: str, path: str, body: bytes | None = None, fields: dict[str, str] | None = None, *,
        timeout: float = 60.0,
    ) -> Answered:  # fmt: skip
        """Ask. Raises ClickException with what the account says is wrong, or why it does not answer."""
        import ssl  # noqa: PLC0415

        base = url_of(self.address)
        tls = None
        if base.startswith("https://"):
            try:
                tls = ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
            except (OSError, ssl.SSLError) as error:
                raise click.BadParameter(f"{self.ca}: {error}", param_hint="--ca") from None
        sent = {"Authorization": f"Bearer {self.token}"} | (fields or {})
        try:
            answer = exchange(base, method, f"/api/v1/account{path}", body, sent, timeout=timeout, tls=tls)
        except NobodyAnswers as error:
            raise click.ClickException(
                f"no account answers at {self.address}: {error}. --account says where: the operator's [account]."
            ) from None
        if answer.status >= 300:
            raise click.ClickException(_why(answer))
        return answer


def account_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options that make an Account; see `account_of`."""
    for option in (
        click.option("--ca", type=click.Path(path_type=Path), help="Authorities for https (PEM). [the system's]"),
        click.option(
            "--token-file", type=click.Path(path_type=Path), help=f"A file with the token. [${TOKEN} holds the token]"
        ),
        click.option(
            "--account", metavar="URL", envvar=ACCOUNT, show_envvar=True, help="Where the account API is."
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def account_of(account: str | None, token_file: Path | None, ca: Path | None) -> Account:
    """The account that a command's options name. Raises UsageError."""
    import os  # noqa: PLC0415

    if not account:
        raise click.UsageError(f"say where the account API is: --account URL, or the environment's {ACCOUNT}")
    token = os.environ.get(TOKEN, "")
    if token_file is not None:
        try:
            with token_file.open(encoding="utf-8") as file:
                token = file.read(MOST_TOKEN)
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "is not a text"
            raise click.BadParameter(f"{token_file}: {why}", param_hint="--token-file") from None
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable():
        raise click.UsageError(f"show a token: --token-file FILE, or the environment's {TOKEN}")
    return Account(account, token, ca)


@click.command(
    epilog="""\b
Examples:
  sluicegate profile show --account https://account.example:8091 --token-file token
  sluicegate profile show --version 3
"""
)
@account_options
@click.option("--version", type=click.IntRange(1), help="An earlier one. [the one in force]")
def show(account: str | None, token_file: Path | None, ca: Path | None, version: int | None) -> None:
    """Print a User's own profile, as its account has it (JSON; `put` takes it back)."""
    asked = account_of(account, token_file, ca)
    told = asked.ask("GET", "/profile" if version is None else f"/profile/versions/{version}").body
    click.echo(json.dumps(told.get("profile"), indent=2))
    click.echo(_said(told), err=True)


@click.command(
    epilog="""\b
Examples:
  sluicegate profile put profile.toml --account https://account.example:8091 --token-file token
  sluicegate profile put profile.json --if-version 3
"""
)
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@account_options
@click.option("--if-version", type=click.IntRange(0), help="Only while this is the version in force.")
def put(path: Path, account: str | None, token_file: Path | None, ca: Path | None, if_version: int | None) -> None:
    """Set a User's own profile from FILE (TOML, or JSON where its name ends so). It counts at once."""
    asked = account_of(account, token_file, ca)
    body, fields = read(path)
    fields |= condition(asked, if_version)
    click.echo(_said(asked.ask("PUT", "/profile", body, fields).body))


@click.command(
    epilog="""\b
Examples:
  sluicegate profile delete --account https://account.example:8091 --token-file token
"""
)
@account_options
@click.option("--if-version", type=click.IntRange(0), help="Only while this is the version in force.")
def delete(account: str | None, token_file: Path | None, ca: Path | None, if_version: int | None) -> None:
    """Take back what a User has set itself: the profile of the operator's file counts again."""
    asked = account_of(account, token_file, ca)
    click.echo(_said(asked.ask("DELETE", "/profile", None, condition(asked, if_version)).body))


@click.command(
    epilog="""\b
Examples:
  sluicegate profile versions --account https://account.example:8091 --token-file token
"""
)
@account_options
def versions(account: str | None, token_file: Path | None, ca: Path | None) -> None:
    """Which versions there are, the newest first."""
    found = account_of(account, token_file, ca).ask("GET", "/profile/versions").body["versions"]
    for one in found:
        click.echo(f"{one['version']:>5}  {one['made_at']}  {one['what']}  ({one['by']})")
    if not found:
        click.echo("This User has set no profile itself.")


@click.command(
    epilog="""\b
Examples:
  sluicegate profile restore 3 --account https://account.example:8091 --token-file token
"""
)
@click.argument("version", type=click.IntRange(1))
@account_options
@click.option("--if-version", type=click.IntRange(0), help="Only while this is the version in force.")
def restore(
    version: int, account: str | None, token_file: Path | None, ca: Path | None, if_version: int | None
) -> None:
    """Set an earlier VERSION once more, as the next one."""
    asked = account_of(account, token_file, ca)
    path = f"/profile/versions/{version}/restore"
    click.echo(_said(asked.ask("POST", path, b"", condition(asked, if_version)).body))


def read(path: Path) -> tuple[bytes, dict[str, str]]:
    """A profile as it is sent, and its Content-Type. Raises ClickException."""
    from sluicegate.settings.profiles import MOST_OCTETS  # noqa: PLC0415

    try:
        with path.open("rb") as file:
            body = file.read(MOST_OCTETS + 1)
    except OSError as error:
        raise click.BadParameter(f"{path}: {error.strerror or error}", param_hint="FILE") from None
    if len(body) > MOST_OCTETS:
        raise click.BadParameter(f"{path}: more than {MOST_OCTETS:,} octets", param_hint="FILE")
    return body, {"Content-Type": "application/json" if path.suffix.lower() == ".json" else "application/toml"}


def condition(account: Account, version: int | None) -> dict[str, str]:
    """If-Match for what is changed: the version that was named, or the one that is there now."""
    if version is not None:
        return {"If-Match": f'"{version}"'}
    return {"If-Match": account.ask("GET", "/profile").tag or "*"}


def dry_run(account: Account, path: Path) -> dict[str, Any]:
    """What the account says of the last hour with another profile. Raises ClickException."""
    body, fields = read(path)
    told: dict[str, Any] = account.ask("POST", "/profile/try", body, fields, timeout=TRY_TIMEOUT).body
    return told


def _said(told: dict[str, Any]) -> str:
    if "from" not in told:
        return f"Version {told['version']} of {told['user']}: {told['what']}, {told['made_at']}."
    if told["from"] is None:
        return f"{told['user']} has no profile: its requests are all alike."
    if told["from"] == "configuration":
        return f"{told['user']}: the profile of the operator's file counts."
    so = "counts" if told["in_force"] else f"does not count: {told['why_not']}"
    return f"{told['user']}: version {told['version']}, {told['what']} at {told['made_at']}, {so}."


def _why(answer: Answered) -> str:
    told = answer.body if isinstance(answer.body, dict) else {}
    lines = [
        f"{told.get('title', 'the account refuses')} ({answer.status}): {told.get('detail', 'no reason is given')}"
    ]
    lines += [str(one) for one in told.get("problems", [])[1:]]
    return "\n  ".join(lines)
