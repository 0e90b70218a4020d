"""What a caller knows about a request that no majority answers: deadlines and unknown
outcomes."""

import base64
import re
import signal
import subprocess
import tempfile

import grpc

import fenlu_test as ft
from fenlu_test import (Ledger, errors_pb2, failure, ledger_pb2, make_accounts, new_ids, statuses,
                        transfer, transfers_are)


def nghttp(address, method, message, timeout):
    """One call through nghttp, which sends grpc-timeout but has no such deadline of its own: what
    comes at the deadline is the server's answer. Returns headers and trailers together."""
    with tempfile.NamedTemporaryFile(dir=ft.SCRATCH) as body:
        data = message.SerializeToString()
        body.write(b"\0" + len(data).to_bytes(4, "big") + data)
        body.flush()
        result = subprocess.run(
            ["nghttp", "--null-out", "--verbose", "--timeout=10s", f"--data={body.name}",
             "--header=content-type: application/grpc", "--header=te: trailers",
             f"--header=grpc-timeout: {timeout}", f"http://{address}/fenlu.v1.Ledger/{method}"],
            capture_output=True, text=True, check=False)
    assert result.returncode == 0, result
    return dict(re.findall(r"recv \(stream_id=\d+\) (\S+): (.*)", result.stdout))


def detail_of(headers):
    data = headers["grpc-status-details-bin"]
    status = ft.status_pb2.Status.FromString(base64.b64decode(data + "=" * (-len(data) % 4)))
    detail = errors_pb2.ErrorDetail()
    assert str(status.code) == headers["grpc-status"] and status.details[0].Unpack(detail), status
    return detail


def test_a_deadline_that_has_passed_means_not_applied(target):
    headers = nghttp(target.address, "LookupAccounts", ledger_pb2.LookupAccountsRequest(), "0n")
    assert headers["grpc-status"] == str(grpc.StatusCode.DEADLINE_EXCEEDED.value[0]), headers
    assert detail_of(headers) == errors_pb2.ErrorDetail(
        reason="TIMEOUT", outcome=errors_pb2.OUTCOME_NOT_APPLIED, retryable=True)


def test_the_answer_at_a_deadline_says_that_the_outcome_is_unknown():
    with ft.Playground() as playground, playground.channel() as channel:
        ledger = Ledger(channel)
        debit, credit = make_accounts(ledger, 2)
        items = [transfer(id, debit, credit, 1) for id in new_ids(3)]
        request = ledger_pb2.CreateTransfersRequest(transfers=items)
        for id in playground.pids():
            playground.kill_node(id, signal.SIGSTOP)
        headers = nghttp(playground.address, "CreateTransfers", request, "300m")
        for id in playground.pids():
            playground.kill_node(id, signal.SIGCONT)
        assert headers["grpc-status"] == str(grpc.StatusCode.DEADLINE_EXCEEDED.value[0]), headers
        assert "deadline" in headers["grpc-message"], headers
        assert detail_of(headers) == errors_pb2.ErrorDetail(
            reason="TIMEOUT_UNKNOWN", outcome=errors_pb2.OUTCOME_UNKNOWN, retryable=True)
        answer = ledger.create_transfers(items)
        assert set(statuses(answer)) <= set(transfers_are("CREATED", "EXISTS")), answer
        assert ledger.lookup_accounts([debit])[0].debits_posted == len(items)


def test_a_stopped_server_is_a_deadline_and_a_continued_one_answers():
    with ft.Dev() as dev, dev.channel() as channel:
        ledger = Ledger(channel)
        debit, credit = make_accounts(ledger, 2)
        dev.signal(signal.SIGSTOP)
        items = [transfer(new_ids(1)[0], debit, credit, 1)]
        error = failure(ledger.create_transfers, items, timeout=0.5)
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED, error
        dev.signal(signal.SIGCONT)
        answer = ledger.create_transfers(items, timeout=10)
        assert set(statuses(answer)) <= set(transfers_are("CREATED", "EXISTS")), answer
        assert ledger.lookup_accounts([debit])[0].debits_posted == 1


if __name__ == "__main__":
    ft.main(globals(), {"dev": ft.Dev, "playground": ft.Playground})
