"""The traffic record: its columns, and reading it from Parquet and CSV. docs/record.md says what is in it.

Needs the extra `evidence` (pyarrow). The gateway's writer is in `sluicegate.operations.record`.
"""

from sluicegate.simulate.record.columns import OUTCOMES, SCHEMA, request_hash
from sluicegate.simulate.record.problems import Problem, Problems, RecordError
from sluicegate.simulate.record.reading import Record, Span, open_record

__all__ = ["OUTCOMES", "SCHEMA", "Problem", "Problems", "Record", "RecordError", "Span", "open_record", "request_hash"]
