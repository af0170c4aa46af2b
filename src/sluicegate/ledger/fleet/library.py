"""The ledger's functions as Valkey loads them: one library, named after its text.

Another version of this program brings another library, with other names: both may be loaded side by side. They share
the books as long as the layout of those is the same (`LAYOUT` in 2_books.lua): where it is not, the later version
begins an epoch, and the earlier one is refused.
"""

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple


class Library(NamedTuple):
    """Its name (functions are `NAME_draw`, `NAME_leave`, `NAME_look`) and its text."""

    name: str
    text: str


@cache
def library() -> Library:
    """The functions, put together."""
    folder = files("sluicegate.ledger.fleet") / "functions"
    parts = sorted((each for each in folder.iterdir() if each.name.endswith(".lua")), key=lambda each: each.name)
    body = "\n".join(each.read_text() for each in parts)
    name = f"sluicegate_{sha256(body.encode()).hexdigest()[:12]}"
    return Library(name, f"#!lua name={name}\n{body.replace('@NAME@', name)}")


def base_key(name: str, part: int | None = None) -> str:
    """What all keys of the ledger of that name begin with, or of one of its parts, from 0: each has a hash tag of its
    own. What does not belong to one part stands below the ledger's name."""
    return f"sluicegate:{{{name}}}" if part is None else f"sluicegate:{{{name}/{part}}}"
