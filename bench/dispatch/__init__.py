"""`make bench-dispatch`: how much the dispatcher takes, keeps and delivers, on SQLite and on PostgreSQL."""
