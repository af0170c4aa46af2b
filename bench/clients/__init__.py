"""What real, unmodified clients do with a 429 and a 503: alone, and with a relay before them."""
