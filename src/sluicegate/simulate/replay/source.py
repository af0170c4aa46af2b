"""The second pass over a record: what is to be replayed, as arrivals for the engine."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sluicegate.simulate.record import Record, RecordError
from sluicegate.simulate.replay.rows import Ints
from sluicegate.simulate.replay.survey import MICRO, Survey, codes_of
from sluicegate.simulate.source import Chunk


class Replayed:
    """A `Source`. flows: of each of `Survey.codes` the flow of the world, -1 for what is left out.

    Memory is that of a batch.
    """

    def __init__(self, record: Record, survey: Survey, flows: Ints, expected: float) -> None:
        self._record = record
        self._survey = survey
        self._flows = flows
        self.expected = expected

    def chunks(self) -> Iterator[Chunk]:
        """A chunk a batch. Raises RecordError where the record is not the one that was surveyed."""
        survey = self._survey
        start = 0.0
        times, flows = np.empty(0), np.empty(0, np.int32)
        number = -1
        for number, batch in enumerate(self._record.batches()):
            rows = survey.reader.rows(batch)
            seconds = (rows.times - survey.base) / MICRO
            if number >= len(survey.masks) or survey.masks[number][0] != len(seconds):
                raise _changed()
            count, bits = survey.masks[number]
            chosen = np.unpackbits(bits, count=count).astype(bool)
            found = self._flow(codes_of(rows)[chosen])
            known = found >= 0
            times = np.concatenate((times, seconds[chosen][known]))
            flows = np.concatenate((flows, found[known]))
            # What comes at the time of the last row may go on in the next batch, and a chunk ends before its end.
            end = float(seconds[-1])
            cut = int(np.searchsorted(times, end, side="left"))
            if end > start:
                yield Chunk(start, end, times[:cut], flows[:cut])
                start, times, flows = end, times[cut:], flows[cut:]
        if number + 1 != len(survey.masks):
            raise _changed()
        yield Chunk(start, survey.seconds, times, flows)

    def _flow(self, codes: Ints) -> Ints:
        place = np.minimum(np.searchsorted(self._survey.codes, codes), len(self._survey.codes) - 1)
        if (self._survey.codes[place] != codes).any():
            raise _changed()
        return self._flows[place]


def _changed() -> RecordError:
    return RecordError("the record has changed while it was read: replay what is complete, with --until")
