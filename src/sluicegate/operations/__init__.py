"""What operators see: status, metrics, health, events, logs."""
