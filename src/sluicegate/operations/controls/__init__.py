"""What operators do while the gateway runs: observe or enforce, emergency capacity, allocations for a time, drills."""
