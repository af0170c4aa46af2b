"""The front door: who is it, may it pass, forward, answer."""

from sluicegate.gateway.service import Gateway

__all__ = ["Gateway"]
