"""kill -9 of a random server of a playground under load, again and again: nothing that was
acknowledged is lost, nothing is applied twice (load.py), and service is back within 3 s each time.

    tests/integration/test_kill.py                     30 rounds, about two minutes
    FENLU_KILL_ROUNDS=300 FENLU_KILL_SEED=7 tests/integration/test_kill.py
"""

import os
import random
import time

from fenlu_test import Playground, main
from load import Load, percentile
from own_cluster import choose_victim, wait_back

ROUNDS = int(os.environ.get("FENLU_KILL_ROUNDS", "30"))
SEED = int(os.environ.get("FENLU_KILL_SEED", "20240917"))
BACK_WITHIN = 3.0  # seconds from a kill to the answer to a write that was sent after it


def kill_rounds(playground, channel, load):
    dice = random.Random(SEED)
    outages = {"leader": [], "follower": []}
    for number in range(1, ROUNDS + 1):
        time.sleep(dice.uniform(0.1, 0.6))
        victim, leader = choose_victim(dice, channel, playground.pids())
        old = playground.kill_node(victim)
        seconds = load.probe()
        outages["leader" if victim == leader else "follower"].append(seconds)
        playground.wait_restarted(victim, old)
        wait_back(channel, victim)
        print(f"round {number}: node {victim}{' (leader)' if victim == leader else ''}, service "
              f"back after {seconds:.3f} s, {len(load.books.created)} transfers", flush=True)
        load.check()
    return outages


def test_kill_9_loses_nothing_and_doubles_nothing():
    print(f"seed {SEED}, {ROUNDS} rounds", flush=True)
    with Playground() as playground, playground.channel() as channel, \
            Load(playground.channel, SEED) as load:
        outages = kill_rounds(playground, channel, load)
        created = load.finish()
        for node in playground.wait_all_caught_up():
            assert node["transfers"] == created, node
        assert playground.stop() == 0
    every = outages["leader"] + outages["follower"]
    counts = load.books.counts
    print(dict(counts))
    for name, values in (("leader", outages["leader"]), ("follower", outages["follower"]),
                         ("all", every)):
        print(f"service back after a kill, {name}: {len(values)} kills, p50 "
              f"{percentile(values, 0.5):.3f} s, max {max(values, default=0):.3f} s")
    assert max(every) <= BACK_WITHIN, f"service was back after {max(every):.3f} s"
    assert counts["created"] > 100 * ROUNDS and counts["refused"] > 0
    assert counts["again"] > 0 and counts["conflict"] > 0 and counts["failed"] > 0


if __name__ == "__main__":
    main(globals())
