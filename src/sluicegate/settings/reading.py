"""From a TOML file to `Settings`, or to everything that is wrong with it at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from sluicegate.settings import problems
from sluicegate.settings.crosschecks import crosscheck, still_standing
from sluicegate.settings.files import check_files
from sluicegate.settings.locate import line_of, lines_of
from sluicegate.settings.model import Settings
from sluicegate.settings.problems import Finding, Problem, SettingsError, holds, place
from sluicegate.settings.sentences import findings_of

MOST_OCTETS = 64 * 1024 * 1024
"""The largest configuration file, in octets: 100,000 Users take about 25 MB."""

Model = TypeVar("Model", bound=BaseModel)

_POSITION = re.compile(r" ?\(at (?:line (\d+), column (\d+)|end of document)\)$")

_A_USER = {"name": "?", "ids": ["00-00-00-00-00-00-00-00"], "role": "OU", "allocation": 0}
_A_CSP = {"name": "x", "url": "http://csp.invalid:1"}
_STAND_INS: Mapping[problems.Path, Any] = {
    ("capacity",): {"maximum": 1e7, "operating_threshold": 0.001},
    ("capacity", "maximum"): 1e7,
    ("capacity", "operating_threshold"): 0.001,
    ("responses", "too_many_requests_users", "*"): "?",
    ("gateway",): {"upstream": "http://upstream.invalid:1"},
    ("gateway", "upstream"): "http://upstream.invalid:1",
    ("gateway", "trusted_proxies", "*"): "192.0.2.1",
    ("gateway", "tls", "certificate"): "?",
    ("gateway", "tls", "key"): "?",
    ("record", "folder"): "?",
    ("user",): [_A_USER],
    ("user", "*"): _A_USER,
    **{("user", "*", key): value for key, value in _A_USER.items()},
    ("user", "*", "ids", "*"): "00-00-00-00-00-00-00-00",
    ("user", "*", "ids", "*", "id"): "00-00-00-00-00-00-00-00",
    ("user", "*", "certificates", "*"): "CN=?",
    ("user", "*", "class", "*"): {"name": "?"},
    ("user", "*", "class", "*", "name"): "?",
    ("user", "*", "class", "*", "srvs", "*"): "*",
    ("user", "*", "class", "*", "command_variants", "*"): 1,
    ("user", "*", "class", "*", "targets", "*"): "00",
    ("user", "*", "channel", "*"): {"name": "?", "email": "a@a"},
    ("user", "*", "channel", "*", "name"): "?",
    ("user", "*", "channel", "*", "webhook"): "http://a",
    ("user", "*", "channel", "*", "secret"): "env:A",
    ("user", "*", "channel", "*", "email"): "a@a",
    ("user", "*", "channel", "*", "apprise"): "env:A",
    ("notices", "smtp", "password"): "env:A",
    ("notices", "smtp"): {"host": "a", "sender": "a@a"},
    ("notices", "smtp", "host"): "a",
    ("notices", "smtp", "sender"): "a@a",
    ("telemetry", "endpoint"): "http://127.0.0.1:1",
    ("telemetry", "headers", "*"): "env:A",
    ("user", "*", "team", "*"): {"name": "?", "part": 0.001},
    ("user", "*", "team", "*", "name"): "?",
    ("user", "*", "team", "*", "part"): 0.001,
    ("user", "*", "team", "*", "srvs", "*"): "*",
    ("user", "*", "team", "*", "command_variants", "*"): 1,
    ("user", "*", "team", "*", "targets", "*"): "00",
    ("csp", "*"): _A_CSP,
    **{("csp", "*", key): value for key, value in _A_CSP.items()},
    ("csp", "*", "prefixes", "*"): "00",
    ("gateway", "backpressure", "url"): "http://admin.invalid:1",
    ("account", "tls", "certificate"): "?",
    ("account", "tls", "key"): "?",
    ("sign_in", "openid", "issuer"): "https://issuer.invalid",
    ("sign_in", "openid", "client_id"): "?",
    ("sign_in", "openid", "client_secret_file"): "?",
    ("sign_in", "openid", "scopes", "*"): "?",
    ("sign_in", "openid", "role", "*"): {"value": "?", "role": "viewer"},
    ("sign_in", "openid", "role", "*", "value"): "?",
    ("sign_in", "openid", "role", "*", "role"): "viewer",
    ("ask", "tls", "certificate"): "?",
    ("ask", "tls", "key"): "?",
    ("ask", "tls", "client_ca"): "?",
    ("dispatch", "tls", "certificate"): "?",
    ("dispatch", "tls", "key"): "?",
}
"""What is put where a required value is wrong, so that the rest can still be checked as a whole. What is
found at such a place afterwards is not reported, so the values need only be legal."""


def load(path: Path | str, *, insecure: bool = False, files: bool = True) -> Settings:
    """Reads a configuration file. Relative paths in it are taken from the folder that it is in.

    `insecure` permits what would let a stranger pass for a User; `files=False` leaves the certificate
    files unread. Raises SettingsError, which holds all that is wrong.
    """
    path = Path(path)
    return parse(text_of(path, MOST_OCTETS), source=str(path), base=path.parent, insecure=insecure, files=files)


def parse(
    text: str,
    *,
    source: str = "configuration",
    base: Path | str = ".",
    insecure: bool = False,
    files: bool = True,
) -> Settings:
    """Reads a configuration from its text; `source` names it in messages, `base` is where its files are."""
    document = document_of(text, source)
    settings, findings = validated(Settings, document, _STAND_INS, {"base": Path(base)})
    if settings is not None:
        wrong = [finding.path for finding in findings]
        more = crosscheck(settings, insecure=insecure)
        more += check_files(settings) if files else []
        findings += still_standing(more, wrong)
    if not findings and settings is not None:
        return settings
    raise SettingsError(source, problems_of(findings, text, document))


def text_of(path: Path, most: int) -> str:
    """The text of a file of at most so many octets. Raises SettingsError."""
    try:
        with path.open("rb") as file:
            octets = file.read(most + 1)
    except OSError as error:
        raise SettingsError(str(path), [Problem(None, "", _unreadable(error))]) from None
    except ValueError:  # a NUL in the name
        raise SettingsError(str(path), [Problem(None, "", "this is not the name of a file")]) from None
    if len(octets) > most:
        raise SettingsError(str(path), [Problem(None, "", f"is larger than {most:,} octets")])
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = octets[: error.start].count(b"\n") + 1
        message = f"is not UTF-8 (octet 0x{octets[error.start]:02x}): save the file as UTF-8"
        raise SettingsError(str(path), [Problem(line, "", message)]) from None


def _unreadable(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file: `sluicegate init` writes one to start from"
    if isinstance(error, IsADirectoryError):
        return "is a directory: name the configuration file in it"
    if isinstance(error, PermissionError):
        return "must not be read by this account: change the file's permissions or the account"
    return f"cannot be read: {error.strerror or error}"


def document_of(text: str, source: str) -> dict[str, Any]:
    """What TOML says. Raises SettingsError, with the line."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        problem = Problem(None, "", "is nested too deeply to be a configuration")
    except ValueError as error:  # TOMLDecodeError, and what int() and chr() say of absurd figures
        message = str(error)
        found = _POSITION.search(message)
        line = (int(found[1]) if found[1] else text.rstrip().count("\n") + 1) if found else None
        column = f" (column {found[2]})" if found and found[2] else ""
        message = message[: found.start()] if found else message
        if message == "Cannot overwrite a value":
            message = "the key is there twice in this table: take one out"
        problem = Problem(line, "", f"is not TOML: {message[:1].lower()}{message[1:200]}{column}")
    raise SettingsError(source, [problem])


def validated(
    model: type[Model],
    document: dict[str, Any],
    stand_ins: Mapping[problems.Path, Any],
    context: Mapping[str, Any] | None = None,
) -> tuple[Model | None, list[Finding]]:
    """The document as its model has it (such as `Settings`), and what is wrong key by key.

    Where something is wrong, this is the document without it, good for the checks between keys only; None where
    not even that can be had. `stand_ins` are legal values to put where a required one is wrong.
    """
    try:
        return model.model_validate(document, context=context), []
    except ValidationError as error:
        findings = findings_of(error, document, model)
    try:
        mended, wrong = deepcopy(document), findings
        for _ in range(3):  # a list is found to be too long only when its entries are right
            for finding in wrong:
                _mend(mended, finding.path, stand_ins)
            try:
                return model.model_validate(mended, context=context), findings
            except ValidationError as error:
                wrong = findings_of(error, mended, model)
    except RecursionError:
        pass
    return None, findings


def _mend(document: Any, path: problems.Path, stand_ins: Mapping[problems.Path, Any]) -> None:
    """Puts a stand-in where a required value is wrong, and takes anything else that is wrong out."""
    parent, at = document, 0
    try:
        while at < len(path) - 1 and holds(parent[path[at]], path[at + 1]):
            parent, at = parent[path[at]], at + 1
    except LookupError:
        return  # what was around it has been replaced already
    step = path[at]
    stand_in = stand_ins.get(tuple("*" if isinstance(s, int) else s for s in path[: at + 1]))
    if stand_in is not None:
        parent[step] = deepcopy(stand_in)
    elif isinstance(parent, dict):
        parent.pop(step, None)


def problems_of(findings: Iterable[Finding], text: str, document: dict[str, Any]) -> Iterable[Problem]:
    """Findings with their lines."""
    lines = lines_of(text, document)
    for finding in findings:
        other = line_of(finding.see, lines) if finding.see else None
        message = f"{finding.message} (see line {other})" if other else finding.message
        yield Problem(line_of(finding.path, lines), place(finding.path, document), message)
