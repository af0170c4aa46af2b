"""Holds the quick way to the real parser on damaged messages: `PYTHONPATH=tests python -m duis.fuzz --seconds 60`."""

import argparse
import time
from collections import Counter
from random import Random

from sluicegate.duis import Header, compose_request, quick

from .damage import damaged
from .material import real_messages
from .reading import agree, by_either, by_parser, same

ORIGINATOR, TARGET = "90-B3-D5-1F-30-01-00-00", "00-DB-12-34-56-78-90-A0"


def seeds() -> list[bytes]:
    """Our own messages in some layouts, and the real ones where they are."""
    ours = [
        compose_request(ORIGINATOR, TARGET, 7, "2.2"),
        compose_request(ORIGINATOR, TARGET.lower(), 2**64 - 1, "4.1.1", prefix="", version="4.10"),
        compose_request(
            ORIGINATOR, TARGET, 0, "11.1", prefix="a.b", first_in_sequence=True, preceding=f"{ORIGINATOR}:{TARGET}:3"
        ),
    ]
    ours.append(ours[0].split(b"\n", 1)[1].replace(b"\n", b""))
    ours.append(ours[0].replace(b"UTF-8", b"windows-1252"))
    ours.append(ours[0].replace(b"<sr:Header>", b"<!-- \xc3\xa9 > --><sr:Header>"))
    ours.append(ours[0].decode().replace("UTF-8", "UTF-16").encode("utf-16"))
    return ours + list(real_messages().values())


def trial(chance: Random, material: list[bytes]) -> str:
    """One damaged message: fails where the two ways differ, or where more octets change an answer."""
    octets = damaged(chance, chance.choice(material), material)
    answered = agree(octets)
    whole = by_parser(octets)
    cut = chance.randrange(min(len(octets), 1200) + 1)
    so_far = by_either(octets[:cut], complete=False)
    assert so_far is None or same(so_far, whole), (octets, cut, so_far, whole)
    if answered:
        return "read by both"
    return "read by the parser" if isinstance(whole, Header) else "refused"


def run(seed: int, *, trials: int | None = None, seconds: float | None = None) -> Counter[str]:
    chance, material, told = Random(seed), seeds(), Counter()
    end = None if seconds is None else time.monotonic() + seconds
    while (trials is None or told.total() < trials) and (end is None or time.monotonic() < end):
        told[trial(chance, material)] += 1
    quick.forget()
    return told


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=60.0)
    arguments.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    chosen = arguments.parse_args()
    print(f"seed {chosen.seed}")
    for kind, count in run(chosen.seed, seconds=chosen.seconds).most_common():
        print(f"{count:12,} {kind}")


if __name__ == "__main__":
    main()
