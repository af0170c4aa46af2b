"""Sluicegate: fair admission for a gateway whose tenants share one finite capacity."""

__version__ = "0.1.0"
