"""Third parties' messages and facts, read where they are: beside the checkout, or nowhere."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "../shared/duis"
MESSAGES = FOLDER / "messages"


def real_messages() -> dict[str, bytes]:
    """Every message there by its file name; empty where the folder is not."""
    return {path.name: path.read_bytes() for path in sorted(MESSAGES.glob("*")) if path.is_file()}


def real_requests() -> dict[str, bytes]:
    return {name: octets for name, octets in real_messages().items() if b":Request " in octets[:400]}


needs_messages = pytest.mark.skipif(not MESSAGES.is_dir(), reason="real messages are not here")
