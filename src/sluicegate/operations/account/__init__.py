"""The account of a User: over an API of its own it sets its priorities, and nobody else's."""
