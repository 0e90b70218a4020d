"""A slow follower costs the others at most a tenth of their throughput: `fenlu bench` with three
good servers, with one behind a slow link, and with one that stands still nine tenths of the time,
each on a new cluster, in turn; the best of each are compared. Afterwards the slow one catches up.
Two turns; up to six while other work on the machine may have decided.

    FENLU_SLOW_TURNS=10 tests/integration/test_slow_follower.py      ten turns
"""

import contextlib
import json
import os
import shutil
import signal
import threading

from fenlu_test import cluster_status, main, run_fenlu
from networks import Network
from own_cluster import Cluster

TURNS = int(os.environ.get("FENLU_SLOW_TURNS", "2"))
TURNS_MAX = max(TURNS, 6)
TRANSFERS = 600_000
WARM_TRANSFERS = 100_000
RATE = "8mbit"  # a fraction of what the others take
STOPPED, RUNNING = 0.18, 0.02  # seconds, in turn
LOSS_MAX = 0.1


def throughput(cluster, transfers, seed):
    """Transfers a second."""
    result = run_fenlu("bench", "--target", cluster.api.address, "--accounts", 1000, "--transfers",
                       transfers, "--queries", 1, "--clients", 2, "--seed", seed, "--json",
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


def measure(network, kind, seed):
    """Transfers a second, and how many entries the slow one was behind at the end."""
    with Cluster(network=network) as cluster, cluster.api.channel() as channel:
        throughput(cluster, WARM_TRANSFERS, seed)
        cluster.digest(channel)
        slow = 3 if cluster.leader(channel) != 3 else 2
        with kind(cluster, slow):
            rate = throughput(cluster, TRANSFERS, seed + 1)
            nodes = cluster_status(channel).nodes
        applied = {node.id: node.applied_index for node in nodes if node.reachable}
        cluster.digest(channel)
        cluster.stop()
        for server in cluster.servers.values():
            shutil.rmtree(server.data)
    return rate, max(applied.values()) - applied.get(slow, 0)


def costs_little(rates):
    return all(max(values) >= (1 - LOSS_MAX) * max(rates[all_well]) for values in rates.values())


def test_a_slow_follower_costs_the_others_little():
    kinds = (all_well, slow_link, pauses)
    rates = {kind: [] for kind in kinds}
    behind = {kind: [] for kind in kinds}
    with Network([1, 2, 3, "api"]) as network:
        for turn in range(TURNS_MAX):
            if turn >= TURNS and costs_little(rates):
                break
            for kind in kinds:
                rate, lag = measure(network, kind, 2 * turn)
                rates[kind].append(rate)
                behind[kind].append(lag)
    best = max(rates[all_well])
    for kind in kinds:
        print(f"{kind.__name__}: {max(rates[kind]):.0f} transfers/s, {max(rates[kind]) / best:.2f} "
              f"of all_well, up to {max(behind[kind])} entries behind "
              f"({[round(rate) for rate in rates[kind]]})")
    assert max(behind[slow_link]) > 5, "the link was not slow enough to prove anything"
    assert costs_little(rates)


if __name__ == "__main__":
    main(globals())
