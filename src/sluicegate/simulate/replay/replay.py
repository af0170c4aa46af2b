"""A record under another configuration: the survey, a run for each policy, and the comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from sluicegate.settings import Settings
from sluicegate.simulate.policy import Policy, PolicyError, parse
from sluicegate.simulate.record import Record
from sluicegate.simulate.replay.attempts import WINDOW
from sluicegate.simulate.replay.habits import Habit
from sluicegate.simulate.replay.outcome import Comparison, Outcome
from sluicegate.simulate.replay.rows import Reader
from sluicegate.simulate.replay.source import Replayed
from sluicegate.simulate.replay.survey import Survey, survey
from sluicegate.simulate.replay.world import Setting, Unknown, setting
from sluicegate.simulate.run import run
from sluicegate.simulate.study.head import head
from sluicegate.simulate.study.titles import explanation, title

READING: Final = "reading the record"

Reached = Callable[[str, float], None]


@dataclass(frozen=True)
class Question:
    """What is asked of a record. `policies`: none stands for the configuration's own sharing; the first is compared."""

    policies: Sequence[Policy] = ()
    habit: Habit = field(default_factory=Habit)
    unknown: Unknown = "zero"
    dsp_capacity: float | None = None
    seed: int = 1
    title: str = "A replay"
    config: str = ""


@dataclass(frozen=True)
class Replay:
    """What came out. comparison: see `outcome.COMPARISON`."""

    summary: dict[str, Any]
    comparison: pa.Table


def own_policy(settings: Settings) -> Policy:
    """The policy that the configuration stands for."""
    return parse("allocation" if settings.capacity.sharing == "fair" else "allocation-first-come")


def check_policies(policies: Sequence[Policy]) -> None:
    """Raise PolicyError for one that needs what a configuration does not say."""
    for policy in policies:
        if policy.adt or policy.adaptive:
            raise PolicyError(
                f"{policy.name!r} cannot be replayed: a configuration does not say what it needs; "
                "`sluicegate simulate` has it in scenarios"
            )


def replay(
    record: Record,
    settings: Settings,
    question: Question,
    reached: Reached = lambda _name, _part: None,
    surveyed: Callable[[], None] = lambda: None,
) -> Replay:
    """Replay it. `reached` is told how far which run is; `surveyed` is called when all has been read once.

    Raises:
        RecordError: a record that cannot be replayed.
        PolicyError: see `check_policies`.
    """
    check_policies(question.policies)
    policies = list({policy.name: policy for policy in question.policies or [own_policy(settings)]}.values())
    habit = question.habit
    reader = Reader(frozenset(settings.capacity.weights))
    found = survey(record, reader, lambda part: reached(READING, part), whole=habit.whole)
    surveyed()
    plan = setting(found, settings, habit, question.title, unknown=question.unknown, dsp_capacity=question.dsp_capacity)
    expected = float(sum(found.replayed[number] for number in plan.order.tolist() if number >= 0))
    source = Replayed(record, found, plan.flows, expected)
    horizon = plan.world.seconds + plan.world.drain
    entries, tables, told = [], [], None
    for policy in policies:
        outcome = Outcome(plan)
        report = run(
            plan.world,
            policy,
            source,
            question.seed,
            outcome.take,
            lambda at, _, name=policy.name: reached(name, at / horizon),  # type: ignore[misc]
        )
        entries.append(
            {
                "name": policy.name,
                "title": title(policy),
                "explanation": explanation(policy),
                **outcome.measures.summary(report, policy),
                "equivalent_capacity": None,
                "costs": None,
            }
        )
        comparison = Comparison(found, plan, outcome, whole=habit.whole)
        tables.append(comparison.table(policy.name))
        told = told or _told(record, found, plan, question, policy, comparison)
    summary = head(plan.world, question.seed, expected, entries, complete=True)
    return Replay({**summary, "what": "replay", "replay": told}, pa.concat_tables(tables).combine_chunks())


def _told(
    record: Record, found: Survey, plan: Setting, question: Question, policy: Policy, comparison: Comparison
) -> dict[str, Any]:
    """`replay` of summary.json."""
    names = found.reader.users.texts
    rows = {name: int(found.outcomes[number].sum()) for number, name in enumerate(names)}
    return {
        "record": told_record(record, found.rows),
        "config": question.config,
        "policy": policy.name,
        "habit": str(question.habit),
        "habits": [
            {
                "user": user.name,
                "habit": user.retry.habit,
                "seconds": round(user.retry.first, 4) if user.retry.habit != "none" else None,
                "attempts": user.retry.attempts,
                "seen": found.shown[number].told() if (number := int(plan.order[place])) >= 0 else None,
            }
            for place, user in enumerate(plan.world.users)
        ],
        "window": WINDOW,
        "again": found.again,
        "resent": found.resent,
        "per_user": comparison.per_user(),
        "unknown": question.unknown,
        "unknown_users": [{"user": name, "rows": rows[name]} for name in plan.unknown],
        "series": comparison.series(),
    }


def told_record(record: Record, rows: int) -> dict[str, Any]:
    """`record` of summary.json and incident.json."""
    span = record.span
    return {
        "first": span.first.isoformat() if span else None,
        "last": span.last.isoformat() if span else None,
        "rows": rows,
        "files": len(record.files),
        "bad_rows": bad_rows(record),
    }


def bad_rows(record: Record) -> int:
    """Rows that were passed over; the other problems stand before them."""
    return record.problems.count - sum(problem.line is None for problem in record.problems.first)
