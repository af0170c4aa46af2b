"""`sluicegate init`: a commented configuration to start from."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click


@click.command()
@click.argument("path", default="sluicegate.toml", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def init(path: Path, force: bool) -> None:
    """Write a commented configuration file to PATH (sluicegate.toml).

    It is right as it is for a first try on this machine: it listens on loopback, forwards to port 8080 and
    believes the messages. Every key is in it, with what it does.

    \b
    Examples:
      sluicegate init
      sluicegate init gateway.toml --force
    """
    from sluicegate.settings import starter  # noqa: PLC0415 - loads pydantic

    write_starter(path, starter(), force=force)
    said = shlex.quote(str(path))
    click.echo(f"Wrote {path}. Next:")
    click.echo("  1. put your Users, their allocations and the address of the DSP into it")
    click.echo(f"  2. sluicegate check --config {said}")
    click.echo(f"  3. sluicegate serve --config {said}")


def write_starter(path: Path, text: str, *, force: bool) -> None:
    """Write a first file. Raises ClickException where that cannot be."""
    try:
        _write(path, text, force=force)
    except FileExistsError:
        raise click.ClickException(
            f"{path} is there already and was left alone. Name another file, or replace it with --force"
        ) from None
    except FileNotFoundError:
        raise click.ClickException(f"{path.parent} is not there: make that folder first") from None
    except IsADirectoryError:
        raise click.ClickException(f"{path} is a directory: name a file in it") from None
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror or error}") from None


def _write(path: Path, text: str, *, force: bool) -> None:
    """Writes the file; what was there stays until the new one is complete."""
    if path.is_dir():
        raise IsADirectoryError(path)
    if not force:
        path.touch(exist_ok=False)  # two of us at once: only one gets past this line
    # Its own number in the name: two of us at once must not write into each other's file.
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError:
        if not force:
            path.unlink(missing_ok=True)
        raise
    finally:
        draft.unlink(missing_ok=True)
