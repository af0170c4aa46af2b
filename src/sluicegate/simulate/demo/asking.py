"""Asking the processes of a demonstration how they are."""

import asyncio
from collections.abc import Iterable

from sluicegate.simulate.demo.processes import Children, DidNotStartError
from sluicegate.simulate.sender import Client, NoAnswerError

START_SECONDS = 15.0


async def asked(client: Client, path: str) -> bytes | None:
    """The body of a 200; None for anything else."""
    try:
        answer = await client.get(path)
    except NoAnswerError:
        return None
    return answer.body if answer.status == 200 else None


async def until_ready(children: Children, pages: Iterable[tuple[Client, str]]) -> None:
    """Wait until each of these pages is answered.

    Raises DidNotStartError when one of the children has ended, or after START_SECONDS.
    """
    try:
        async with asyncio.timeout(START_SECONDS):
            for client, path in pages:
                while await asked(client, path) is None:
                    children.check()
                    await asyncio.sleep(0.05)
    except TimeoutError:
        raise DidNotStartError(f"not ready after {START_SECONDS:g} seconds.\n{children.last_words()}") from None
    children.check()  # one that listens beside another's socket is not it
