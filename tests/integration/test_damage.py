"""Bytes of a stopped follower's data folder are damaged: log entries that it had acknowledged come
back from the others, superblock copies from each other, and a damaged table of the store is found,
reported with its place, and never served. What cannot be mended is refused with a remedy."""

import pathlib
import shutil
import struct

from fenlu_test import (Ledger, account, cluster_status, id_number, ledger_pb2, main, run_fenlu,
                        statuses, transfer, wait_until)
from own_cluster import Cluster

CREATED = ledger_pb2.TRANSFER_STATUS_CREATED
BATCH = 8190
AMOUNT = 3
# raft/log/segment.h
BLOCK = 4096
SLOTS_OFFSET = 2 * BLOCK
SLOT = struct.Struct("<IIQQQQIHHIIII")
SLOT_ENTRY = 1
HEADER_SIZE = 64
COPIES = 4  # raft/log/superblock.h


def log_text(server):
    return server.log.read_text(encoding="utf-8", errors="replace")


def log_lines(server, event):
    return [line for line in log_text(server).splitlines() if f"event={event} " in line]


def post(ledger, first, count):
    answer = ledger.create_transfers([transfer(id, 1, 2, AMOUNT)
                                      for id in range(first, first + count)], timeout=30)
    assert set(statuses(answer)) == {CREATED}


def fill(ledger, count, batch, first=1):
    for at in range(first, first + count, batch):
        post(ledger, at, min(batch, first + count - at))


def make_accounts(ledger):
    ledger.create_accounts([account(1), account(2)])


def follower(cluster, channel):
    leader = cluster.leader(channel)
    return next(id for id in cluster.servers if id != leader)


def flip(path, offset, bit=0x10):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ bit]))


def entries(segment):
    """(index, offset, body size) of each entry that a segment's slots name."""
    data = segment.read_bytes()
    found = []
    for at in range(SLOTS_OFFSET, SLOTS_OFFSET + len(data) // 32, SLOT.size):
        slot = SLOT.unpack_from(data, at)
        if slot[11] == SLOT_ENTRY and slot[2] > 0:
            found.append((slot[2], slot[9], slot[6], at))
    return found


def first_segment(server):
    return sorted((pathlib.Path(server.data) / "log").glob("*.segment"))[0]


def test_damaged_entries_of_a_log_come_back_from_the_others():
    """A body, a header, an identifier with its header: in the middle of what was acknowledged."""
    with Cluster() as cluster, cluster.api.channel() as channel:
        ledger = Ledger(channel)
        make_accounts(ledger)
        fill(ledger, 6000, 100)
        cluster.digest(channel)
        id = follower(cluster, channel)
        server = cluster.servers[id]
        server.kill()
        segment = first_segment(server)
        held = [entry for entry in entries(segment) if entry[2] > 1000]
        middle = held[len(held) // 2 - 2:len(held) // 2 + 3]
        (body_index, at, size, _), _, (_, header_at, _, _), _, (
            lost_index, lost_at, _, lost_slot) = middle
        flip(segment, at + HEADER_SIZE + size // 2)
        flip(segment, header_at + 8)  # made again from its slot
        flip(segment, lost_at + 8)
        flip(segment, lost_slot + 8)
        server.start(wait=False)
        damaged = {str(index) for index in (body_index, lost_index)}

        def repaired():
            lines = log_lines(server, "log_entry_repaired")
            return all(any(f"index={index} " in line for line in lines) for index in damaged)
        wait_until(repaired, f"repair of {damaged}")
        assert segment.name in "".join(log_lines(server, "log_damaged")), server.log_tail()
        wait_until(lambda: (cluster.node(id) or {"damaged_entries": 1})["damaged_entries"] == 0,
                   "the status says that all is well")
        cluster.digest(channel)
        cluster.make_leader(id)  # it may lead, and serve what it repaired
        fill(ledger, 1000, 100, first=6001)
        check_books(ledger, 7000)
        cluster.digest(channel)
        server.kill()  # what was repaired is on its disk
        known = len(log_lines(server, "log_entry_repaired"))
        server.start(wait=False)
        cluster.digest(channel)
        assert len(log_lines(server, "log_entry_repaired")) == known
        cluster.stop()


def check_books(ledger, count, **options):
    for first in range(1, count + 1, BATCH):
        ids = list(range(first, min(first + BATCH, count + 1)))
        found = ledger.lookup_transfers(ids, timeout=30, **options)
        assert [id_number(entry.id) for entry in found] == ids
        assert all(entry.amount == AMOUNT for entry in found)


def test_without_another_copy_a_damaged_entry_is_kept_and_told_of():
    """While nobody can give it back, the node does not lead, and does not lose it."""
    with Cluster() as cluster, cluster.api.channel() as channel:
        ledger = Ledger(channel)
        make_accounts(ledger)
        fill(ledger, 2000, 100)
        cluster.digest(channel)
        id = follower(cluster, channel)
        for server in cluster.servers.values():
            server.kill()
        server = cluster.servers[id]
        held = [entry for entry in entries(first_segment(server)) if entry[2] > 1000]
        index, at, _, _ = held[len(held) // 2]
        flip(first_segment(server), at + HEADER_SIZE)
        server.start(wait=False)
        third = next(other for other in cluster.servers if other != id)
        wait_until(lambda: (cluster.node(id) or {"damaged_entries": 0})["damaged_entries"] == 1,
                   "the status tells of it")
        table = run_fenlu("status", "--target", cluster.api.address).stdout
        assert f"node {id} has 1 damaged log entries, which it fetches from others" in table, table
        cluster.servers[third].start(wait=False)
        wait_until(lambda: f"index={index} " in "".join(log_lines(server, "log_entry_repaired")),
                   "repair")
        check_books(ledger, 2000)
        cluster.servers[next(o for o in cluster.servers if o not in (id, third))].start(wait=False)
        cluster.digest(channel)
        cluster.stop()


def test_damaged_superblock_copies_are_repaired_and_without_any_the_node_is_refused():
    with Cluster() as cluster, cluster.api.channel() as channel:
        ledger = Ledger(channel)
        make_accounts(ledger)
        fill(ledger, 1000, 100)
        id = follower(cluster, channel)
        server = cluster.servers[id]
        path = pathlib.Path(server.data) / "superblock"
        for copies in ((1,), (0, 2, 3)):
            server.kill()
            before = log_text(server).count("event=superblock_repaired")
            sound = path.read_bytes()
            for copy in copies:
                flip(path, copy * BLOCK + 100)
            server.start(wait=False)
            cluster.digest(channel)
            assert log_text(server).count("event=superblock_repaired") > before, server.log_tail()
            assert len(sound) == len(path.read_bytes())
        server.kill()
        for copy in range(COPIES):
            flip(path, copy * BLOCK + 100)
        damaged = path.read_bytes()
        server.start(wait=False)
        assert server.wait() in (1, 3)
        last = server.log_tail()
        assert "superblock" in last and "fenlu admin member replace" in last, last
        assert path.read_bytes() == damaged  # kept as it is, for inspection
        post(ledger, 1001, 100)


def test_an_older_copy_of_a_folder_is_refused():
    """It would not know what it has acknowledged since: the leader does, and the node ends."""
    with Cluster() as cluster, cluster.api.channel() as channel:
        ledger = Ledger(channel)
        make_accounts(ledger)
        fill(ledger, 500, 100)
        cluster.digest(channel)
        id = follower(cluster, channel)
        server = cluster.servers[id]
        server.kill()
        data = pathlib.Path(server.data)
        copy, newer = data.with_name("copy"), data.with_name("newer")
        shutil.copytree(data, copy)
        server.start(wait=False)
        cluster.digest(channel)
        fill(ledger, 500, 100, first=501)
        cluster.digest(channel)
        server.kill()
        data.rename(newer)
        copy.rename(data)
        server.start(wait=False)
        assert server.wait() == 3
        last = log_lines(server, "fatal")[-1]
        assert "older copy" in last and "fenlu admin member replace" in last, last
        data.rename(copy)
        newer.rename(data)
        server.start(wait=False)  # its own folder is welcome
        cluster.digest(channel)
        check_books(ledger, 1000)
        cluster.stop()


def tables(server):
    return sorted((pathlib.Path(server.data) / "db").glob("*.sst"),
                  key=lambda path: path.stat().st_size)


def test_a_damaged_table_of_the_store_is_found_and_never_served():
    with Cluster("--scrub-mib-per-s", 64) as cluster, cluster.api.channel() as channel:
        ledger = Ledger(channel)
        make_accounts(ledger)
        fill(ledger, 4 * BATCH, BATCH)
        cluster.make_leader(1)
        cluster.admin("snapshot", timeout=60)
        wait_until(lambda: min(node.checkpoint_index for node in cluster_status(channel).nodes[:1])
                   > 0, "a seal")
        cluster.digest(channel)
        victim = cluster.servers[1]
        assert tables(victim), "a sealed table"
        cluster.make_leader(2)
        victim.kill()
        table = tables(victim)[-1]
        flip(table, table.stat().st_size // 3)
        victim.start(wait=False)

        wait_until(lambda: log_lines(victim, "store_damaged"), "the scrubber tells", timeout=30)
        lines = log_lines(victim, "store_damaged")
        assert table.name in "".join(lines), lines
        assert "fenlu admin member replace --id 1" in "".join(lines), lines
        # Read there, the damage ends the process; the callers get what others have.
        check_books(ledger, 4 * BATCH)
        cluster.make_leader(1)
        check_books(ledger, 4 * BATCH)
        assert victim.wait() == 3, victim.log_tail()
        fatal = log_lines(victim, "fatal")
        assert len(fatal) == 1 and "CORRUPT" in fatal[0] and table.name in fatal[0], fatal
        post(ledger, 4 * BATCH + 1, 100)


def test_a_store_without_one_of_its_files_is_refused():
    with Cluster() as cluster, cluster.api.channel() as channel:
        ledger = Ledger(channel)
        make_accounts(ledger)
        fill(ledger, 2 * BATCH, BATCH)
        cluster.make_leader(1)
        cluster.admin("snapshot", timeout=60)
        victim = cluster.servers[1]
        wait_until(lambda: tables(victim), "a sealed table")
        cluster.make_leader(2)
        folder = pathlib.Path(victim.data) / "db"
        for path in (tables(victim)[-1], folder / "CURRENT", next(folder.glob("MANIFEST-*"))):
            victim.kill()
            kept = path.read_bytes()
            path.unlink()
            victim.start(wait=False)
            assert victim.wait() == 1, victim.log_tail()
            last = victim.log_tail().splitlines()[-1]
            assert "the store is damaged" in last and "fenlu admin member replace" in last, last
            path.write_bytes(kept)
        victim.start(wait=False)
        cluster.digest(channel)
        cluster.stop()


if __name__ == "__main__":
    main(globals())
