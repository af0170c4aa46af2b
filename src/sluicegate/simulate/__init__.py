"""Traffic, the plant that it loads, and the demonstration made of both."""
