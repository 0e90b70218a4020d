"""Holds and the four queries through grpcio, on `fenlu dev` and on a playground: every answer is
compared with a look at all records, kept by this program."""

import random

import grpc

import fenlu_test as ft
from fenlu_test import (Ledger, account, error_detail, errors_pb2, failure, id_bytes, id_number,
                        ledger_pb2, make_accounts, new_ids, statuses, transfer, transfers_are,
                        whole)

ROWS_MAX = 8190
U64_MAX = 2**64 - 1
AMOUNT_MAX = 2**128 - 1
TIMESTAMP_MAX = 2**63 - 1
PENDING = ledger_pb2.TRANSFER_FLAGS_PENDING
POST = ledger_pb2.TRANSFER_FLAGS_POST_PENDING_TRANSFER
VOID = ledger_pb2.TRANSFER_FLAGS_VOID_PENDING_TRANSFER
DEBITS = ledger_pb2.ACCOUNT_FILTER_FLAGS_DEBITS
CREDITS = ledger_pb2.ACCOUNT_FILTER_FLAGS_CREDITS
REVERSED = ledger_pb2.ACCOUNT_FILTER_FLAGS_REVERSED
SIDES = DEBITS | CREDITS
BALANCES = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")


class Books:
    """The same ledger once more, in plain Python: its own accounts, all transfers, and the balances
    of both accounts after each."""

    def __init__(self, ledger, account_count, number):
        self.ledger = ledger
        self.number = number  # of the ledger: nobody else's
        self.random = random.Random(number)
        self.transfers = []  # as the server has to show them
        self.rows = []  # (account id, timestamp, balances)
        self.balances = {}
        self.holds = {}
        self.accounts = [
            account(id, ledger=number, code=self.random.choice((1, 2)),
                    flags=0 if i == 0 else ledger_pb2.ACCOUNT_FLAGS_HISTORY, **self.user_data())
            for i, id in enumerate(new_ids(account_count))]
        for message, result in zip(self.accounts, ledger.create_accounts(self.accounts).results):
            assert result.status == ledger_pb2.ACCOUNT_STATUS_CREATED, result
            message.timestamp = result.timestamp
            self.balances[message.id] = dict.fromkeys(BALANCES, 0)

    def user_data(self):
        pick = self.random.choice
        return {"user_data_128": pick((b"", id_bytes(self.number << 64 | 1), id_bytes(7))),
                "user_data_64": pick((0, 5, U64_MAX)), "user_data_32": pick((0, 6))}

    def move(self, message, name, amount):
        for side, id in (("debits_", message.debit_account_id),
                         ("credits_", message.credit_account_id)):
            self.balances[id][side + name] += amount

    def take(self, message):
        """What the rules say of a transfer that was created."""
        amount = whole(message, "amount")
        if message.flags & (POST | VOID):
            hold = self.holds.pop(message.pending_id)
            pending = whole(hold, "amount")
            self.move(hold, "pending", -pending)
            if message.flags & VOID or amount == AMOUNT_MAX:
                amount = pending
            if message.flags & POST:
                self.move(hold, "posted", amount)
            message.amount, message.amount_hi = amount & U64_MAX, amount >> 64
            for field in ("debit_account_id", "credit_account_id", "user_data_128",
                          "user_data_64", "user_data_32", "ledger", "code"):
                setattr(message, field, getattr(message, field) or getattr(hold, field))
        else:
            self.move(message, "pending" if message.flags & PENDING else "posted", amount)
            if message.flags & PENDING:
                self.holds[message.id] = message
        self.transfers.append(message)
        for id in (message.debit_account_id, message.credit_account_id):
            self.rows.append((id, message.timestamp, dict(self.balances[id])))

    def create(self, messages):
        answer = self.ledger.create_transfers(messages)
        assert statuses(answer) == transfers_are("CREATED") * len(messages), answer
        for message, result in zip(messages, answer.results):
            message.timestamp = result.timestamp
            self.take(message)

    def new(self, amount, **fields):
        debit, credit = self.random.sample(self.accounts, 2)
        return transfer(new_ids(1)[0], debit.id, credit.id, amount, ledger=self.number,
                        code=self.random.choice((1, 2, 3)), **{**self.user_data(), **fields})

    def resolve(self, hold, flags, amount):
        return transfer(new_ids(1)[0], b"", b"", amount, ledger=0, code=0, flags=flags,
                        pending_id=hold.id)

    def expire(self, hold):
        """Waits until the server has let go of it."""
        id = hold.debit_account_id
        self.move(hold, "pending", -whole(self.holds.pop(hold.id), "amount"))
        ft.wait_until(lambda: shown(self.ledger.lookup_accounts([id])[0]) == self.balances[id],
                      "the hold expires", 10)

    def wanted_accounts(self):
        for message in self.accounts:
            for name, value in self.balances[message.id].items():
                setattr(message, name, value & U64_MAX)
                setattr(message, name + "_hi", value >> 64)
        return self.accounts


def shown(message):
    return {name: whole(message, name) for name in BALANCES}


def fill(ledger, number):
    """Transfers of every kind: holds that are posted, posted in part, voided, late and forgotten."""
    books = Books(ledger, 6, number)
    timed = books.new(10, flags=PENDING, timeout=1)
    kept = books.new(11, flags=PENDING, timeout=3600)
    books.create([timed, kept])
    for _ in range(12):
        holds = [books.new(books.random.randrange(20, 2**70), flags=PENDING) for _ in range(3)]
        books.create(holds + [books.new(books.random.randrange(1, 2**66)) for _ in range(5)])
        books.create([books.resolve(holds[0], POST, AMOUNT_MAX),
                      books.resolve(holds[1], POST, 7),
                      books.resolve(holds[2], VOID, 0)])
    books.expire(timed)
    late = books.resolve(timed, POST, AMOUNT_MAX)
    assert statuses(ledger.create_transfers([late])) == transfers_are("PENDING_TRANSFER_EXPIRED")
    books.create([books.new(3) for _ in range(10)])
    return books


# --- every record, looked at


def matches(message, query):
    return all(getattr(query, field) in (0, b"", getattr(message, field))
               for field in ("user_data_128", "user_data_64", "user_data_32", "code")) and (
        query.timestamp_min <= message.timestamp <= (query.timestamp_max or TIMESTAMP_MAX))


def side_matches(message, query):
    return (query.flags & DEBITS and message.debit_account_id == query.account_id
            or query.flags & CREDITS and message.credit_account_id == query.account_id)


def cut(rows, query, backwards):
    return list(reversed(rows) if backwards else rows)[:query.limit]


def check_account_filter(books, query):
    found = [t for t in books.transfers if matches(t, query) and side_matches(t, query)]
    backwards = query.flags & REVERSED
    answer = list(books.ledger.GetAccountTransfers(query, timeout=10).transfers)
    assert answer == cut(found, query, backwards), query
    history = any(a.id == query.account_id and a.flags & ledger_pb2.ACCOUNT_FLAGS_HISTORY
                  for a in books.accounts)
    times = {t.timestamp for t in found}
    rows = [(time, balances) for id, time, balances in books.rows
            if history and id == query.account_id and time in times]
    answer = books.ledger.GetAccountBalances(query, timeout=10).balances
    assert [(row.timestamp, shown(row)) for row in answer] == cut(rows, query, backwards), query
    return len(found)


def check_query_filter(books, query):
    backwards = query.flags & ledger_pb2.QUERY_FILTER_FLAGS_REVERSED
    found = [t for t in books.transfers if matches(t, query)]
    answer = list(books.ledger.QueryTransfers(query, timeout=10).transfers)
    assert answer == cut(found, query, backwards), query
    accounts = [a for a in books.wanted_accounts() if matches(a, query)]
    answer = list(books.ledger.QueryAccounts(query, timeout=10).accounts)
    assert answer == cut(accounts, query, backwards), query
    return len(found) + len(accounts)


def random_filter(books, filter_class, **fields):
    pick = books.random.choice
    times = sorted(pick(books.transfers + books.accounts).timestamp for _ in range(2))
    return filter_class(
        **{name: value for name, value in books.user_data().items() if pick((0, 0, 1))},
        code=pick((0, 0, 1, 2, 3)), timestamp_min=pick((0, times[0])),
        timestamp_max=pick((0, times[1])), limit=pick((1, 5, 100, ROWS_MAX, 2**32 - 1)), **fields)


# --- the tests


def test_queries_find_what_a_look_at_all_records_finds(target):
    with target.channel() as channel:
        books = fill(Ledger(channel), 1001 if isinstance(target, ft.Dev) else 1002)
        rows = 0
        for turn in range(150):
            flags = SIDES if turn < 12 else books.random.choice((DEBITS, CREDITS, SIDES))
            query = random_filter(books, ledger_pb2.AccountFilter,
                                  account_id=books.random.choice(books.accounts).id,
                                  flags=flags | books.random.choice((0, REVERSED)))
            rows += check_account_filter(books, query)
            query = random_filter(books, ledger_pb2.QueryFilter, ledger=books.number,
                                  flags=turn % 2)
            rows += check_query_filter(books, query)
        assert rows > 1000, "the filters found next to nothing"
        for one in books.accounts:  # and everything there is, both ways
            for flags in (SIDES, SIDES | REVERSED):
                check_account_filter(books, ledger_pb2.AccountFilter(
                    account_id=one.id, flags=flags, limit=ROWS_MAX))


def test_queries_stale_and_at_followers(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        debit, credit = make_accounts(ledger, 2)
        query = ledger_pb2.AccountFilter(account_id=id_bytes(credit), flags=SIDES, limit=10)
        for count in range(1, 9):  # sees what was acknowledged, whoever answers
            id = new_ids(1)[0]
            ledger.create_transfers([transfer(id, debit, credit, 1)])
            answer = ledger.GetAccountTransfers(query, timeout=10,
                                                metadata=[("fenlu-read", "follower")])
            assert len(answer.transfers) == count and id_number(answer.transfers[-1].id) == id
        ft.wait_until(lambda: len(ledger.GetAccountTransfers(
            query, timeout=10, metadata=[("fenlu-read", "stale")]).transfers) == 8, "stale", 10)


def test_pages_and_the_largest_answer(target):
    with target.channel() as channel:
        ledger = Ledger(channel, timeout=60)
        debit, credit = make_accounts(ledger, 2)
        ids = new_ids(ROWS_MAX + 10)
        for part in (ids[:ROWS_MAX], ids[ROWS_MAX:]):
            answer = ledger.create_transfers([transfer(id, debit, credit, 1) for id in part])
            assert statuses(answer) == transfers_are("CREATED") * len(part)
        query = ledger_pb2.AccountFilter(account_id=id_bytes(debit), flags=DEBITS, limit=ROWS_MAX + 1)
        first = ledger.GetAccountTransfers(query, timeout=60).transfers
        assert [id_number(t.id) for t in first] == ids[:ROWS_MAX]
        query.timestamp_min = first[-1].timestamp + 1
        rest = ledger.GetAccountTransfers(query, timeout=60).transfers
        assert [id_number(t.id) for t in rest] == ids[ROWS_MAX:]
        # Many large ones at once are answered in turn, and what is posted meanwhile does not wait.
        query.timestamp_min = 0
        futures = [ledger.GetAccountTransfers.future(query, timeout=120) for _ in range(36)]
        extra = transfer(new_ids(1)[0], credit, debit, 1)
        assert statuses(ledger.create_transfers([extra])) == transfers_are("CREATED")
        for future in futures:
            assert len(future.result().transfers) == ROWS_MAX


def test_what_nothing_can_match_has_no_rows(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        debit, credit = make_accounts(ledger, 2)
        ledger.create_transfers([transfer(new_ids(1)[0], debit, credit, 1)])
        good = {"account_id": id_bytes(debit), "flags": SIDES, "limit": 5}
        assert len(ledger.GetAccountTransfers(ledger_pb2.AccountFilter(**good)).transfers) == 1
        for change in ({"account_id": b""}, {"account_id": b"\xff" * 16}, {"flags": 0},
                       {"flags": REVERSED}, {"limit": 0}, {"account_id": id_bytes(new_ids(1)[0])}):
            query = ledger_pb2.AccountFilter(**{**good, **change})
            assert not ledger.GetAccountTransfers(query, timeout=10).transfers, change
            assert not ledger.GetAccountBalances(query, timeout=10).balances, change
        for call in (ledger.QueryTransfers, ledger.QueryAccounts):
            assert call(ledger_pb2.QueryFilter(limit=0), timeout=10).ByteSize() == 0
            assert call(ledger_pb2.QueryFilter(limit=5, ledger=2**32 - 1), timeout=10).ByteSize() == 0


def test_what_cannot_be_meant_is_refused_by_name(target):
    account_calls = ("GetAccountTransfers", "GetAccountBalances")
    query_calls = ("QueryTransfers", "QueryAccounts")
    cases = [
        (account_calls, {"flags": 8}, "flags", "0x8"),
        (account_calls, {"flags": 2**31 | SIDES}, "flags", "0x80000003"),
        (query_calls, {"flags": 2}, "flags", "0x2"),
        (account_calls, {"account_id": b"x" * 15}, "account_id", "15 bytes"),
        (account_calls + query_calls, {"user_data_128": b"x" * 17}, "user_data_128", "17 bytes"),
        (account_calls + query_calls, {"code": 65536}, "code", "65536, limit 65535"),
        (account_calls + query_calls, {"timestamp_min": 2**63}, "timestamp_min",
         f"{2**63}, limit {TIMESTAMP_MAX}"),
        (account_calls + query_calls, {"timestamp_max": U64_MAX}, "timestamp_max",
         f"{U64_MAX}, limit {TIMESTAMP_MAX}"),
        (account_calls + query_calls, {"timestamp_min": 9, "timestamp_max": 8}, "timestamp_min",
         "9, limit 8"),
    ]
    with target.channel() as channel:
        ledger = Ledger(channel)
        for calls, fields, field, text in cases:
            for name in calls:
                filter_class = (ledger_pb2.AccountFilter if name in account_calls
                                else ledger_pb2.QueryFilter)
                error = failure(getattr(ledger, name), filter_class(limit=1, **fields), timeout=10)
                assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, (name, fields, error)
                assert text in error.details(), (text, error.details())
                assert error_detail(error) == errors_pb2.ErrorDetail(
                    reason="INVALID", outcome=errors_pb2.OUTCOME_NOT_APPLIED, field=field), error


def test_closing_and_balancing_pass_through(target):
    """The flags that other tests do not use reach the ledger and come back."""
    with target.channel() as channel:
        ledger = Ledger(channel)
        debit, credit = make_accounts(ledger, 2)
        funds, moved, closing, refused, reopening = new_ids(5)
        balancing = ledger_pb2.TRANSFER_FLAGS_BALANCING_DEBIT
        closes = PENDING | ledger_pb2.TRANSFER_FLAGS_CLOSING_DEBIT
        answer = ledger.create_transfers([
            transfer(funds, credit, debit, 30),
            transfer(moved, debit, credit, 100, flags=balancing),
            transfer(closing, debit, credit, 0, flags=closes),
            transfer(refused, debit, credit, 1),
        ])
        assert statuses(answer) == transfers_are("CREATED", "CREATED", "CREATED",
                                                 "DEBIT_ACCOUNT_ALREADY_CLOSED"), answer
        found = ledger.lookup_transfers([moved, closing])
        assert [(t.amount, t.flags) for t in found] == [(30, balancing), (0, closes)]
        assert ledger.lookup_accounts([debit])[0].flags == ledger_pb2.ACCOUNT_FLAGS_CLOSED
        answer = ledger.create_transfers([transfer(reopening, b"", b"", 0, ledger=0, code=0,
                                                   flags=VOID, pending_id=id_bytes(closing))])
        assert statuses(answer) == transfers_are("CREATED"), answer
        assert ledger.lookup_accounts([debit])[0].flags == 0


if __name__ == "__main__":
    ft.main(globals(), {"dev": ft.Dev, "playground": ft.Playground})
