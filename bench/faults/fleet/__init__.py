"""Fault campaigns for a fleet: workers over a Valkey that fails, and what reaches the system behind."""
