"""A User's own side of the gateway: its order, its pace, its retries."""
