"""The HTTP front door: connections, TLS, turns, who it is. What becomes of a request is another's (`Exchange`)."""
