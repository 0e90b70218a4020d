"""The members of a cluster are changed while it works: replaced one by one, added, promoted,
removed, refused; and one that is far behind catches up by a snapshot under full load."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import time

from fenlu_test import (FENLU, Ledger, account, cluster_status, ledger_pb2, main, run_fenlu,
                        statuses, transfer, wait_until)
from load import Load, summary
from own_cluster import Cluster

GAP_MAX = 3.0  # seconds without an answer to any of the callers
PAUSES = (0, 0.05, 0.2)
CREATED = ledger_pb2.TRANSFER_STATUS_CREATED
BATCH = 8190
SEAL_EVENTS = 256 * 1024  # after so many the store takes in what the log has (server_data.c)


def log_text(server):
    return server.log.read_text(encoding="utf-8", errors="replace")


def lose_disk(cluster, id):
    """kill -9, and the data folder is gone."""
    cluster.servers[id].kill()
    shutil.rmtree(cluster.servers[id].data)


def wait_unheard(cluster, id):
    def unheard():
        members = cluster.admin("member", "list")["members"]
        return all(not member["heard"] for member in members if member["id"] == id)
    wait_until(unheard, f"the leader misses node {id}", pause=0.2)


@contextlib.contextmanager
def begun_admin(cluster, *words):
    """A command that waits for what its user does next; at the end it must have succeeded."""
    with subprocess.Popen([FENLU, "admin", *map(str, words), "--target", cluster.api.address],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
            out, err = process.communicate(timeout=60)
        except BaseException:
            process.kill()
            raise
    assert process.returncode == 0, (words, out, err)


def replace(cluster, id):
    """The steps of docs/operating.md, "A lost disk"."""
    wait_unheard(cluster, id)
    with begun_admin(cluster, "member", "replace", "--id", id):
        cluster.servers[id] = cluster.make_server(id, join=True)
        cluster.servers[id].start(wait=False)


def members_by_id(cluster):
    return {member["id"]: member for member in cluster.admin("member", "list")["members"]}


def wait_settled(cluster, count):
    def settled():
        view = cluster.admin("member", "list")
        good = view["committed"] and len(view["members"]) == count and all(
            member["role"] == "voter" and member["heard"] and int(member["incarnation"], 16) != 0
            for member in view["members"])
        return view if good else None
    return wait_until(settled, f"{count} voters in a list that holds", pause=0.2)


def test_five_members_are_replaced_one_by_one_under_load():
    with Cluster(size=5) as cluster, cluster.api.channel() as channel:
        before = {member["id"]: member["incarnation"]
                  for member in wait_settled(cluster, 5)["members"]}
        with Load(cluster.api.channel, seed=3, pauses=PAUSES) as load:
            for id in sorted(before):
                begin = time.monotonic()
                leader = cluster_status(channel).leader
                lose_disk(cluster, id)
                replace(cluster, id)
                load.check()
                print(f"replaced {id}{' (leader)' if id == leader else ''} within "
                      f"{time.monotonic() - begin:.1f} s, {len(load.books.created)} transfers",
                      flush=True)
            created = load.finish()
        for member in wait_settled(cluster, 5)["members"]:
            assert member["incarnation"] != before[member["id"]], member
        cluster.digest(channel)
        for id in before:
            assert cluster.node(id)["transfers"] == created
        cluster.stop()
    print(f"gaps between answers: {summary(load.books.gaps)}")
    assert max(load.books.gaps, default=0) <= GAP_MAX, max(load.books.gaps)


def post(ledger, first, count):
    answer = ledger.create_transfers([transfer(id, 1, 2, 1) for id in range(first, first + count)])
    assert set(statuses(answer)) == {CREATED}, answer


def test_an_empty_disk_under_an_old_identity_is_refused():
    """It has forgotten votes and entries; the text says what to do, and that helps."""
    with Cluster() as cluster, cluster.api.channel() as channel:
        ledger = Ledger(channel)
        ledger.create_accounts([account(1), account(2)])
        post(ledger, 1, 1000)
        wait_settled(cluster, 3)
        cluster.make_leader(1)
        for join in (False, True):
            lose_disk(cluster, 3)
            server = cluster.servers[3] = cluster.make_server(3, join=join)
            term = cluster_status(channel).nodes[0].term
            server.start(wait=False)
            remedy = "fenlu admin member replace --id 3"
            wait_until(lambda: remedy in log_text(server), "the remedy in its log")
            lines = [line for line in log_text(server).splitlines() if remedy in line]
            assert all("incarnation" in line for line in lines), lines
            wait_until(lambda: remedy in log_text(cluster.servers[1]), "and in that of others")
            post(ledger, 2001 + 1000 * join, 1000)
            time.sleep(1.5)
            assert cluster_status(channel).nodes[0].term == term
            assert not members_by_id(cluster)[3]["heard"]
            table = run_fenlu("status", "--target", cluster.api.address).stdout
            assert "node 3 is no member" in table if join else "node 3 hears no leader" in table, table
        lose_disk(cluster, 3)
        replace(cluster, 3)
        cluster.digest(channel)
        cluster.stop()


def must_refuse(cluster, code, words, *arguments, target=None):
    result = cluster.try_admin(*arguments, target=target)
    assert result.returncode == code, (arguments, result)
    for word in words:
        assert word in result.stderr, (word, result.stderr)
    assert result.stdout == "", result.stdout


def check_refusals(cluster):
    address = cluster.addresses[2]
    must_refuse(cluster, 1, ["there is no member 9", "fenlu admin member list"],
                "member", "remove", "--id", 9, "--no-wait")
    must_refuse(cluster, 1, ["there is no member 9"], "member", "promote", "--id", 9)
    must_refuse(cluster, 1, ["there is no member 9"], "transfer-leader", "--id", 9)
    must_refuse(cluster, 1, ["address of member 2"], "member", "add", "--id", 9, "--address",
                address)
    must_refuse(cluster, 1, ["member 2 is there", "remove it first"], "member", "add", "--id", 2,
                "--address", "127.0.0.1:1")
    must_refuse(cluster, 1, ["is alive", "stop it first"], "member", "replace", "--id", 2)
    must_refuse(cluster, 2, ["--id N is required"], "member", "remove")
    must_refuse(cluster, 2, ["--address HOST:PORT is required"], "member", "add", "--id", 9)
    must_refuse(cluster, 2, ["expected member list"], "member", "promotion", "--id", 9)
    must_refuse(cluster, 2, ["no meaning here"], "snapshot", "--id", 1)
    must_refuse(cluster, 1, ["gave up"], "member", "list", "--patience", 1, target="127.0.0.1:9")


def check_add(cluster):
    server = cluster.servers[4] = cluster.make_server(4, join=True)
    server.start(wait=False)
    wait_until(lambda: "event=opened" in log_text(server), "it waits to be added")
    added = cluster.admin("member", "add", "--id", 4, "--address", cluster.addresses[4])
    assert [member["role"] for member in added["members"]] == ["voter"] * 4, added
    again = cluster.admin("member", "add", "--id", 4, "--address", cluster.addresses[4])
    assert again["config_index"] == added["config_index"], (added, again)
    wait_until(lambda: (cluster.node(4) or {}).get("member") == "voter", "it knows")


def check_leadership(cluster):
    for id in (2, 3, 4):
        assert cluster.admin("transfer-leader", "--id", id)["leader"] == id
    assert cluster.admin("transfer-leader")["leader"] not in (0, 4)
    promoted = cluster.admin("member", "promote", "--id", 3, "--priority", 200)
    assert {member["id"]: member["priority"] for member in promoted["members"]} == {
        1: 100, 2: 100, 3: 200, 4: 100}
    wait_until(lambda: cluster.admin("member", "list")["leader"] == 3, "the highest one leads",
               pause=0.2)
    cluster.admin("member", "promote", "--id", 3, "--priority", 100)


def check_removal(cluster, channel, ledger):
    """A leader removes itself; started again, it disturbs nobody."""
    cluster.admin("transfer-leader", "--id", 4)
    view = cluster.admin("member", "remove", "--id", 4)
    assert sorted(member["id"] for member in view["members"]) == [1, 2, 3], view
    wait_until(lambda: "event=member_removed" in log_text(cluster.servers[4]), "it knows")
    leader = wait_until(lambda: (found := cluster_status(channel).leader) in (1, 2, 3) and found,
                        "one of the others leads")
    cluster.servers[4].kill()
    cluster.servers[4].start(wait=False)
    terms = {node.term for node in cluster_status(channel).nodes if node.id != 4}
    end = time.monotonic() + 4
    first = 10_000
    while time.monotonic() < end:
        post(ledger, first, 100)
        first += 100
        time.sleep(0.05)
    status = cluster_status(channel)
    assert status.leader == leader, status
    assert {node.term for node in status.nodes if node.id != 4} == terms, (terms, status)
    must_refuse(cluster, 1, ["there is no member 4"], "member", "promote", "--id", 4)
    must_refuse(cluster, 1, ["there is no member 4"], "member", "remove", "--id", 4)


def test_the_tool_changes_members_and_says_why_not():
    with Cluster() as cluster, cluster.api.channel() as channel:
        ledger = Ledger(channel)
        ledger.create_accounts([account(1), account(2)])
        post(ledger, 1, 1000)
        wait_settled(cluster, 3)
        check_refusals(cluster)
        snapshot = cluster.admin("snapshot")
        assert 0 < snapshot["log_index"] <= snapshot["commit_index"], snapshot
        check_add(cluster)
        check_leadership(cluster)
        check_removal(cluster, channel, ledger)
        cluster.stop()


class FullLoad:
    """`fenlu bench`, one run after another: each call posts 8189 transfers, two are under way."""

    def __init__(self, cluster, transfers=2 * SEAL_EVENTS):
        self.command = [FENLU, "bench", "--target", cluster.api.address, "--accounts", "1000",
                        "--queries", "1", "--clients", "2", "--transfers", str(transfers)]
        self.runs = 0
        self.process = None

    def run_once(self):
        """One run, or the rest of the one under way."""
        if self.process is None:
            self._start()
        self._end(self.process.communicate(timeout=120))

    def _start(self):
        self.runs += 1
        self.process = subprocess.Popen([*self.command, "--seed", str(self.runs)], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def _end(self, output):
        assert self.process.returncode == 0, output
        self.process = None

    def go_on_until(self, condition, what, timeout=60):
        """Keeps the load up until the condition holds."""
        def done():
            if self.process is not None and self.process.poll() is not None:
                self._end(self.process.communicate())
            if self.process is None:
                self._start()
            return condition()
        wait_until(done, what, timeout)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process is not None:
            self.process.kill()
            self.process.communicate()


def catches_up(cluster, id):
    """It is a moment behind at most, a voter as before."""
    nodes = (cluster.api.status() or {"nodes": []})["nodes"]
    late = next((node for node in nodes if node["id"] == id and node["reachable"]), None)
    return (late is not None and len(nodes) == 3 and late["member"] == "voter"
            and max(node["commit_index"] for node in nodes) - late["applied_index"] < 40)


def prefer(server):
    """The full load takes all of a machine that three servers share. A server that is behind has a
    machine of its own elsewhere; here it gets more of this one than the others."""
    for thread in os.listdir(f"/proc/{server.pid}/task"):
        with contextlib.suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, int(thread), -10)
    with contextlib.suppress(OSError):  # where each session has a share of its own
        pathlib.Path(f"/proc/{server.pid}/autogroup").write_text("-10")


def test_a_follower_far_behind_catches_up_by_snapshot_under_full_load():
    with Cluster("--log-keep-mib", 1) as cluster, cluster.api.channel() as channel, \
            FullLoad(cluster) as load:
        wait_settled(cluster, 3)
        leader = cluster.leader(channel)
        late = 3 if leader != 3 else 2
        server = cluster.servers[late]
        had = cluster.node(late)["last_index"]
        server.kill()
        load.run_once()
        load.go_on_until(lambda: (cluster.node(cluster.leader(channel)) or {"first_index": 0})[
            "first_index"] > had + 1, "the log is cut")
        server.start(wait=False)
        load.go_on_until(lambda: "event=snapshot_installed" in log_text(server), "a snapshot")
        prefer(server)
        load.go_on_until(lambda: catches_up(cluster, late), "it catches up")
        load.run_once()
        cluster.digest(channel)
        node = cluster.node(late)
        assert node["snapshot_receiving_total_bytes"] == 0 and node["first_index"] > had + 1, node
        print([line for line in log_text(server).splitlines() if "event=snapshot_" in line])
        cluster.stop()


if __name__ == "__main__":
    main(globals())
