"""The demonstration: the same burst twice, without traffic management and with it."""
