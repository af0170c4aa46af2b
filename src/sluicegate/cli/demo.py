"""`sluicegate demo`: the main job in under a minute."""

import sys
from pathlib import Path

import click


@click.command(
    epilog="""\b
Examples:
  sluicegate demo
  sluicegate demo --seconds 60 --out pictures
  sluicegate demo --no-live > demo.log
"""
)
@click.option(
    "--seconds", type=float, default=20.0, show_default=True, help="Length of each of the two runs, 8 to 600."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("out"),
    show_default=True,
    help="Folder for the picture, demo.html.",
)
@click.option("--no-live", is_flag=True, help="Plain lines instead of the live screen.")
@click.option(
    "--terminal-picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the live screen in mid-burst to this file, as SVG.",
)
def demo(seconds: float, out: Path, no_live: bool, terminal_picture: Path | None) -> None:
    """One User's burst, once without and once with traffic management.

    Starts the gateway, a stand-in DSP of known capacity behind it, and six Users who send Service Requests over
    HTTP, all on the loopback address. After a quiet phase one User bursts to nine times its allocation. Shows it
    live, then prints a table, and writes a picture of both runs to open in a browser. Ctrl-C at any moment leaves
    nothing running.
    """
    from rich.console import Console  # noqa: PLC0415

    from sluicegate.simulate.demo.perform import InterruptedDemoError, Options, perform  # noqa: PLC0415
    from sluicegate.simulate.demo.processes import DidNotStartError  # noqa: PLC0415
    from sluicegate.simulate.demo.scenario import Scenario  # noqa: PLC0415

    try:
        scenario = Scenario.of(seconds)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--seconds") from None
    options = Options(scenario, out, live=not no_live, terminal_picture=terminal_picture)
    try:
        page = perform(options, Console())
    except OSError as error:
        raise click.ClickException(f"{error.filename or out} cannot be written: {error.strerror}") from None
    except DidNotStartError as error:
        raise click.ClickException(str(error)) from None
    except (InterruptedDemoError, KeyboardInterrupt):
        click.echo("Ended before the end. Nothing is left running.", err=True)
        sys.exit(130)
    click.echo(f"The picture of both runs: {page}")
