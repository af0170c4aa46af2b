"""What commands that make evidence have in common: bars while they run, a table at the end, what is missing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

_PACKAGES = ("joblib", "numpy", "pyarrow", "scipy")
_NOTHING = "-"


@contextlib.contextmanager
def packages_needed() -> Iterator[None]:
    """Imports inside may need packages of the extra `evidence`: where one is missing, one sentence says so."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _PACKAGES:
            raise
        raise click.ClickException(
            f"this command needs more packages ({error.name} is missing): pip install 'sluicegate[evidence]'"
        ) from None


class Bars:
    """A bar for each run, on standard error; a `study.Watch`. Off a terminal, a line for each that is done.

    With `quiet` nothing is shown.
    """

    def __init__(self, names: Sequence[str], *, quiet: bool) -> None:
        """Bars for `names`; what is reached of another name gets a bar of its own then."""
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415

        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
        )
        self._told: set[str] | None = None if quiet or console.is_terminal else set()
        hidden = quiet or not console.is_terminal
        self._progress = Progress(*columns, console=console, transient=True, disable=hidden)
        self._tasks: dict[str, TaskID] = {name: self._progress.add_task(name, total=1.0) for name in names}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def reached(self, name: str, part: float) -> None:
        """See study.Watch."""
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=1.0)
        self._progress.update(self._tasks[name], completed=part)
        if part >= 1 and self._told is not None and name not in self._told:
            self._told.add(name)
            click.echo(f"{name}: done", err=True)


def read_key(path: Path | None, *, anonymous: bool) -> bytes | None:
    """The key of the pseudonyms; None without them. Raises click.UsageError."""
    if anonymous != (path is not None):
        raise click.UsageError(
            "--anonymous and --key-file FILE go together. To make a key: head -c 32 /dev/urandom > secret.key"
        )
    if path is None:
        return None
    try:
        key = path.read_bytes()
    except OSError as error:
        raise click.UsageError(f"the key file {path} cannot be read: {error.strerror}") from None
    if len(key) < 16:
        raise click.UsageError(f"the key file {path} has {len(key)} octets: it needs 16 at least")
    return key


def print_policies(console: Console, policies: Sequence[Mapping[str, Any]]) -> None:
    """The policies beside each other, a line each."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("policy", no_wrap=True)
    for head in ("urgent in time", "outage min", "harmed within", "Jain", "tries per SR", "same by buying"):
        table.add_column(head, justify="right")
    for one in policies:
        cells = (
            _percent(one["urgent"]["share"]),
            _figure(one["dsp"]["outage_minutes"], ",.1f"),
            _figure(one["harm"]["harmed"], ",.0f"),
            _figure(one["jain"], ".3f"),
            _figure(one["amplification"], ",.2f"),
            _equivalent(one["equivalent_capacity"]),
        )
        table.add_row(Text(one["name"]), *cells)
    console.print(table)


def _percent(part: float | None) -> str:
    return _NOTHING if part is None else f"{100 * part:.2f}%"


def _figure(figure: float | None, form: str) -> str:
    return _NOTHING if figure is None else format(figure, form)


def _equivalent(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return _NOTHING
    if found["k"] is not None:
        return f"{found['k']:.2f} x"
    tried = max((k for k, _ in found["tried"]), default=0.0)
    return f"> {tried:g} x" if tried else _NOTHING
