"""The history of usage: who sent how much, when, of what. Seconds in memory, the rest in the database."""
