"""What operators and Users keep, in one database: SQLite, or PostgreSQL which several gateways share."""
