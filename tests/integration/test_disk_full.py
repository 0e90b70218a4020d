"""A full disk: a small tmpfs, and a limit on the size of files. Writes are refused with a text that
says what to do, reads go on, nothing is lost, and with room again writes are taken, all without a
restart. Mounting needs root: skipped where that is not allowed."""

import contextlib
import pathlib
import resource
import signal
import subprocess
import time

import grpc

from fenlu_test import (Dev, Ledger, Skip, account, cluster_status, errors_pb2, error_detail,
                        failure, health_pb2, id_bytes, id_number, ledger_pb2, main, new_ids, run_fenlu,
                        scratch_path, statuses, transfer, unary, wait_until, whole)
from own_cluster import Cluster

MIB = 2**20
SEGMENT_MIB = 64  # of the log: one in use, one in reserve
BATCH = 8190
CREATED = ledger_pb2.TRANSFER_STATUS_CREATED
EXISTS = ledger_pb2.TRANSFER_STATUS_EXISTS


@contextlib.contextmanager
def small_disk(mib):
    folder = pathlib.Path(scratch_path("disk"))
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "fenlu", str(folder)],
                             capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        raise Skip(f"cannot mount a tmpfs: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def grow(folder, mib):
    subprocess.run(["mount", "-o", f"remount,size={mib}m", str(folder)], check=True)


def take_room(disk):
    with contextlib.suppress(OSError), open(disk / "other", "wb", buffering=0) as other:
        while True:
            other.write(bytes(65536))


def id_of(number):
    """Ids that do not compress, each number its own."""
    return number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128


def post(ledger, first, count, timeout=30):
    """The transfers with numbers from `first`; returns the set of their statuses."""
    answer = ledger.create_transfers(
        [transfer(id_of(number), 1 + number % 2, 2 - number % 2, 1,
                  user_data_128=id_bytes(id_of(~number)))
         for number in range(first, first + count)], timeout=timeout)
    return set(statuses(answer))


def make_accounts(ledger):
    ledger.create_accounts([account(1), account(2)])


def fill(ledger, most, first=1):
    """Posts from number `first` until refused; returns the last number that was acknowledged, and
    the refusal. What is under way when the disk fills may wait for room until its deadline, its
    outcome unknown."""
    for first in range(first, most, BATCH):
        try:
            assert post(ledger, first, BATCH, timeout=5) <= {CREATED}
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                error = failure(post, ledger, first, BATCH)
            return first - 1, error
    raise AssertionError(f"{most} transfers and the disk is not full")


def check_refused(error, words):
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
    detail = error_detail(error)
    assert detail.reason == "NO_SPACE", detail
    assert detail.outcome == errors_pb2.OUTCOME_NOT_APPLIED, detail
    for word in words:
        assert word in error.details(), error


def majority_refuses(ledger):
    """Whether a write that books nothing is refused because a majority has no room."""
    try:
        ledger.create_accounts([account(new_ids(1)[0])])
        return False
    except grpc.RpcError as error:
        return "majority" in error.details()


def health(channel):
    check = unary(channel, "/grpc.health.v1.Health/Check", health_pb2.HealthCheckRequest,
                  health_pb2.HealthCheckResponse)
    return check(health_pb2.HealthCheckRequest(), timeout=5).status


def check_reads(channel, ledger, last):
    assert len(ledger.lookup_accounts([1, 2])) == 2
    if last > 0:
        ids = [id_of(number) for number in (1, last // 2, last)]
        assert [id_number(entry.id) for entry in ledger.lookup_transfers(ids)] == ids
    assert health(channel) == health_pb2.HealthCheckResponse.SERVING


def check_all(ledger, last):
    for first in range(1, last + 1, BATCH):
        ids = [id_of(number) for number in range(first, min(first + BATCH, last + 1))]
        found = ledger.lookup_transfers(ids, timeout=30)
        assert [id_number(entry.id) for entry in found] == ids
    one, two = ledger.lookup_accounts([1, 2])
    assert whole(one, "debits_posted") == whole(two, "credits_posted") == last // 2, (one, two)
    assert whole(two, "debits_posted") == whole(one, "credits_posted") == (last + 1) // 2


def wait_writable(ledger, number):
    def taken():
        try:
            return post(ledger, number, 1, timeout=2) <= {CREATED, EXISTS}
        except grpc.RpcError:
            return False
    wait_until(taken, "writes are taken again", pause=0.2)


def restart_and_check(dev, last):
    """Books after a restart, and the seals and logs that it reads, are whole."""
    assert dev.stop() == 0
    with Dev("--disk-reserve-mib", 0, data=dev.data) as again, again.channel() as channel:
        check_all(Ledger(channel), last)
        assert again.stop() == 0


def test_below_the_reserve_writes_are_refused_in_time():
    with small_disk(4 * SEGMENT_MIB) as disk:
        with Dev("--log-level", "info", data=str(disk / "data")) as dev, dev.channel() as channel:
            ledger = Ledger(channel)
            # On a disk that is too small from the start, nothing is taken, and nothing breaks.
            wait_until(lambda: "disk_full" in dev.log_tail(), "the log tells of it")
            check_refused(failure(ledger.create_accounts, [account(1)]),
                          ["MiB of disk left", "--disk-reserve-mib", "free space"])
            grow(disk, 1024)
            wait_until(lambda: "disk_freed" in dev.log_tail(), "the log tells of it")
            make_accounts(ledger)
            assert post(ledger, 1, 10) == {CREATED}
            (disk / "other").write_bytes(bytes(700 * MIB))
            wait_until(lambda: dev.log_tail().count("event=disk_full") == 2, "the log tells of it")
            check_refused(failure(post, ledger, 11, 10), ["MiB of disk left", "free space"])
            check_reads(channel, ledger, 10)
            (disk / "other").unlink()
            wait_writable(ledger, 11)
            check_all(ledger, 11)
            restart_and_check(dev, 11)


def test_no_room_for_the_log():
    """The reserve is off, so the log meets the end of the disk itself."""
    with small_disk(2 * SEGMENT_MIB + 100) as disk:
        (disk / "other").write_bytes(bytes(120 * MIB))
        with Dev("--log-level", "info", "--disk-reserve-mib", 0,
                 data=str(disk / "data")) as dev, \
                dev.channel() as channel:
            ledger = Ledger(channel)
            wait_until(lambda: "event=log_disk_full" in dev.log_tail(), "the log tells of it")
            check_refused(failure(ledger.create_accounts, [account(1)]),
                          ["a write has met a full disk", "free space"])
            assert health(channel) == health_pb2.HealthCheckResponse.SERVING
            (disk / "other").unlink()
            wait_until(lambda: "event=log_disk_freed" in dev.log_tail(), "the log tells of it")
            make_accounts(ledger)
            (disk / "other").write_bytes(bytes(80 * MIB))
            last, error = fill(ledger, 2_000_000)
            check_refused(error, ["a write has met a full disk", "free space"])
            check_reads(channel, ledger, last)
            time.sleep(2.5)  # it tries again each second: still alive, still refusing
            check_refused(failure(post, ledger, last + 1, 1), ["full disk"])
            (disk / "other").unlink()
            grow(disk, 1024)
            wait_writable(ledger, last + 1)
            assert post(ledger, last + 2, BATCH) <= {CREATED, EXISTS}
            check_all(ledger, last + 1 + BATCH)
            restart_and_check(dev, last + 1 + BATCH)


def test_no_room_for_the_store():
    """The log has room and what is sealed has none: RocksDB meets the end of the disk."""
    with small_disk(2 * SEGMENT_MIB + 10) as disk:
        with Dev("--log-level", "info", "--disk-reserve-mib", 0,
                 data=str(disk / "data")) as dev, \
                dev.channel() as channel:
            ledger = Ledger(channel)
            make_accounts(ledger)
            last, error = fill(ledger, 500_000)
            check_refused(error, ["a write has met a full disk", "free space"])
            assert last > 250_000, last
            assert f"store {disk}" in dev.log_tail() or "/db/" in dev.log_tail(), dev.log_tail()
            check_reads(channel, ledger, last)
            time.sleep(2.5)
            check_refused(failure(post, ledger, last + 1, 1), ["full disk"])
            grow(disk, 1024)
            wait_writable(ledger, last + 1)
            first = last + 2
            while first < 900_000:  # and seals go on
                assert post(ledger, first, BATCH) <= {CREATED, EXISTS}
                first += BATCH
            wait_until(lambda: dev.status()["nodes"][0]["checkpoint_index"] > 0, "a seal")
            check_all(ledger, first - 1)
            restart_and_check(dev, first - 1)


def test_a_follower_with_a_full_disk_holds_nobody_up():
    """The other two go on without it; with room again it catches up, without a restart."""
    with small_disk(2 * SEGMENT_MIB + 20) as disk, \
            Cluster("--disk-reserve-mib", 0, folders={3: str(disk / "data")}) as cluster, \
            cluster.api.channel() as channel:
        ledger = Ledger(channel)
        make_accounts(ledger)
        full = cluster.servers[3]
        if cluster.leader(channel) == 3:  # let another lead
            assert full.stop() == 0
            full.start(wait=False)
            wait_until(lambda: cluster.leader(channel) != 3, "another leader")
        cluster.digest(channel)  # all three are up: the disk fills under a running server
        take_room(disk)
        last = 0
        while last < 90 * BATCH:
            assert post(ledger, last + 1, BATCH) <= {CREATED, EXISTS}
            last += BATCH
        assert "_disk_full" in full.log_tail(), full.log_tail()
        assert full.process.poll() is None
        (disk / "other").unlink()
        grow(disk, 1024)
        applied, _ = cluster.digest(channel)
        assert applied > 0
        check_all(ledger, last)
        cluster.stop()


def test_without_room_on_a_majority_writers_are_refused_and_the_rest_goes_on():
    """Votes, an election too, and reads; and with room again writes, all without a restart of the
    servers that were full."""
    with small_disk(2 * SEGMENT_MIB + 20) as disk2, small_disk(2 * SEGMENT_MIB + 20) as disk3, \
            Cluster("--disk-reserve-mib", 0,
                    folders={2: str(disk2 / "data"), 3: str(disk3 / "data")}) as cluster, \
            cluster.api.channel() as channel:
        ledger = Ledger(channel)
        make_accounts(ledger)
        cluster.digest(channel)
        for disk in (disk2, disk3):
            take_room(disk)
        last, error = fill(ledger, 2_000_000)
        check_refused(error, [])
        # The first refusal may be that of a leader that was full itself, and hands over.
        wait_until(lambda: majority_refuses(ledger), "a leader that knows of the majority")
        error = failure(post, ledger, last + 1, 1)
        check_refused(error, ["majority of the members have room", "fenlu status"])
        check_reads(channel, ledger, last)
        for id in (2, 3):
            assert cluster.node(id)["disk_full"], cluster.node(id)
        assert not cluster.node(1)["disk_full"]
        # A full node that leads hands over to one with room, so 1 leads by now; without it, the
        # full ones elect one of them.
        wait_until(lambda: cluster.leader(channel) == 1, "the one with room leads")
        cluster.servers[1].kill()
        wait_until(lambda: cluster_status(channel).leader in (2, 3), "a leader")
        wait_until(lambda: health(channel) == health_pb2.HealthCheckResponse.SERVING, "health")
        check_refused(failure(post, ledger, last + 1, 1, timeout=5), ["full disk", "free space"])
        check_reads(channel, ledger, last)
        for id, disk in ((2, disk2), (3, disk3)):
            assert cluster.servers[id].process.poll() is None
            (disk / "other").unlink()
            grow(disk, 1024)
        wait_writable(ledger, last + 1)
        assert post(ledger, last + 2, BATCH) <= {CREATED, EXISTS}
        cluster.servers[1].start(wait=False)
        cluster.digest(channel)
        check_all(ledger, last + 1 + BATCH)
        cluster.stop()


def test_a_start_on_a_full_disk_says_so_and_loses_nothing():
    with small_disk(2 * SEGMENT_MIB + 20) as disk:
        data = str(disk / "data")
        with Dev("--disk-reserve-mib", 0, data=data) as dev, dev.channel() as channel:
            ledger = Ledger(channel)
            make_accounts(ledger)
            assert post(ledger, 1, 1000) == {CREATED}
            dev.kill()
        with contextlib.suppress(OSError), open(disk / "other", "wb", buffering=0) as other:
            while True:
                other.write(bytes(4096))
        result = run_fenlu("dev", "--data", data, "--grpc", "127.0.0.1:0", timeout=20)
        assert result.returncode == 1 and "No space left" in result.stderr, result
        (disk / "other").unlink()
        with Dev("--disk-reserve-mib", 0, data=data) as dev, dev.channel() as channel:
            check_all(Ledger(channel), 1000)
            assert dev.stop() == 0


def test_a_limit_on_the_size_of_files():
    """EFBIG instead of ENOSPC. A limit that is below what the log has allocated already makes a
    flush fail: the server stops itself with exit code 3 and says why; without it all is there."""
    with Dev("--disk-reserve-mib", 0) as dev, dev.channel() as channel:
        ledger = Ledger(channel)
        make_accounts(ledger)
        assert post(ledger, 1, 1000) == {CREATED}
        resource.prlimit(dev.pid, resource.RLIMIT_FSIZE, (4096, 4096))
        error = failure(post, ledger, 1001, 1000)
        assert error.code() == grpc.StatusCode.UNAVAILABLE, error
        code, words = dev.wait(), dev.log_tail()
        if code == -signal.SIGABRT:  # a write of RocksDB's own failed first, and Debian's asserts
            assert "rocksdb" in words, words
        else:
            assert code == 3 and "event=fatal" in words and "no space" in words, (code, words)
    with Dev("--disk-reserve-mib", 0, data=dev.data) as again, again.channel() as channel:
        ledger = Ledger(channel)
        assert post(ledger, 1001, 1000) <= {CREATED, EXISTS}
        check_all(ledger, 2000)
        assert again.stop() == 0


def test_a_start_under_a_limit_on_the_size_of_files():
    data = scratch_path("dev")
    limit = (SEGMENT_MIB * MIB // 2,) * 2
    result = run_fenlu("dev", "--data", data, "--grpc", "127.0.0.1:0", timeout=20,
                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    assert result.returncode == 1 and "File too large" in result.stderr, result
    with Dev(data=data) as dev, dev.channel() as channel:
        make_accounts(Ledger(channel))


if __name__ == "__main__":
    main(globals())
