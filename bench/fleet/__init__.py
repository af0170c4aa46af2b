"""What a fleet costs, and what it gains."""
