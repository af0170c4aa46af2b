"""Where parcels are safe: SQLite, or PostgreSQL where several dispatchers share the work."""
