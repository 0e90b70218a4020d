"""Holds with several captures, calls with a time after which they do nothing, the definite outcome of
ids, and pages of queries, through grpcio on `fenlu dev` and on a playground."""

import time

import grpc

import fenlu_test as ft
from fenlu_test import (Ledger, error_detail, errors_pb2, failure, id_bytes, ledger_pb2,
                        make_accounts, new_ids, statuses, transfer, transfers_are, whole)

AMOUNT_MAX = 2**128 - 1
PENDING = ledger_pb2.TRANSFER_FLAGS_PENDING
VOID = ledger_pb2.TRANSFER_FLAGS_VOID_PENDING_TRANSFER
CAPTURE = ledger_pb2.TRANSFER_FLAGS_CAPTURE_PENDING_TRANSFER
REVERSED = ledger_pb2.QUERY_FILTER_FLAGS_REVERSED
HISTORY = ledger_pb2.ACCOUNT_FLAGS_HISTORY
SIDES = ledger_pb2.ACCOUNT_FILTER_FLAGS_DEBITS | ledger_pb2.ACCOUNT_FILTER_FLAGS_CREDITS


def second(hold, amount, flags=CAPTURE, id=None):
    return transfer(id or new_ids(1)[0], b"", b"", amount, ledger=0, code=0, flags=flags,
                    pending_id=id_bytes(hold))


def look(ledger, *holds):
    request = ledger_pb2.LookupHoldsRequest(ids=[id_bytes(id) for id in holds])
    return [(ledger_pb2.HoldState.Name(hold.state)[len("HOLD_STATE_"):],
             whole(hold, "captured"), whole(hold, "remaining"))
            for hold in ledger.LookupHolds(request, timeout=10).holds]


def test_a_hold_is_captured_in_parts(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        debit, credit = make_accounts(ledger, 2)
        hold, large, short, plain = new_ids(4)
        ledger.create_transfers([transfer(hold, debit, credit, 100, flags=PENDING),
                                 transfer(large, debit, credit, 2**100, flags=PENDING),
                                 transfer(short, debit, credit, 10, flags=PENDING, timeout=1),
                                 transfer(plain, debit, credit, 1)])
        answer = ledger.create_transfers([second(hold, 30), second(hold, 71), second(hold, 20),
                                          second(large, 2**99), second(short, 4)])
        assert statuses(answer) == transfers_are(
            "CREATED", "EXCEEDS_PENDING_TRANSFER_AMOUNT", "CREATED", "CREATED", "CREATED"), answer
        assert look(ledger, hold, plain, large, 12345) == [("PENDING", 50, 50),
                                                          ("PENDING", 2**99, 2**99)]
        again = second(hold, 10)
        assert statuses(ledger.create_transfers([again, again])) == transfers_are("CREATED", "EXISTS")
        answer = ledger.create_transfers([second(hold, 0, VOID), second(large, AMOUNT_MAX),
                                          second(hold, 1)])
        assert statuses(answer) == transfers_are("CREATED", "CREATED",
                                                 "PENDING_TRANSFER_ALREADY_VOIDED"), answer
        assert look(ledger, hold, large) == [("VOIDED", 60, 0), ("POSTED", 2**100, 0)]
        ft.wait_until(lambda: look(ledger, short) == [("EXPIRED", 4, 0)], "the hold expires", 10)
        account = ledger.lookup_accounts([debit])[0]
        assert (account.debits_pending, account.debits_pending_hi) == (0, 0), account
        assert whole(account, "debits_posted") == 60 + 2**100 + 4 + 1, account


def test_a_call_that_comes_too_late_does_nothing(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        debit, credit = make_accounts(ledger, 2)
        late, early = new_ids(2)
        now = ledger.create_transfers([transfer(early, debit, credit, 1)],
                                      metadata=[("fenlu-not-after", str(2**63 - 1))])
        assert statuses(now) == transfers_are("CREATED"), now
        before = str(now.results[0].timestamp)
        answer = ledger.create_transfers([transfer(late, debit, credit, 1), transfer(0, 0, 0, 0)],
                                         metadata=[("fenlu-not-after", before)])
        assert statuses(answer) == transfers_are("NOT_AFTER_PASSED") * 2, answer
        answer = ledger.create_accounts([ft.account(new_ids(1)[0])],
                                        metadata=[("fenlu-not-after", before)])
        assert answer.results[0].status == ledger_pb2.ACCOUNT_STATUS_NOT_AFTER_PASSED, answer
        soon = str(time.time_ns() + 60 * 10**9)
        answer = ledger.create_transfers([transfer(late, debit, credit, 1)],
                                         metadata=[("fenlu-not-after", soon)])
        assert statuses(answer) == transfers_are("CREATED"), answer
        for name, value in (("fenlu-not-after", soon), ("fenlu-read", "stale")):
            error = failure(ledger.LookupAccounts, ledger_pb2.LookupAccountsRequest(), timeout=10,
                            metadata=[(name, value), (name, value)])
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, error
            assert error.details() == f"metadata {name}: given 2 times, limit 1", error
        # The same by a field of the message.
        (later,) = new_ids(1)
        items = [transfer(later, debit, credit, 1)]
        for bound, name in ((int(before), "NOT_AFTER_PASSED"), (int(soon), "CREATED"),
                            (int(before), "NOT_AFTER_PASSED"), (0, "EXISTS")):
            request = ledger_pb2.CreateTransfersRequest(transfers=items, not_after=bound)
            assert statuses(ledger.CreateTransfers(request, timeout=10)) == transfers_are(name)
        request.not_after = int(soon)
        both = ledger.CreateTransfers(request, timeout=10, metadata=[("fenlu-not-after", soon)])
        assert statuses(both) == transfers_are("EXISTS"), both
        for bound, metadata, text in (
                (int(soon), [("fenlu-not-after", before)], f"{soon}, but the metadata"),
                (2**63, [], f"{2**63}, limit {2**63 - 1}")):
            request.not_after = bound
            error = failure(ledger.CreateTransfers, request, timeout=10, metadata=metadata)
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, error
            assert error_detail(error).field == "not_after" and text in error.details(), error
        calls = [(ledger.CreateTransfers, ledger_pb2.CreateTransfersRequest(), text)
                 for text in ("0", "-1", "soon", str(2**63), "")]
        calls.append((ledger.LookupAccounts, ledger_pb2.LookupAccountsRequest(), "5"))
        for call, request, text in calls:
            error = failure(call, request, timeout=10, metadata=[("fenlu-not-after", text)])
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, error
            assert error_detail(error) == errors_pb2.ErrorDetail(
                reason="INVALID", outcome=errors_pb2.OUTCOME_NOT_APPLIED,
                field="fenlu-not-after"), error


def test_every_call_that_writes_has_a_time_after_which_it_does_nothing(target):
    """What each of them answers when it comes too late: nothing but that, as often as items."""
    with target.channel() as channel:
        for module, service, calls in (
                (ledger_pb2, "Ledger", {"CreateAccounts": "accounts", "CreateTransfers": "transfers",
                                        "Resolve": "ids", "PostJournal": "legs",
                                        "ReverseJournal": None}),
                (ft.controls_pb2, "Controls", {"PlaceFreezes": "freezes", "SetLimits": "limits",
                                               "ReleaseFreezes": "releases",
                                               "SetGroupMembers": "members"}),
                (ft.registry_pb2, "Registry", {"CreateLedgers": "ledgers", "SetMode": None,
                                               "CreateAccountCodes": "codes"}),
                (ft.metadata_pb2, "Metadata", {"SetMetadata": "delete"})):
            methods = module.DESCRIPTOR.services_by_name[service].methods_by_name
            writes = {name for name, method in methods.items()
                      if "not_after" in method.input_type.fields_by_name}
            assert writes == set(calls), (service, writes)
            for name, items in calls.items():
                kind = methods[name].input_type
                request = getattr(module, kind.name)(not_after=1)
                if items in ("ids", "delete"):
                    getattr(request, items).append(b"x" * 16 if items == "ids" else "key")
                elif items is not None:
                    getattr(request, items).add()
                if name == "SetLimits":
                    request.limits[0].account_id = b"x" * 16
                if name == "SetMetadata":
                    request.target = 1
                call = ft.unary(channel, f"/fenlu.v1.{service}/{name}", type(request),
                                getattr(module, methods[name].output_type.name))
                answer = call(request, timeout=10)
                found = {answer.status} if hasattr(answer, "status") else set(statuses(answer))
                assert found == {200}, (name, answer)


def resolved(ledger, ids, fence):
    request = ledger_pb2.ResolveRequest(ids=[id_bytes(id) for id in ids], fence=fence)
    answer = ledger.Resolve(request, timeout=10)
    assert answer.log_index > 0
    return [(ledger_pb2.ResolveStatus.Name(r.status)[len("RESOLVE_STATUS_"):],
             ledger_pb2.TransferStatus.Name(r.reason)[len("TRANSFER_STATUS_"):], r.timestamp)
            for r in answer.results]


def test_an_id_has_a_definite_outcome(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        debit, credit = make_accounts(ledger, 2)
        created, failed, free, unused = new_ids(4)
        answer = ledger.create_transfers([transfer(created, debit, credit, 1),
                                          transfer(failed, debit, new_ids(1)[0], 1),
                                          transfer(free, debit, credit, 1, code=0)])
        when = answer.results[0].timestamp
        ids = [created, failed, free, unused]
        for fence, last in ((False, "UNKNOWN"), (True, "NEVER_APPLIED"), (False, "NEVER_APPLIED")):
            found = resolved(ledger, ids, fence)
            assert found[0] == ("CREATED", "UNSPECIFIED", when), found
            assert found[1][:2] == ("FAILED", "CREDIT_ACCOUNT_NOT_FOUND"), found
            assert [row[:2] for row in found[2:]] == [(last, "UNSPECIFIED")] * 2, found
        answer = ledger.create_transfers([transfer(free, debit, credit, 1),
                                          transfer(unused, debit, credit, 1)])
        assert statuses(answer) == transfers_are("ID_ALREADY_FAILED") * 2, answer
        assert [row[0] for row in resolved(ledger, [0, AMOUNT_MAX], True)] == [
            "ID_MUST_NOT_BE_ZERO", "ID_MUST_NOT_BE_INT_MAX"]
        assert not ledger.Resolve(ledger_pb2.ResolveRequest(fence=True), timeout=10).results


def pages(call, rows, query, between=None):
    """All rows, page by page."""
    found = []
    while True:
        answer = call(query, timeout=30)
        found.append(list(getattr(answer, rows)))
        if not answer.next_page:
            return found
        query.page = answer.next_page
        if between is not None:
            between()


def test_pages_go_beyond_the_largest_answer(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        number = 0x700 + len(target.__class__.__name__)
        debit, credit, idle = new_ids(3)
        ledger.create_accounts([ft.account(id, ledger=number, flags=HISTORY)
                                for id in (debit, credit, idle)])

        def more(count):
            ledger.create_transfers([transfer(id, debit, credit, 1, ledger=number)
                                     for id in new_ids(count)])

        for count in (8190, 8190, 20):
            more(count)
        query = ledger_pb2.QueryFilter(ledger=number, limit=8190)
        # What is created between two pages is in none of them.
        found = pages(ledger.QueryTransfers, "transfers", query, between=lambda: more(7))
        assert [len(page) for page in found] == [8190, 8190, 20], [len(page) for page in found]
        times = [row.timestamp for page in found for row in page]
        assert times == sorted(set(times))
        query = ledger_pb2.QueryFilter(ledger=number, limit=8190, flags=REVERSED,
                                       timestamp_max=times[-1])
        found = pages(ledger.QueryTransfers, "transfers", query)
        assert [row.timestamp for page in found for row in page] == times[::-1]
        for call, rows in ((ledger.GetAccountTransfers, "transfers"),
                           (ledger.GetAccountBalances, "balances")):
            query = ledger_pb2.AccountFilter(account_id=id_bytes(credit), flags=SIDES, limit=5000,
                                             timestamp_max=times[-1])
            found = pages(call, rows, query)
            assert [row.timestamp for page in found for row in page] == times
        query = ledger_pb2.QueryFilter(ledger=number, limit=1)
        found = pages(ledger.QueryAccounts, "accounts", query)
        # The last one was full, and nothing is behind it.
        assert [len(page) for page in found] == [1, 1, 1, 0]
        assert [page[0].id for page in found[:3]] == [id_bytes(id) for id in (debit, credit, idle)]


def test_pages_of_other_calls_are_refused_by_name(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        debit, credit = make_accounts(ledger, 2)
        ledger.create_transfers([transfer(id, debit, credit, 1) for id in new_ids(3)])
        good = {"account_id": id_bytes(debit), "flags": SIDES, "limit": 1}
        page = ledger.GetAccountTransfers(ledger_pb2.AccountFilter(**good), timeout=10).next_page
        assert len(page) == 32
        longer = ledger_pb2.AccountFilter(**{**good, "limit": 9, "page": page})
        assert len(ledger.GetAccountTransfers(longer, timeout=10).transfers) == 2
        cases = [({"page": page[:-1]}, "page: 31 bytes, expected 32 or none"),
                 ({"page": page[:-1] + bytes([page[-1] ^ 1])}, "page: its checksum does not fit"),
                 ({"page": page, "code": 1}, "page: of another call"),
                 ({"page": page, "account_id": id_bytes(credit)}, "page: of another call")]
        for fields, text in cases:
            error = failure(ledger.GetAccountTransfers,
                            ledger_pb2.AccountFilter(**{**good, **fields}), timeout=10)
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, error
            assert error.details().startswith(text), error.details()
            assert error_detail(error).field == "page", error
        error = failure(ledger.GetAccountBalances,
                        ledger_pb2.AccountFilter(**{**good, "page": page}), timeout=10)
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, error


if __name__ == "__main__":
    ft.main(globals(), {"dev": ft.Dev, "playground": ft.Playground})
