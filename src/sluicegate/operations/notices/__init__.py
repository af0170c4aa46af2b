"""Notices: a User is told that it comes close to its allocation, and of traffic management. docs/notices.md."""
