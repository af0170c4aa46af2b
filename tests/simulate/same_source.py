"""Prints a digest of many random decisions and of a run of the engine, and whether the modules are compiled.

Run by test_compiled.py in two processes: the plain source, and the same source compiled.
"""

import hashlib
import pickle
import random
import struct
import sys

from sluicegate.throttle import THROTTLED, Limits, Throttle
from sluicegate.throttle import throttle as module


def decisions(count: int) -> str:
    """A digest of `count` decisions, advices and levels over a hundred random configurations."""
    digest = hashlib.sha256()
    for seed in range(100):
        rng = random.Random(seed)
        users = rng.choice([1, 2, 7, 60, 300])
        maximum = rng.choice([20.0, 300.0, 2000.0])
        sharing = rng.choice(["fair", "first-come"])
        limits = Limits(maximum, maximum * rng.uniform(0.5, 1.0), rng.choice([0.1, 0.5, 2.0]), 5.0, 4.0, sharing)
        shares = [rng.paretovariate(1.0) * rng.choice([0, 1, 1]) for _ in range(users)]
        scale = maximum / max(1.0, sum(shares))
        allocations = {f"U{n}": min(1.0, scale) * share for n, share in enumerate(shares)}
        throttle = Throttle(limits, allocations, 0.0, {"U0": 6.0})
        accounts = [throttle.account(name) for name in allocations]
        now, load = 0.0, maximum * rng.choice([0.7, 1.3, 4.0])
        for _ in range(count // 100):
            now += rng.expovariate(load) * (60.0 if rng.random() < 1e-4 else 1.0)
            user = accounts[int(users * rng.random() ** 2)]
            weight = rng.choice([1.0, 1.0, 1.0, 0.3, 4.0])
            outcome = throttle.decide(user, weight, now, 6.0 if user is accounts[0] and rng.random() < 0.5 else 0.0)
            told = throttle.retry_after(user, weight, now) if outcome == THROTTLED else 0
            if outcome != THROTTLED and rng.random() < 0.01:
                throttle.give_back(user, weight, outcome, now)
            digest.update(struct.pack("<iid", outcome, told, user.level))
        digest.update(repr(throttle.state(now)).encode())
    return digest.hexdigest()


def runs() -> str:
    """A digest of what became of every SR, under several policies."""
    from worlds import poisson, simulate, world

    digest = hashlib.sha256()
    of = world()
    for policy in ("none", "allocation+own-priority", "allocation-first-come", "imposed-priority"):
        result = simulate(of, policy, poisson(of, [2.0, 3.0, 20.0, 30.0], seed=5), seed=5)
        for group, columns in (
            ("delivered", "flow born ended"),
            ("others", "flow born ended state attempts throttled"),
        ):
            for column in columns.split():
                digest.update(result.joined(group, column).tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    print("compiled" if module.__file__.endswith(".so") else "plain")
    print(decisions(int(sys.argv[1])))
    assert pickle.loads(pickle.dumps(Limits(3.0, 2.0, sharing="first-come"))) == Limits(3.0, 2.0, sharing="first-come")
    print(runs())
