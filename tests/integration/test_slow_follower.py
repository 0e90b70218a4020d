"""A slow follower costs the others at most a tenth of their throughput: `fenlu bench` with three
good servers, with one behind a slow link, and with one that stands still nine tenths of the time,
in turn, the best of each compared. Prints the ratios; afterwards the slow one catches up.

    FENLU_SLOW_TURNS=10 tests/integration/test_slow_follower.py      more turns than the usual three
"""

import contextlib
import json
import os
import signal
import threading

from fenlu_test import cluster_status, main, run_fenlu
from networks import Network
from own_cluster import Cluster

TURNS = int(os.environ.get("FENLU_SLOW_TURNS", "3"))
TRANSFERS = 250_000
RATE = "8mbit"  # a fraction of what the others take
STOPPED, RUNNING = 0.18, 0.02  # seconds, in turn
LOSS_MAX = 0.1


def throughput(cluster, seed):
    """Transfers a second."""
    result = run_fenlu("bench", "--target", cluster.api.address, "--accounts", 1000, "--transfers",
                       TRANSFERS, "--queries", 1, "--clients", 2, "--seed", seed, "--json",
                       timeout=120)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["load_accepted_tx_per_s"]


@contextlib.contextmanager
def all_well(cluster, id):
    yield


@contextlib.contextmanager
def slow_link(cluster, id):
    cluster.network.slow_down(id, RATE)
    try:
        yield
    finally:
        cluster.network.slow_down(id, None)


@contextlib.contextmanager
def pauses(cluster, id):
    server, end = cluster.servers[id], threading.Event()

    def stop_and_go():
        while not end.is_set():
            server.signal(signal.SIGSTOP)
            end.wait(STOPPED)
            server.signal(signal.SIGCONT)
            end.wait(RUNNING)
    thread = threading.Thread(target=stop_and_go)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def test_a_slow_follower_costs_the_others_little():
    kinds = (all_well, slow_link, pauses)
    rates = {kind: [] for kind in kinds}
    behind = {kind: 0 for kind in kinds}
    with Network([1, 2, 3, "api"]) as network, Cluster(network=network) as cluster, \
            cluster.api.channel() as channel:
        cluster.digest(channel)
        slow = 3 if cluster.leader(channel) != 3 else 2
        throughput(cluster, 0)  # warm
        for turn in range(TURNS):
            for kind in kinds:
                cluster.digest(channel)
                with kind(cluster, slow):
                    rates[kind].append(throughput(cluster, 1 + turn))
                    nodes = cluster_status(channel).nodes
                applied = {node.id: node.applied_index for node in nodes if node.reachable}
                behind[kind] = max(behind[kind], max(applied.values()) - applied.get(slow, 0))
        cluster.digest(channel)
        cluster.stop()
    best = max(rates[all_well])
    for kind in kinds:
        print(f"{kind.__name__}: {max(rates[kind]):.0f} transfers/s, {max(rates[kind]) / best:.2f} "
              f"of all_well, up to {behind[kind]} entries behind ({[round(r) for r in rates[kind]]})")
    assert behind[slow_link] > 5, "the link was not slow enough to prove anything"
    for kind in kinds:
        assert max(rates[kind]) >= (1 - LOSS_MAX) * best, kind.__name__


if __name__ == "__main__":
    main(globals())
