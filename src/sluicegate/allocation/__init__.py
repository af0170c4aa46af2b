"""The book: who may use how much. Today from the settings; any source of holders will do."""

from sluicegate.allocation.book import Book, Holder
from sluicegate.allocation.effective import Effective, effective

__all__ = ["Book", "Effective", "Holder", "effective"]
