"""What an operator and a User see: pages, the live figures behind them, and why a request was throttled."""
