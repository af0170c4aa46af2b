"""The traffic record, written while the gateway serves: an append on the event loop, files from a thread.

`sluicegate.simulate.record` reads it; docs/record.md says what is in it. Only what the thread does needs pyarrow.
"""

from sluicegate.operations.record.recorder import Recorder, Row

__all__ = ["Recorder", "Row"]
