"""A process that accepts parcels, and says of each batch that it is safe, until it is killed."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from store_material import accept, settle, sr

from sluicegate.dispatch.parcel import State
from sluicegate.dispatch.store.opening import open_store

store = open_store(sys.argv[1])
number = int(sys.argv[2])
print("open", flush=True)
while True:
    batch = range(number, number + 8)
    receipts = accept(store, *(sr(one, lane=one % 20, hold=True, body=b"x" * 1_700) for one in batch))
    sys.stdout.write("".join(f"{one}\n" for one in batch))
    sys.stdout.flush()
    settle(store, [one.seq for one in receipts if one.state is State.CLAIMED])
    number += 8
