"""The benchmark: the gateway beside its peers, on one machine, in one run. See docs/benchmarks.md."""
