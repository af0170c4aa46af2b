"""What the account API refuses beyond what the site does: problem details (RFC 9457)."""

from __future__ import annotations

from sluicegate.front.problems import Problem

CHANGED = Problem("changed-meanwhile", 412, "The profile has changed meanwhile")
TOO_LARGE = Problem("too-large", 413, "The profile is too large")
KIND = Problem("unknown-kind", 415, "Neither JSON nor TOML")
UNFIT = Problem("unfit-profile", 422, "This is no profile that can be used")
NO_CONDITION = Problem("no-condition", 428, "Say which version you change")
BAD_CONDITION = Problem("bad-condition", 400, "If-Match names no version")
NO_RECORD = Problem("no-record", 501, "No dry run here")
BUSY = Problem("busy", 503, "Another dry run is under way")
TRY_FAILED = Problem("try-failed", 500, "The dry run did not work")
