"""HTTP/1.1 on the way out: connections that are kept, heads that are read once, a breaker before what is dead."""
