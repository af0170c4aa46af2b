"""The demonstration of a CSP that is down: what becomes of the DSP, of the other CSP, and of what waits."""
