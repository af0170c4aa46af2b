"""Does anything acknowledged get lost? Real processes, killed and starved, and every SR accounted for. See __main__."""
