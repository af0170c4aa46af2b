"""The messages of the Rate Limit Service, generated from rls.proto."""
