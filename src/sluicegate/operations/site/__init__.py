"""The site of operators and Users: who asks, what each role may, and how browsers and programs sign in."""
