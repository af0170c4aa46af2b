"""What answers a proxy that keeps its own front door: it asks whether a request may pass, and forwards it itself.

`question` is one question, by whichever way it comes; `exchange` is HTTP external authorisation, `rls` is Envoy's Rate
Limit Service. Both have it decided by the same desk as the gateway's own door.
"""
