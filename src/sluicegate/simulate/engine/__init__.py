"""The run: a gate, the DSP, the CSPs and the Users' systems, event by event.

Plain typed Python without NumPy, so that mypyc can compile it together with `throttle` (docs/simulation.md): both ways
it is the same source, and gives the same numbers.
"""
