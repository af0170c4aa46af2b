"""The command line: `sluicegate COMMAND`. One module a command; a command parses, calls and prints.

Modules of commands import what is heavy inside their functions, so that `sluicegate --help` answers at once.
"""

import click

from sluicegate import __version__
from sluicegate.cli.audit import audit
from sluicegate.cli.book import book
from sluicegate.cli.check import check
from sluicegate.cli.control import control
from sluicegate.cli.demo import demo
from sluicegate.cli.dispatch import dispatch
from sluicegate.cli.incident import incident
from sluicegate.cli.init import init
from sluicegate.cli.notices import notices
from sluicegate.cli.profile import profile
from sluicegate.cli.relay import relay
from sluicegate.cli.replay import replay
from sluicegate.cli.serve import serve
from sluicegate.cli.session import session
from sluicegate.cli.simulate import simulate
from sluicegate.cli.stand_in import stand_in
from sluicegate.cli.token import token
from sluicegate.cli.usage import usage


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`sluicegate COMMAND --help` says more about a command, with examples.",
)
@click.version_option(__version__, prog_name="sluicegate")
def main() -> None:
    """Fair admission for a gateway whose Users share one finite capacity.

    \b
    To begin:
      sluicegate demo                              one burst, without traffic management and with it
      sluicegate init                              a commented configuration file, sluicegate.toml
      sluicegate check --config sluicegate.toml    what is wrong with it, or what it can let through
      sluicegate serve --config sluicegate.toml    the gateway
      sluicegate dispatch --config sluicegate.toml behind it: to the CSPs, durably, with retries
      sluicegate relay --config relay.toml         a User's own side: its order, its pace, its retries
      sluicegate simulate cold-snap                a day under each policy: who is better off, and who pays
    """


for command in (
    demo,
    init,
    check,
    serve,
    book,
    dispatch,
    profile,
    token,
    session,
    audit,
    control,
    notices,
    usage,
    relay,
    simulate,
    replay,
    incident,
    stand_in,
):
    main.add_command(command)
