"""Two of three servers down: writes are refused in time and say what is known, health tells, stale
reads go on; when the servers return nothing is lost."""

import signal
import time

import grpc

from fenlu_test import (Ledger, account, cluster_status, errors_pb2, error_detail, failure,
                        health_pb2, id_number, ledger_pb2, main, statuses, transfer, unary,
                        wait_until, whole)
from own_cluster import Cluster

CREATED = ledger_pb2.TRANSFER_STATUS_CREATED
EXISTS = ledger_pb2.TRANSFER_STATUS_EXISTS
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
STALE = (("fenlu-read", "stale"),)
AMOUNT = 5


def health(channel):
    check = unary(channel, "/grpc.health.v1.Health/Check", health_pb2.HealthCheckRequest,
                  health_pb2.HealthCheckResponse)
    return check(health_pb2.HealthCheckRequest(), timeout=5).status


def wait_health(channel, wanted):
    wait_until(lambda: health(channel) == wanted, f"health {wanted}")


def fill(channel, ledger):
    """A thousand transfers, applied by all three."""
    ledger.create_accounts([account(1), account(2)])
    for first in range(1, 1001, 100):
        answer = ledger.create_transfers([transfer(id, 1, 2, AMOUNT)
                                          for id in range(first, first + 100)])
        assert set(statuses(answer)) == {CREATED}

    def applied():
        nodes = cluster_status(channel).nodes
        return all(node.applied_index >= answer.log_index for node in nodes)
    wait_until(applied, "all servers have applied what was posted")


def check_books(ledger, count):
    """Transfers 1 to `count`, each there once, and nothing else."""
    found = ledger.lookup_transfers(range(1, count + 2))
    assert [id_number(entry.id) for entry in found] == list(range(1, count + 1))
    for entry in ledger.lookup_accounts([1]):
        assert whole(entry, "debits_posted") == count * AMOUNT, entry


def timed_failure(call, *arguments, timeout, **options):
    begin = time.monotonic()
    error = failure(call, *arguments, timeout=timeout, **options)
    seconds = time.monotonic() - begin
    assert seconds <= timeout + 0.05, f"{seconds:.3f} s, the deadline was {timeout} s"
    return error


def check_refused_writes(ledger, first_id):
    """No leader has a chance to take these, so each says that nothing was applied."""
    for number, timeout in enumerate((0.3, 1, 3)):
        error = timed_failure(ledger.create_transfers,
                              [transfer(first_id + number, 1, 2, AMOUNT)], timeout=timeout)
        assert error.code() == grpc.StatusCode.UNAVAILABLE, error
        detail = error_detail(error)
        assert detail.reason == "NO_LEADER", detail
        assert detail.outcome == errors_pb2.OUTCOME_NOT_APPLIED and detail.retryable, detail
        assert "no leader" in error.details() and "nothing was applied" in error.details(), error


def check_reads(ledger):
    error = timed_failure(ledger.lookup_accounts, [1], timeout=1)
    assert error.code() == grpc.StatusCode.UNAVAILABLE, error
    assert error_detail(error).outcome == errors_pb2.OUTCOME_NOT_APPLIED
    found = ledger.lookup_transfers(range(1, 1001), timeout=5, metadata=STALE)
    assert len(found) == 1000, len(found)
    assert len(ledger.lookup_accounts([1, 2], timeout=5, metadata=STALE)) == 2


def test_without_a_majority_writes_are_refused_and_nothing_is_lost():
    with Cluster() as cluster, cluster.api.channel() as channel:
        ledger = Ledger(channel)
        fill(channel, ledger)
        assert health(channel) == SERVING
        leader = cluster.leader(channel)
        dead = [leader, leader % 3 + 1]
        for id in dead:
            cluster.servers[id].kill()
        wait_health(channel, NOT_SERVING)
        check_refused_writes(ledger, 1001)
        check_reads(ledger)
        begin = time.monotonic()
        result = cluster.try_admin("member", "list", "--patience", 1)
        assert result.returncode == 1 and "gave up after 1 s" in result.stderr, result
        assert time.monotonic() - begin < 8  # one call alone would wait for 10 s
        for id in dead:
            cluster.servers[id].start(wait=False)
        wait_health(channel, SERVING)
        check_books(ledger, 1000)
        assert statuses(ledger.create_transfers([transfer(1001, 1, 2, AMOUNT)])) == [CREATED]
        check_books(ledger, 1001)
        cluster.stop()


def test_a_leader_alone_says_that_the_outcome_is_unknown():
    """The followers die just before the write: the leader has it and cannot commit it. A caller
    that sends the same ids again when the others are back learns the outcome, applied once."""
    with Cluster() as cluster, cluster.api.channel() as channel:
        ledger = Ledger(channel)
        fill(channel, ledger)
        leader = cluster.leader(channel)
        followers = [id for id in (1, 2, 3) if id != leader]
        for id in followers:
            cluster.servers[id].signal(signal.SIGKILL)
        error = timed_failure(ledger.create_transfers, [transfer(1001, 1, 2, AMOUNT)], timeout=3)
        assert error.code() == grpc.StatusCode.UNAVAILABLE, error
        detail = error_detail(error)
        assert detail.reason == "LEADER_LOST", detail
        assert detail.outcome == errors_pb2.OUTCOME_UNKNOWN, detail
        assert "same ids" in error.details(), error
        wait_health(channel, NOT_SERVING)
        check_refused_writes(ledger, 1002)
        for id in followers:
            cluster.servers[id].kill()
            cluster.servers[id].start(wait=False)
        wait_health(channel, SERVING)
        answer = ledger.create_transfers([transfer(1001, 1, 2, AMOUNT)])
        assert statuses(answer)[0] in (CREATED, EXISTS), answer
        check_books(ledger, 1001)


def test_a_call_under_way_is_answered_when_the_majority_returns():
    """An API node goes on trying until the deadline, and gives the first answer back."""
    with Cluster() as cluster, cluster.api.channel() as channel:
        ledger = Ledger(channel)
        fill(channel, ledger)
        leader = cluster.leader(channel)
        followers = [id for id in (1, 2, 3) if id != leader]
        for id in followers:
            cluster.servers[id].kill()
        calls = [ledger.CreateTransfers.future(ledger_pb2.CreateTransfersRequest(
            transfers=[transfer(id, 1, 2, AMOUNT)]), timeout=20) for id in range(1001, 1101)]
        wait_health(channel, NOT_SERVING)
        for id in followers:
            cluster.servers[id].start(wait=False)
        for call in calls:
            assert statuses(call.result()) == [CREATED], call.result()
        check_books(ledger, 1100)


def test_retries_of_an_api_node_give_the_first_answer_back():
    """The leader dies when the followers have its entries and it has not answered. The API node
    sends the calls again to the next leader, where they are applied already: the callers, who sent
    once, see CREATED and never EXISTS."""
    with Cluster() as cluster, cluster.api.channel() as channel:
        ledger = Ledger(channel)
        fill(channel, ledger)
        leader = cluster.leader(channel)
        followers = [cluster.servers[id] for id in (1, 2, 3) if id != leader]
        for follower in followers:
            follower.signal(signal.SIGSTOP)
        calls = [ledger.CreateTransfers.future(ledger_pb2.CreateTransfersRequest(
            transfers=[transfer(id, 1, 2, AMOUNT)]), timeout=20) for id in range(1001, 1101)]
        time.sleep(0.25)  # it sends them its entries, and does not step down yet
        cluster.servers[leader].signal(signal.SIGKILL)
        for follower in followers:
            follower.signal(signal.SIGCONT)
        found = [statuses(call.result()) for call in calls]
        assert found == [[CREATED]] * len(calls), found
        check_books(ledger, 1100)


if __name__ == "__main__":
    main(globals())
