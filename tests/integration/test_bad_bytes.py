"""Garbage on the gRPC port and on the peer port, strangers of other clusters and nodes: refused with
a clear line, and nothing changes."""

import random
import socket
import struct
import time

from fenlu_test import (Gateway, Ledger, account, free_port, ledger_pb2, main, scratch_path,
                        statuses, transfer, wait_until)
from own_cluster import OTHER_CLUSTER, Cluster, format_node, member_list

CREATED = ledger_pb2.TRANSFER_STATUS_CREATED
FRAME_MAGIC = 0x464C4E46
TLS_HELLO = bytes.fromhex(
    "16030100c8010000c40303" + "5a" * 32 + "20" + "a5" * 32 + "0002130100" + "00" * 80)


def frame_header(magic=FRAME_MAGIC, crc=0, kind=1, version=1, head=64, payload=0, flags=0):
    return struct.pack("<IIHHIIIII", magic, crc, kind, version, head, payload, 0, flags, 0)


def garbage(dice):
    """What may arrive at any port."""
    yield b""
    yield b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    yield b"\x00" * 65536
    yield b"\xff" * 65536
    yield TLS_HELLO
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff\xff\xff\x04\x00\x00\x00\x00\x00" + b"x" * 99
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + dice.randbytes(5000)
    for size in (1, 31, 32, 33, 4096, 1 << 20):
        yield dice.randbytes(size)
    yield frame_header()[:17]
    yield frame_header() + b"x" * 63
    yield frame_header(head=0xFFFFFFFF, payload=0xFFFFFFFF)
    yield frame_header(payload=0xFFFFFFFF) + b"x" * 4096
    yield frame_header(kind=0) + b"x" * 64
    yield frame_header(kind=5) + b"x" * 64
    yield frame_header(kind=6, head=32, payload=1 << 20) + b"x" * 4096
    yield frame_header(version=999) + b"x" * 64
    yield frame_header(flags=0xFFFFFFFF) + b"x" * 64


def send(port, data, close):
    """Sends, reads what comes for a moment, and goes: politely, or with a reset."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        try:
            connection.sendall(data)
            connection.settimeout(0.05)
            connection.recv(65536)
        except OSError:
            pass  # closed or reset by the other side, or nothing to read
        if not close:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def prepared(channel):
    ledger = Ledger(channel)
    ledger.create_accounts([account(1), account(2)])
    assert statuses(ledger.create_transfers([transfer(1, 1, 2, 5)])) == [CREATED]
    return ledger


def test_garbage_on_every_port_changes_nothing():
    dice = random.Random(11)
    with Cluster() as cluster, cluster.api.channel() as channel:
        ledger = prepared(channel)
        leader = cluster.leader(channel)
        before = cluster.digest(channel)
        api_port = int(cluster.api.address.rsplit(":", 1)[1])
        for number, data in enumerate(garbage(dice)):
            for port in (api_port, cluster.ports[0], cluster.ports[leader - 1]):
                send(port, data, close=number % 2 == 0)
        # Many that say nothing, and one that stops in the middle of a frame, keep no one out.
        silent = [socket.create_connection(("127.0.0.1", port)) for port in
                  [api_port, *cluster.ports] for _ in range(20)]
        silent[-1].sendall(frame_header()[:20])
        assert cluster.digest(channel) == before
        assert cluster.leader(channel) == leader
        assert statuses(ledger.create_transfers([transfer(2, 1, 2, 5)])) == [CREATED]
        for connection in silent:
            connection.close()
        cluster.stop()


def test_a_peer_of_another_cluster_is_refused():
    """A node that was formatted with another UUID has our servers among its members."""
    with Cluster() as cluster, cluster.api.channel() as channel:
        prepared(channel)
        before = cluster.digest(channel)
        port = free_port()
        members = member_list([port, *cluster.ports[1:]])
        data = format_node(scratch_path("stranger"), 1, members, cluster=OTHER_CLUSTER)
        with Gateway("server", "--data", data).start(wait=False) as stranger:
            wait_until(lambda: "another cluster" in stranger.log_tail(), "the stranger is told")
            assert OTHER_CLUSTER in stranger.log_tail(), stranger.log_tail()
            wait_until(lambda: "another cluster" in cluster.servers[2].log_tail(),
                       "our server tells of it")
            time.sleep(2)
            assert "role=leader" not in stranger.log_tail() and stranger.address is None
            assert stranger.stop() == 0
        assert cluster.digest(channel) == before
        cluster.stop()


def test_an_api_node_of_another_cluster_is_refused():
    with Cluster() as cluster, cluster.api.channel() as channel:
        prepared(channel)
        before = cluster.digest(channel)
        with Gateway("api", "--members", cluster.members, "--cluster", OTHER_CLUSTER,
                     "--grpc", "127.0.0.1:0").start(wait=False) as other:
            wait_until(lambda: "another cluster" in other.log_tail(), "it is told")
            time.sleep(1)
            assert other.stop() == 0
        assert cluster.digest(channel) == before


def test_a_node_that_lost_its_disk_and_was_formatted_again_is_refused():
    with Cluster() as cluster, cluster.api.channel() as channel:
        prepared(channel)
        before = cluster.digest(channel)
        leader = cluster.leader(channel)
        victim = leader % 3 + 1
        cluster.servers[victim].kill()
        data = format_node(scratch_path("again"), victim, cluster.members)
        with Gateway("server", "--data", data).start(wait=False) as again:
            wait_until(lambda: "incarnation" in again.log_tail(), "it is told")
            time.sleep(1.5)
            assert "role=leader" not in again.log_tail()
            assert again.stop() == 0
        cluster.servers[victim].start(wait=False)
        assert cluster.digest(channel)[1] == before[1]


def test_members_that_are_swapped_are_refused():
    """The member list of an API node names the wrong ids; it may not take one for the other."""
    with Cluster() as cluster, cluster.api.channel() as channel:
        prepared(channel)
        before = cluster.digest(channel)
        swapped = member_list([cluster.ports[1], cluster.ports[0], cluster.ports[2]])
        with Gateway("api", "--members", swapped, "--grpc", "127.0.0.1:0").start(wait=False) as api:
            wait_until(lambda: "is another node" in api.log_tail(), "it is told")
            assert api.stop() == 0
        assert cluster.digest(channel) == before


if __name__ == "__main__":
    main(globals())
