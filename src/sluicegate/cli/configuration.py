"""How every command reads the configuration, and says what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from sluicegate.settings import Relay, Settings, SettingsError

MOST_LINES = 100
"""So many problems are printed; of more, only how many there are."""

config_option: Callable[[Any], Any] = click.option(
    "--config",
    "-c",
    "config",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The configuration file (TOML).",
)
insecure_option: Callable[[Any], Any] = click.option(
    "--insecure",
    is_flag=True,
    help='Permit identity "originator" and the admin listener on addresses that others can reach.',
)


class ConfigurationRefused(click.ClickException):
    """A configuration that cannot be used. Printed as `file:line: where: message`; exit code 1."""

    exit_code = 1

    def __init__(self, error: SettingsError) -> None:
        super().__init__(str(error))
        self.lines = error.lines()

    def show(self, file: IO[Any] | None = None) -> None:
        """Prints the problems to standard error, in line order, and how many there are."""
        for line in self.lines[:MOST_LINES]:
            click.echo(line, file=file, err=file is None)
        hidden = len(self.lines) - MOST_LINES
        rest = f" ({hidden:,} of them not shown)" if hidden > 0 else ""
        count = "1 problem" if len(self.lines) == 1 else f"{len(self.lines):,} problems"
        click.secho(f"{count}{rest}", file=file, err=file is None, bold=True)


def read_settings(path: Path, *, insecure: bool = False) -> Settings:
    """The settings in a file. Raises ConfigurationRefused, which click prints."""
    from sluicegate import settings  # noqa: PLC0415 - pydantic takes longer to load than `--help` may

    try:
        return settings.load(path, insecure=insecure)
    except settings.SettingsError as error:
        raise ConfigurationRefused(error) from None


def read_relay(path: Path, *, insecure: bool = False) -> Relay:
    """The settings of a relay. Raises ConfigurationRefused, which click prints."""
    from sluicegate import settings  # noqa: PLC0415

    try:
        return settings.load_relay(path, insecure=insecure)
    except settings.SettingsError as error:
        raise ConfigurationRefused(error) from None
