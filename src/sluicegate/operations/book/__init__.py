"""The allocation book in operation: proposed, approved by a second account, in force from its time on, rolled back."""
