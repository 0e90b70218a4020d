"""The trial balance and balances as of a time through grpcio, on `fenlu dev` and on a playground:
every answer is compared with what this program keeps of each moment."""

import json
import os
import random

import grpc

import fenlu_test as ft
from fenlu_test import (Ledger, account, error_detail, errors_pb2, failure, id_bytes, ledger_pb2,
                        new_ids, transfer, whole)

PENDING = ledger_pb2.TRANSFER_FLAGS_PENDING
POST = ledger_pb2.TRANSFER_FLAGS_POST_PENDING_TRANSFER
VOID = ledger_pb2.TRANSFER_FLAGS_VOID_PENDING_TRANSFER
HISTORY = ledger_pb2.ACCOUNT_FLAGS_HISTORY
BALANCES = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")


def trial(stub, **fields):
    """{(ledger, code): (accounts, the four sums)}"""
    rows = stub.GetTrialBalance(ledger_pb2.TrialBalanceFilter(**fields), timeout=20).rows
    pairs = [(row.ledger, row.code) for row in rows]
    assert pairs == sorted(set(pairs)), pairs
    return {(row.ledger, row.code): (row.accounts, *(whole(row, name) for name in BALANCES))
            for row in rows}


def as_of(ledger, ids, time_ns):
    request = ledger_pb2.GetAccountBalancesAsOfRequest(account_ids=ids, as_of=time_ns)
    return ledger.GetAccountBalancesAsOf(request, timeout=20).balances


class Books:
    """Accounts of one ledger in three codes, and their balances after each transfer."""

    def __init__(self, ledger, number):
        self.ledger = ledger
        self.number = number
        self.random = random.Random(number)
        self.balances = {}
        self.codes = {}
        self.moments = []  # (timestamp, balances of all)
        self.holds = []
        accounts = [account(id, ledger=number, code=10 * (1 + i % 3), flags=HISTORY)
                    for i, id in enumerate(new_ids(9))]
        for message, result in zip(accounts, ledger.create_accounts(accounts).results):
            assert result.status == ledger_pb2.ACCOUNT_STATUS_CREATED, result
            self.balances[message.id] = dict.fromkeys(BALANCES, 0)
            self.codes[message.id] = message.code
        self.created = result.timestamp

    def post(self, count):
        batch = []
        for id in new_ids(count):
            kind = self.random.randrange(4)
            if kind == 0 and self.holds:
                hold = self.holds.pop()
                flags = self.random.choice((POST, VOID))
                amount = self.random.randrange(hold.amount + 1) if flags == POST else 0
                message = transfer(id, b"", b"", amount, ledger=0, code=0, flags=flags,
                                   pending_id=hold.id)
                batch.append((message, hold))
                continue
            debit, credit = self.random.sample(list(self.balances), 2)
            message = transfer(id, debit, credit, self.random.randrange(1, 1000),
                               ledger=self.number, flags=PENDING if kind == 1 else 0)
            batch.append((message, None))
        holds = [message for message, hold in batch if message.flags == PENDING]
        answer = self.ledger.create_transfers([message for message, _ in batch])
        for (message, hold), result in zip(batch, answer.results):
            assert result.status == ledger_pb2.TRANSFER_STATUS_CREATED, result
            self.take(message, hold)
            self.moments.append((result.timestamp,
                                 {id: dict(row) for id, row in self.balances.items()}))
        self.holds += holds

    def take(self, message, hold):
        named = hold or message
        debit = self.balances[named.debit_account_id]
        credit = self.balances[named.credit_account_id]
        if hold is not None:
            debit["debits_pending"] -= hold.amount
            credit["credits_pending"] -= hold.amount
        if message.flags != VOID:
            kind = "pending" if message.flags == PENDING else "posted"
            debit["debits_" + kind] += message.amount
            credit["credits_" + kind] += message.amount

    def expected(self, moment):
        rows = {}
        for id, balances in moment.items():
            row = rows.setdefault((self.number, self.codes[id]), [0] * 5)
            row[0] += 1
            for i, name in enumerate(BALANCES):
                row[1 + i] += balances[name]
        return {pair: tuple(row) for pair, row in rows.items()}


def test_every_moment_can_be_asked_for(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        books = Books(ledger, random.SystemRandom().randrange(10**6, 2**32))
        for _ in range(12):
            books.post(25)
        assert trial(ledger, ledger=books.number) == books.expected(books.moments[-1][1])
        assert trial(ledger, ledger=books.number, as_of=books.created - 9) == {}
        nothing = {id: dict.fromkeys(BALANCES, 0) for id in books.balances}
        assert trial(ledger, ledger=books.number, as_of=books.created) == books.expected(nothing)
        for timestamp, moment in books.random.sample(books.moments, 40):
            expected = books.expected(moment)
            assert trial(ledger, ledger=books.number, as_of=timestamp) == expected
            ids = books.random.sample(list(books.balances), 4)
            rows = as_of(ledger, ids, timestamp)
            assert [row.account_id for row in rows] == ids
            for row in rows:
                assert {name: whole(row, name) for name in BALANCES} == moment[row.account_id]
                assert books.created - 9 <= row.timestamp <= timestamp
                assert row.ledger == books.number
        whole_trial = trial(ledger)
        for number in {pair[0] for pair in whole_trial}:
            sums = [sum(row[i] for pair, row in whole_trial.items() if pair[0] == number)
                    for i in range(5)]
            assert sums[1] == sums[3] and sums[2] == sums[4], (number, sums)


def test_rows_come_in_pages_and_by_code(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        books = Books(ledger, random.SystemRandom().randrange(10**6, 2**32))
        books.post(30)
        timestamp, moment = books.moments[17]
        for time_ns, rows in ((0, books.balances), (timestamp, moment)):
            everything = books.expected(rows)
            pages = {}
            after = (0, 0)
            while True:
                page = trial(ledger, ledger=books.number, limit=1, as_of=time_ns,
                             after_ledger=after[0], after_code=after[1])
                if not page:
                    break
                [after] = page
                pages.update(page)
            assert pages == everything
            pair = (books.number, 20)
            assert trial(ledger, ledger=books.number, code=20, as_of=time_ns) == {
                pair: everything[pair]}


def test_an_expiry_counts_from_its_own_time(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        number = random.SystemRandom().randrange(10**6, 2**32)
        debit, credit, hold = (id_bytes(id) for id in new_ids(3))
        ledger.create_accounts([account(id, ledger=number, flags=HISTORY)
                                for id in (debit, credit)])
        answer = ledger.create_transfers([transfer(hold, debit, credit, 5, ledger=number,
                                                   flags=PENDING, timeout=1)])
        held = answer.results[0].timestamp
        [row] = as_of(ledger, [debit], 0)
        assert row.debits_pending == 5 and row.timestamp == held
        ft.wait_until(lambda: as_of(ledger, [debit], 0)[0].debits_pending == 0, "the expiry")
        [row] = as_of(ledger, [debit], 0)
        assert row.timestamp >= held + 10**9
        [before] = as_of(ledger, [debit], row.timestamp - 1)
        assert before.debits_pending == 5
        assert trial(ledger, ledger=number, as_of=row.timestamp - 1)[number, 1][1] == 5
        assert trial(ledger, ledger=number, as_of=row.timestamp)[number, 1][1] == 0


def test_what_cannot_be_told_is_refused_by_name(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        good, plain, unknown = (id_bytes(id) for id in new_ids(3))
        ledger.create_accounts([account(good, flags=HISTORY), account(plain)])
        assert [row.account_id for row in as_of(ledger, [unknown, good], 0)] == [good]
        assert not as_of(ledger, [], 0)
        request = ledger_pb2.GetAccountBalancesAsOfRequest
        filter_class = ledger_pb2.TrialBalanceFilter
        cases = [
            (ledger.GetAccountBalancesAsOf, request(account_ids=[good, unknown, plain]),
             "account_ids[2]", "flag HISTORY"),
            (ledger.GetAccountBalancesAsOf, request(account_ids=[good, b"x"]), "account_ids[1]",
             "1 bytes"),
            (ledger.GetAccountBalancesAsOf, request(account_ids=[good], as_of=2**63), "as_of",
             f"{2**63}, limit {2**63 - 1}"),
            (ledger.GetAccountBalancesAsOf, request(account_ids=[good] * 8191), "account_ids",
             "limit 8190"),
            (ledger.GetTrialBalance, filter_class(as_of=2**63), "as_of", f"limit {2**63 - 1}"),
            (ledger.GetTrialBalance, filter_class(code=65536), "code", "65536, limit 65535"),
        ]
        for call, message, field, text in cases:
            error = failure(call, message, timeout=10)
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, (field, error)
            assert text in error.details(), (text, error.details())
            assert error_detail(error) == errors_pb2.ErrorDetail(
                reason="INVALID", outcome=errors_pb2.OUTCOME_NOT_APPLIED, field=field), error


def sealed(dev):
    """Whether the checkpoint has come up to what is applied."""
    node = json.loads(ft.run_fenlu("status", "--json", "--target", dev.address).stdout)["nodes"][0]
    return node["checkpoint_index"] > 0 and node["checkpoint_index"] == node["applied_index"]


def test_the_books_of_a_stopped_server_are_audited():
    with ft.Dev() as dev:
        with dev.channel() as channel:
            ledger = Ledger(channel)
            books = Books(ledger, 77)
            for _ in range(4):
                books.post(20)
        asked = ft.run_fenlu("admin", "snapshot", "--target", dev.address)
        assert asked.returncode == 0, asked
        ft.wait_until(lambda: sealed(dev), "a checkpoint of all that was posted")
        running = ft.run_fenlu("audit", "--data", dev.data)
        assert running.returncode == 1 and "in use" in running.stderr, running
        dev.stop()
        answer = ft.run_fenlu("audit", "--data", dev.data)
        assert answer.returncode == 0, answer
        assert "9 accounts, 80 transfers" in answer.stdout, answer.stdout
        assert "books: 0 differences" in answer.stdout, answer.stdout
        summary = json.loads(ft.run_fenlu("audit", "--json", "--store",
                                          os.path.join(dev.data, "db")).stdout)
        assert summary["transfers"] == 80 and summary["differences"] == 0, summary
        assert summary["trial_rows"] == 3 and summary["ledgers"] == 1, summary


if __name__ == "__main__":
    ft.main(globals(), {"dev": ft.Dev, "playground": ft.Playground})
