"""`sluicegate demo`: the main job in under a minute."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click


@click.group(
    invoke_without_command=True,
    subcommand_metavar="[csp-outage | priorities]",
    epilog="""\b
Examples:
  sluicegate demo
  sluicegate demo --seconds 60 --out pictures
  sluicegate demo --no-live > demo.log
  sluicegate demo csp-outage
  sluicegate demo priorities
""",
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
@click.pass_context
def demo(context: click.Context, seconds: float, out: Path, no_live: bool, terminal_picture: Path | None) -> None:
    """One User's burst, once without and once with traffic management; or, with a command, another demonstration.

    Starts the gateway, a stand-in DSP of known capacity behind it, and six Users who send Service Requests over
    HTTP, all on the loopback address. After a quiet phase one User bursts to nine times its allocation. Shows it
    live, then prints a table, and writes a picture of both runs to open in a browser. Ctrl-C at any moment leaves
    nothing running.
    """
    if context.invoked_subcommand is not None:
        for name in context.params:
            if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
                option = f"--{name.replace('_', '-')}"
                command = context.invoked_subcommand
                raise click.UsageError(f"{option} is for the burst, and not for {command}: see `{command} --help`")
        return
    _burst(seconds, out, no_live, terminal_picture)


def _burst(seconds: float, out: Path, no_live: bool, terminal_picture: Path | None) -> None:
    from rich.console import Console  # noqa: PLC0415

    from sluicegate.simulate.demo.perform import Options, perform  # noqa: PLC0415
    from sluicegate.simulate.demo.scenario import Scenario  # noqa: PLC0415

    try:
        scenario = Scenario.of(seconds)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--seconds") from None
    options = Options(scenario, out, live=not no_live, terminal_picture=terminal_picture)
    with _told_plainly(out):
        page = perform(options, Console())
    click.echo(f"The picture of both runs: {page}")


@demo.command(
    "csp-outage",
    epilog="""\b
Examples:
  sluicegate demo csp-outage
  sluicegate demo csp-outage --no-live > outage.log
""",
)
@click.option("--no-live", is_flag=True, help="Plain lines instead of the live screen.")
def csp_outage(no_live: bool) -> None:
    """A CSP is down while Service Requests keep coming: is it a DSP outage?

    Starts gateway, dispatcher, two stand-in CSPs (north and south) and the Users' endpoint on the loopback address;
    two Users send to both regions. North goes down for 12 seconds; what is for it waits on the disk, and near the
    end the gateway refuses for north alone. Then it is back, and gets all that waited, top-ups first. Takes half a
    minute, and ends with a verdict. Ctrl-C at any moment leaves nothing running, and no file.

    Exit code 1 if a Service Request was lost, executed twice, or refused for south.
    """
    from rich.console import Console  # noqa: PLC0415

    from sluicegate.simulate.demo.outage.perform import perform  # noqa: PLC0415
    from sluicegate.simulate.demo.outage.scenario import OutageScenario  # noqa: PLC0415

    with _told_plainly("a temporary folder"):
        found = perform(OutageScenario(), Console(), live=not no_live)
    if not found.good:
        sys.exit(1)


@demo.command(
    epilog="""\b
Examples:
  sluicegate demo priorities
  sluicegate demo priorities --out pictures --terminal-picture pictures/priorities.svg
  sluicegate demo priorities --no-live > priorities.log
""",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("out"),
    show_default=True,
    help="Folder for the page, priorities.html.",
)
@click.option("--no-live", is_flag=True, help="Plain lines instead of the live screen.")
@click.option(
    "--terminal-picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the live screen, after the burst, to this file, as SVG.",
)
def priorities(out: Path, no_live: bool, terminal_picture: Path | None) -> None:
    """Two Users in one burst, alike in all but a priority profile: whose top-ups arrive?

    Starts the gateway and a stand-in DSP on the loopback address. Two Users of the same allocation send the same
    requests at the same times: bulk far above it, and top-ups that fit into it. One of them has told the gateway
    that its top-ups come first. A sender gives a top-up up after 30 seconds. Takes a minute, and ends with a verdict
    and a page to open in a browser. Ctrl-C at any moment leaves nothing running.

    Exit code 1 if less than 99.9% of the top-ups with a profile were in time, if the profile cost throughput (1%), if
    another User was throttled, if anything failed, or if the User without a profile had its top-ups in time as well.
    """
    from rich.console import Console  # noqa: PLC0415

    from sluicegate.simulate.demo.priorities.perform import Options, perform  # noqa: PLC0415

    with _told_plainly(out):
        found, page = perform(Options(out=out, live=not no_live, terminal_picture=terminal_picture), Console())
    click.echo(f"The page: {page}")
    if not found.good:
        sys.exit(1)


@contextmanager
def _told_plainly(written: Path | str) -> Iterator[None]:
    """A demonstration: what ends it is said in a sentence. `written`: where its files go."""
    from sluicegate.simulate.demo.ending import InterruptedDemoError  # noqa: PLC0415
    from sluicegate.simulate.demo.processes import DidNotStartError  # noqa: PLC0415

    try:
        yield
    except OSError as error:
        what = f"{error.filename or written} cannot be written: {error.strerror or error}"
        raise click.ClickException(what) from None
    except DidNotStartError as error:
        raise click.ClickException(str(error)) from None
    except (InterruptedDemoError, KeyboardInterrupt):
        click.echo("Ended before the end. Nothing is left running.", err=True)
        sys.exit(130)
