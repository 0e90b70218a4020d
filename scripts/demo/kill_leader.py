#!/usr/bin/env python3
"""kill_leader.py - kills the leader of a playground once it has posted so many transfers.

    kill_leader.py --target ADDR --nodes FILE --at N

FILE is what the playground prints: `node ID pid=PID ...`, the last line of a node counts. Waits for
N transfers, sends SIGKILL to the leader, waits until another node leads, and prints one line:

    node=2 pid=123 at=100050 leader=3 seconds=1.24 then=100050

at: transfers posted when the leader was killed; then: those that its successor had when first seen.
Exit 1 when the transfers do not come, or no successor.
"""
import argparse
import os
import signal
import sys
import time

from cluster import Cluster

PAUSE_S = 0.01
STATUS_TIMEOUT_S = 0.5
PATIENCE_S = 60


def process_of(path, node):
    """The process id of a node, from the last of its lines."""
    pid = None
    with open(path, encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if words[:2] == ["node", str(node)]:
                pid = int(words[2].removeprefix("pid="))
    if pid is None:
        sys.exit("kill_leader: %s has no line of node %d" % (path, node))
    return pid


def leader_of(status):
    """The NodeStatus of the leader that can be reached, or None."""
    for node in status.nodes if status else ():
        if node.id == status.leader and node.reachable and node.leader == node.id:
            return node
    return None


def wait_for_leader(cluster, condition, what):
    """Polls until there is a leader that meets the condition; its NodeStatus."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        node = leader_of(cluster.status(STATUS_TIMEOUT_S))
        if node is not None and condition(node):
            return node
        time.sleep(PAUSE_S)
    sys.exit("kill_leader: no %s within %d s" % (what, PATIENCE_S))


def main():
    parser = argparse.ArgumentParser(description="Kills a playground's leader half-way.")
    parser.add_argument("--target", required=True)
    parser.add_argument("--nodes", required=True)
    parser.add_argument("--at", type=int, required=True)
    options = parser.parse_args()
    cluster = Cluster(options.target)
    old = wait_for_leader(cluster, lambda node: node.transfers >= options.at,
                          "leader with %d transfers" % options.at)
    pid = process_of(options.nodes, old.id)
    os.kill(pid, signal.SIGKILL)
    begin = time.monotonic()
    new = wait_for_leader(cluster, lambda node: node.term > old.term, "successor of the leader")
    print("node=%d pid=%d at=%d leader=%d seconds=%.2f then=%d" % (
        old.id, pid, old.transfers, new.id, time.monotonic() - begin, new.transfers))


if __name__ == "__main__":
    main()
