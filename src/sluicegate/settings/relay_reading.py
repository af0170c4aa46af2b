"""From a relay's TOML file to `Relay`, or to everything that is wrong with it at once."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from sluicegate.settings import problems
from sluicegate.settings.crosschecks import still_standing
from sluicegate.settings.files import check_relay_files
from sluicegate.settings.problems import SettingsError
from sluicegate.settings.reading import document_of, problems_of, text_of, validated
from sluicegate.settings.relay_checks import crosscheck
from sluicegate.settings.relaying import Relay, RelayFile

MOST_OCTETS = 1024 * 1024
"""The largest file of a relay."""

_STAND_INS: Mapping[problems.Path, Any] = {
    ("relay",): {"user": "?", "gateway": "http://gateway.invalid:1"},
    ("relay", "user"): "?",
    ("relay", "gateway"): "http://gateway.invalid:1",
    ("relay", "tls", "certificate"): "?",
    ("relay", "tls", "key"): "?",
    ("relay", "callback"): {"url": "http://callback.invalid:1"},
    ("relay", "callback", "url"): "http://callback.invalid:1",
    ("relay", "demand", "folder"): "?",
    ("relay", "class", "*"): {"name": "?"},
    ("relay", "class", "*", "name"): "?",
    ("relay", "class", "*", "srvs", "*"): "*",
    ("relay", "class", "*", "command_variants", "*"): 1,
    ("relay", "class", "*", "targets", "*"): "00",
}


def load_relay(path: Path | str, *, insecure: bool = False, files: bool = True) -> Relay:
    """Reads the file of a relay. Relative paths in it are taken from the folder that it is in.

    `insecure` permits listeners that strangers can reach; `files=False` leaves the files that it names unread. Raises
    SettingsError, which holds all that is wrong.
    """
    path = Path(path)
    text = text_of(path, MOST_OCTETS)
    return parse_relay(text, source=str(path), base=path.parent, insecure=insecure, files=files)


def parse_relay(
    text: str,
    *,
    source: str = "configuration",
    base: Path | str = ".",
    insecure: bool = False,
    files: bool = True,
) -> Relay:
    """The same from a text; `source` names it in messages, `base` is where its files are."""
    document = document_of(text, source)
    whole, findings = validated(RelayFile, document, _STAND_INS, {"base": Path(base)})
    if whole is not None:
        wrong = [finding.path for finding in findings]
        more = crosscheck(whole.relay, insecure=insecure)
        more += check_relay_files(whole.relay) if files else []
        findings += still_standing(more, wrong)
    if not findings and whole is not None:
        return whole.relay
    raise SettingsError(source, problems_of(findings, text, document))


def relay_starter() -> str:
    """The text of the file that `sluicegate relay init` writes."""
    return resources.files(__package__).joinpath("relay.toml").read_text("utf-8")
