"""What was assumed, what the measures mean, and how to have the same figures again."""

import shlex
from collections.abc import Mapping
from typing import Any

from sluicegate.simulate.evidence import words
from sluicegate.simulate.page import Html, page, tag

KEY = "assumptions"
Summary = Mapping[str, Any]

TERMS = (
    (
        "Offered, sent",
        ("Offered is what Users asked for: each Service Request once, when it was born. Sent counts every attempt."),
    ),
    (
        "Delivered, in time",
        (
            "Delivered: the CSP, or for what needs no device the DSP, has finished it. In time: within the "
            "seconds that its kind permits, from its birth. Urgent requests are those of the kinds that the "
            "scenario calls urgent."
        ),
    ),
    (
        "Throttled, answers",
        ("A throttled request was told at least once to come again; throttled answers counts how often that was said."),
    ),
    (
        "Refused, lost",
        ("Refused by the DSP, its buffer being full; lost in an outage of the DSP, with what it held or on arrival."),
    ),
    (
        "Returned, given up, quarantined",
        (
            "Returned: the DSP tried its CSP as often as its strategy says, and gave it back to the User. Given "
            "up: the User's system stopped trying. Quarantined: an Anomaly Detection Threshold took it out."
        ),
    ),
    (
        "Half took at most, 95 in 100, 99 in 100",
        ("The 50th, 95th and 99th percentile of the time to delivery, from birth, of what was delivered."),
    ),
    (
        "Harm within the allocation",
        (
            "For each User a bank is kept that fills at the rate of its allocation, under every policy alike, and "
            "is charged with first attempts. A request that it holds conforms to the allocation. A conforming "
            "request that was throttled, refused or lost at any attempt was harmed."
        ),
    ),
    (
        "Fairness",
        (
            "Jain's fairness index, J = (Σx)² / (n·Σx²): 1 where all are alike, 1/n where one User has "
            "everything. x is what a User got while there was too little for all, as a part of what a fair gate "
            "without losses would have given it (weighted max-min on the allocations, at the operating "
            "threshold), at most 1. It says nothing of how much was delivered: where everybody gets nothing, all "
            "are alike. R. Jain, D. Chiu, W. Hawe: A Quantitative Measure of Fairness and Discrimination for "
            "Resource Allocation in Shared Computer Systems, DEC-TR-301, 1984."
        ),
    ),
    (
        "Attempts a request (amplification)",
        (
            "Attempts that Users' systems sent, for each request that was offered. 1 is no repeats; beyond it the "
            "gateway and the DSP work on the same requests again."
        ),
    ),
    (
        "Capacity to buy the same (equivalent capacity)",
        (
            "The smallest k with which k times the capacity, and no mechanism, delivers at least the same share "
            "of urgent requests in time as the policy does. Found by bisection, on the same requests."
        ),
    ),
    (
        "Busiest second, busiest minute of a CSP",
        ("Attempts that arrive at a CSP in one second, and in one minute as SR/s."),
    ),
    (
        "Cost of a year",
        (
            "Capacity for a year, the Users' changes of their own systems, and what the run cost in outages, "
            "lateness and delay, times the days a year that the scenario says are like this one."
        ),
    ),
)


def assumptions_page(summary: Summary) -> Html:
    """The page."""
    scenario = summary["scenario"]
    stated = [tag("li", one) for one in scenario["assumptions"]]
    terms = [part for name, text in TERMS for part in (tag("dt", name), tag("dd", text))]
    return page(
        KEY,
        "Assumptions",
        tag("p", f"Scenario {scenario['name']}, seed {scenario['seed']}", class_="eyebrow"),
        tag("h1", "What was assumed, and what the figures mean"),
        _facts(summary),
        tag("h2", "Assumptions of the scenario"),
        tag("ul", *stated, class_="plain") if stated else tag("p", "The scenario states none.", class_="hint"),
        tag("h2", "What the measures mean"),
        tag("dl", *terms, class_="terms"),
        tag("h2", "The same again"),
        tag("p", _again(summary), class_="hint"),
        tag("pre", command(summary)),
    )


def _facts(summary: Summary) -> Html:
    scenario = summary["scenario"]
    first = scenario["first_second"]
    facts = (
        ("Maximum capacity", f"{words.rate(scenario['maximum'])} SR/s"),
        ("Operating threshold", f"{words.rate(scenario['operating_threshold'])} SR/s"),
        ("Capacity of the DSP", f"{words.rate(scenario['dsp_capacity'])} SR/s"),
        ("Burst", words.seconds(scenario["burst_seconds"])),
        ("Requests of Users", words.count(scenario["requests"])),
        ("Requests inside the DSP", words.count(scenario["background"])),
        ("Requests arrive", f"{words.clock(first)} to {words.clock(first + scenario['seconds'])}"),
        ("The run goes on for", words.seconds(scenario["drain"])),
        ("Users", words.count(len(summary["users"]))),
        ("Seed", str(scenario["seed"])),
        ("Scale", f"{scenario['scale']:g}"),
        ("Sluicegate", summary["sluicegate"]),
    )
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", text)) for name, text in facts), class_="assumptions")


def _again(summary: Summary) -> str:
    if summary["what"] == "replay":
        return "The same record and configuration give the same figures, to the last place."
    return "The same scenario, seed, scale and version give the same figures, to the last place."


def command(summary: Summary) -> str:
    """What was typed, as far as the summary knows it."""
    scenario = summary["scenario"]
    if summary["what"] == "replay":
        return f"sluicegate replay RECORD --config NEW.toml --seed {scenario['seed']}"
    parts = ["sluicegate", "simulate", shlex.quote(str(scenario["name"])), "--seed", str(scenario["seed"])]
    if scenario["scale"] != 1:
        parts += ["--scale", f"{scenario['scale']:g}"]
    lines = [" ".join(parts), *(f"  --policy {shlex.quote(one['name'])}" for one in summary["policies"])]
    return " \\\n".join(lines)
