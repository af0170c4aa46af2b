"""The same for the relay: every Service Request that it took comes to one end, whatever is killed."""
