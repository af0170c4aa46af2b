"""The demonstration of a priority profile: two Users alike in all but that, in the same burst, side by side."""
