"""Databases: an SQLite file or a PostgreSQL, opened so that what is committed is on the disk. Who keeps what in them is
for the floors above."""
