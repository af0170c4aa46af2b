"""The book: who may use how much. Today from the settings; any source of holders will do."""

from sluicegate.allocation.book import Book, Effective, Holder

__all__ = ["Book", "Effective", "Holder"]
