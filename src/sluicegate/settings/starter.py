"""The configuration that `sluicegate init` writes: right as it is for a first try on one machine.

It is `starter.toml` beside this module. There, lines that start with `#` and no space are settings that are
switched off; `# ` starts a remark.
"""

from importlib import resources


def starter() -> str:
    """The text of the starter file."""
    return resources.files(__package__).joinpath("starter.toml").read_text("utf-8")
