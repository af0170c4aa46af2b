"""What was refused because a CSP was full: nobody decided on it, so to a replay it is rejected."""

import pyarrow as pa

from sluicegate.simulate.record import OUTCOMES
from sluicegate.simulate.replay.rows import REJECTED, Reader


def test_refused_for_a_full_csp_counts_as_rejected() -> None:
    count = len(OUTCOMES)
    batch = pa.record_batch(
        {
            "time": pa.array(range(count), pa.timestamp("us", tz="UTC")),
            "user": pa.array(["A"] * count).dictionary_encode(),
            "request": pa.array(range(count), pa.uint64()),
            "srv": pa.array(["2.2"] * count).dictionary_encode(),
            "region": pa.array([None] * count, pa.string()).dictionary_encode(),
            "outcome": pa.array(OUTCOMES).dictionary_encode(),
        }
    )
    rows = Reader().rows(batch)
    assert rows.outcomes.tolist() == [0, 1, 2, 3, 4, REJECTED]
    assert rows.held.tolist() == [False, False, True, True, False, True]
