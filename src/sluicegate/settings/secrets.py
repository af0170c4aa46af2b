"""Secrets: the file says where one is, and never what it is."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr, ValidationInfo

MOST_OCTETS = 65_536

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class SecretMissing(Exception):  # noqa: N818 - named after what it is
    """It is not where it should be. `str()` says where that is, and nothing of the secret."""


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """Where a secret is: a file, or a variable of the environment. It is read at a start, and at a reload."""

    kind: Literal["env", "file"]
    where: str

    def read(self) -> SecretStr:
        """What it is, without white space at its ends. Raises SecretMissing. Reads a file: not for an event loop."""
        if self.kind == "env":
            found = os.environ.get(self.where, "").strip()
        else:
            try:
                with Path(self.where).open("rb") as file:
                    found = file.read(MOST_OCTETS).decode("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                why = getattr(error, "strerror", None) or "it is no UTF-8 text"
                raise SecretMissing(f"the secret in the file {self.where} cannot be read: {why}") from None
        if not found:
            place = "the variable" if self.kind == "env" else "the file"
            raise SecretMissing(f"there is no secret in {place} {self.where}")
        return SecretStr(found)

    def __str__(self) -> str:
        """What may be shown."""
        return "***"

    def __repr__(self) -> str:
        return "***"


def secret(value: Any, info: ValidationInfo) -> Secret:
    """`env:NAME` or `file:PATH`, taken from the folder of the configuration. What is wrong is never repeated."""
    kind, colon, where = value.partition(":") if isinstance(value, str) else ("", "", "")
    if colon and kind == "env" and _NAME.fullmatch(where):
        return Secret("env", where)
    if colon and kind == "file" and where and where.isprintable() and len(where) <= 4096:
        return Secret("file", str(Path((info.context or {}).get("base", ".")) / where))
    raise ValueError(
        'must say where the secret is, "env:NAME" (a variable of the environment) or "file:PATH", and not what it is'
    )
