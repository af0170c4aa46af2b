"""Telemetry: metrics and spans, sent to a collector of OpenTelemetry beside the path of requests."""
