"""Summaries as a study writes them, of a made-up evening: a quick fluid calculation, not a simulation."""

import numpy as np

STEP = 60
FIRST = 15 * 3600.0
ARRIVE = 300  # steps in which requests arrive; a drain follows
STEPS = 360
POLICIES = {
    "none": "No mechanism",
    "allocation": "Traffic management",
    "allocation-first-come": "First come, first served",
    "imposed-priority": "One imposed order",
    "allocation+own-priority": "Users' own priorities",
    "adt": "Anomaly thresholds",
    "capacity:1.5": "1.5 times the capacity",
    "allocation+adaptive": "Estimated capacity",
}
GOOD = {name for name in POLICIES if name.startswith("allocation")}
ROLES = ("IS", "IS", "IS", "GS", "GS", "ES", "ED", "ED", "OU", "GT")
KINDS = (
    ("top-up", "2.2", True, False, 0.25),
    ("tariff", "1.1.1", False, False, 0.3),
    ("read", "4.6.1", False, False, 0.45),
    ("future-dated", "8.14", False, True, 0.0),
)
CSPS = (("North", 0.3), ("Central", 0.4), ("South", 0.3))


def summary(users=60, policies=8, *, complete=True, costs=True, sweep=False, seed=1, name="User {}", charts=True):
    """What a study would write, of so many Users and policies. ``name``: how Users are called, by number."""
    rng = np.random.default_rng(seed)
    sizes = np.sort(rng.lognormal(2.0, 1.1, users))[::-1] + 0.137
    people = [
        {
            "name": name.format(number + 1),
            "role": ROLES[number % len(ROLES)] if number < users - 1 else "RSA",
            "allocation": round(float(size), 4),
            "meters": int(size * 23_417),
            "share": round(float(size / sizes.sum()), 6),
        }
        for number, size in enumerate(sizes)
    ]
    threshold = float(sizes.sum()) * 0.9
    offered = demand(rng, sizes)
    ran = [
        policy(name, rng, people, offered, threshold, costs=costs, charts=charts) for name in list(POLICIES)[:policies]
    ]
    return {
        "sluicegate": "0.0.0",
        "what": "simulation",
        "complete": complete,
        "anonymous": False,
        "scenario": {
            "name": "cold-snap",
            "title": "A cold evening",
            "description": "Prepayment customers top up all at once, and three suppliers' systems repeat it all.",
            "date": "2027-01-14",
            "first_second": FIRST,
            "seconds": ARRIVE * STEP,
            "drain": (STEPS - ARRIVE) * STEP,
            "seed": seed,
            "scale": 1.0,
            "requests": int(offered.sum() * STEP),
            "background": 12_345,
            "maximum": threshold / 0.8,
            "operating_threshold": threshold,
            "burst_seconds": 5.0,
            "dsp_capacity": threshold / 0.8,
            "assumptions": [
                "Arrivals are Poisson, with shapes of a winter day.",
                f"{name.format(1)} serves 4,100,000 meters.",
                "A tenth of the meters are prepayment meters.",
            ],
        },
        "users": people,
        "roles": sorted({one["role"] for one in people}),
        "kinds": [
            {"name": kind, "srv": srv, "urgent": urgent, "in_time": 30.0, "deadline": 3600.0, "internal": internal}
            for kind, srv, urgent, internal, _ in KINDS
        ],
        "csps": [{"name": csp, "capacity": round(part * threshold * 1.3, 1)} for csp, part in CSPS],
        "policies": ran,
        "sweep": swept(list(POLICIES)[: min(policies, 4)], rng) if sweep else None,
    }


def demand(rng, sizes):
    """[users, steps] SR/s: an evening's shape, and three Users whose systems burst."""
    at = np.arange(STEPS)
    shape = 0.45 + 0.25 * np.exp(-(((at - 170) / 70) ** 2))
    shape[ARRIVE:] = 0
    offered = sizes[:, None] * shape * rng.gamma(30, 1 / 30, (len(sizes), STEPS))
    for number in range(0, min(9, len(sizes)), 3):
        offered[number, 110:190] *= 9 - number
    return rng.poisson(offered * STEP) / STEP


def policy(name, rng, people, offered, threshold, *, costs, charts):
    """One policy's part of the summary."""
    factor = 1.5 if name.startswith("capacity") else 1.0
    sizes = np.array([user["allocation"] for user in people])
    good = name in GOOD
    room = threshold / 0.8 * factor
    overloaded = offered.sum(axis=0) > room
    down = [] if good else outages(overloaded)
    is_down = np.zeros(STEPS, bool)
    for since, until in down:
        is_down[int(since // STEP) : int(until // STEP)] = True
    delivered, throttled = np.zeros_like(offered), np.zeros_like(offered)
    queue = np.zeros(len(sizes))
    for step in range(STEPS):
        wanted = offered[:, step] + queue / STEP
        if is_down[step]:
            queue = np.minimum(wanted * STEP * 0.93, 3600 * sizes)
            continue
        part = np.minimum(wanted, np.maximum(sizes, wanted * min(1.0, threshold * factor / max(wanted.sum(), 1e-9))))
        if not good:
            part = wanted * min(1.0, room / max(wanted.sum(), 1e-9))
        delivered[:, step] = part
        queue = (wanted - part) * STEP
        throttled[:, step] = (wanted - part) * (0.3 if good else 0)
    failed = np.where(is_down, offered.sum(axis=0) * 2.2, 0.0) + (0 if good else np.where(overloaded, 0.1, 0) * room)
    attempts = offered.sum(axis=0) + throttled.sum(axis=0) + failed
    cells = {
        user["name"]: measures(rng, offered[n], delivered[n], throttled[n], is_down, good)
        for n, user in enumerate(people)
    }
    roles = {
        role: total([cells[u["name"]] for u in people if u["role"] == role]) for role in {u["role"]: 0 for u in people}
    }
    whole = total(cells.values())
    kinds = {kind: scaled(whole, part) for kind, *_, part in KINDS}
    csps = {
        csp: scaled(whole, part)
        | {
            "peak": int(delivered.sum(axis=0).max() * part * 1.6),
            "peak_minute": float(delivered.sum(axis=0).max() * part),
            "most_backlog": 120 if good else 4_800,
            "most_waiting": 15 if good else 2_100,
            "attempts": int(whole["delivered"] * part * 1.02),
            "failures": int(whole["delivered"] * part * 0.02),
        }
        for csp, part in CSPS
    }
    urgent = kinds["top-up"]
    minutes = sum(until - since for since, until in down) / 60
    round_off = lambda values: [round(float(value), 3) for value in values]  # noqa: E731
    by_csp = {
        csp: {
            "arrived": round_off(delivered.sum(axis=0) * part),
            "backlog": round_off(np.where(is_down, 4800 * part, 60 * part)),
            "waiting": round_off(np.where(is_down, 2100 * part, 0)),
        }
        for csp, part in CSPS
    }
    by_user = {
        user["name"]: {
            "offered": round_off(offered[n]),
            "delivered": round_off(delivered[n]),
            "throttled": round_off(throttled[n]),
        }
        for n, user in enumerate(people)
        if charts
    }
    return {
        "name": name,
        "title": POLICIES[name],
        "explanation": f"{POLICIES[name]}: one of those that are compared.",
        "total": whole,
        "users": cells,
        "roles": roles,
        "kinds": kinds,
        "csps": csps,
        "dsp": {
            "outages": len(down),
            "outage_minutes": minutes,
            "peak": int(attempts.max() * 1.4),
            "most_held": 400 if good else 9_000,
            "refused": int(0 if good else overloaded.sum() * 40),
            "lost": int(failed.sum() * STEP),
            "utilisation": float(delivered.sum() / (room * STEPS)),
        },
        "urgent": {name: urgent[name] for name in ("offered", "delivered", "in_time", "p50", "p95", "p99")}
        | {"share": urgent["in_time"] / urgent["offered"]},
        "harm": {
            "conforming": whole["conforming"],
            "harmed": whole["harmed"],
            "share": whole["harmed"] / whole["conforming"],
            "users": {user: {key: one[key] for key in ("conforming", "harmed")} for user, one in cells.items()},
        },
        "amplification": float(attempts.sum() / offered.sum()),
        "jain": 0.9991 if good else 0.83,
        "active_minutes": 84.0 if good else 0.0,
        "equivalent_capacity": {"k": 1.72, "reached": True, "why": "", "tried": [[1.0, 0.8], [2.0, 1.0], [1.72, 0.999]]}
        if good
        else None,
        "costs": cost(people, cells, minutes, factor, good) if costs else None,
        "series": {
            "step": STEP,
            "t": [STEP * n for n in range(STEPS)],
            "offered": round_off(offered.sum(axis=0)),
            "attempts": round_off(attempts),
            "admitted": round_off(attempts - throttled.sum(axis=0)),
            "delivered": round_off(delivered.sum(axis=0)),
            "throttled": round_off(throttled.sum(axis=0)),
            "failed": round_off(failed),
            "down": down,
            "active": [[6700.0, 9300.0], [9310.0, 11500.0]] if good else [],
            "users": by_user,
            "csps": by_csp,
        },
    }


def outages(overloaded):
    """Ten minutes down, five minutes after an overload began, while it lasts."""
    found, step = [], 0
    while step < len(overloaded):
        if overloaded[step : step + 5].all() and step + 15 < len(overloaded):
            found.append([float(STEP * (step + 5)), float(STEP * (step + 15))])
            step += 15
        step += 1
    return found


def measures(rng, offered, delivered, throttled, is_down, good):
    """M of one User."""
    asked = max(1, int(offered.sum() * STEP))
    lost = float(offered[is_down].sum() * STEP) / asked
    held = float(min(1.0, throttled.sum() / max(offered.sum(), 1e-9)))
    got = int(asked * (1 - 0.1 * lost))
    late = (0.9 * held if good else min(1.0, lost * 1.7)) + float(rng.uniform(0, 0.002))
    conforming = int(asked * (0.97 if held < 0.01 else 0.6))
    return {
        "offered": asked,
        "delivered": got,
        "returned": int((asked - got) * 0.3),
        "given_up": asked - got - int((asked - got) * 0.3),
        "quarantined": 0,
        "pending": 0,
        "throttled": int(held * asked),
        "answers": int(held * asked * 2.3),
        "failed": int(lost * asked * 2.2),
        "retries": int(lost * asked * 2.2 + held * asked * 2.3),
        "in_time": int(got * max(0.0, 1 - late)),
        "p50": 0.21 + float(rng.uniform(0, 0.05)),
        "p95": 0.6 + 900 * late,
        "p99": 0.9 + 2400 * late,
        "conforming": conforming,
        "harmed": 0 if good else int(conforming * lost),
    }


def total(cells):
    """M of several together."""
    out = {}
    for one in cells:
        for key, value in one.items():
            out[key] = (
                max(out.get(key, 0), value) if key.startswith("p") and key[1:].isdigit() else out.get(key, 0) + value
            )
    return out


def scaled(whole, part):
    """M of a part of the whole."""
    return {key: value if isinstance(value, float) else int(value * part) for key, value in whole.items()}


def cost(people, cells, minutes, factor, good):
    """Both sides of the business case."""
    users = {
        user["name"]: {
            "late": (cells[user["name"]]["offered"] - cells[user["name"]]["in_time"]) * 0.11,
            "undelivered": (cells[user["name"]]["offered"] - cells[user["name"]]["delivered"]) * 0.7,
            "delay": cells[user["name"]]["retries"] * 0.01,
            "change": 20_000.0 if good else 0.0,
        }
        for user in people
    }
    sums = {key: sum(one[key] for one in users.values()) for key in ("late", "undelivered", "delay", "change")}
    parts = {"capacity": 4_000_000.0 * (factor - 1), "outages": 30_000.0 * minutes, **sums}
    return {**parts, "total_year": sum(parts.values()), "users": users}


def swept(policies, rng):
    """A sweep of the operating threshold."""
    values = [round(0.6 + 0.05 * n, 2) for n in range(9)]
    scales = {"urgent_share": 1.0, "outage_minutes": 60.0, "harm_share": 0.2, "jain": 1.0}
    out = {}
    for number, name in enumerate(policies):
        out[name] = {}
        for measure, scale in scales.items():
            good = (0.6, 0.97, 0.9, 0.75)[number] - 0.1 * abs(number - 1)
            mean = [
                scale
                * min(1.0, (good if scale == 1.0 else 1 - good) + 0.2 * (value - 0.8) + float(rng.normal(0, 0.01)))
                for value in values
            ]
            out[name][measure] = {
                "mean": mean,
                "low": [value - 0.02 * scale for value in mean],
                "high": [value + 0.02 * scale for value in mean],
            }
    return {
        "parameters": [{"path": "capacity.operating_threshold", "values": values}],
        "seeds": 20,
        "policies": out,
    }
