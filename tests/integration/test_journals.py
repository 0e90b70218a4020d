"""Journals through grpcio: posted, refused, told again, reversed, found; on `fenlu dev` with small seals,
killed and replayed, and on a playground whose leader is killed between two tries of one journal."""

import random

import grpc

import fenlu_test as ft
from fenlu_test import (Dev, Ledger, Playground, error_detail, failure, id_bytes, id_number,
                        ledger_pb2, make_accounts, metadata_pb2, new_ids, transfer, transfers_are,
                        whole)

LEGS_MAX = 1000
PENDING = ledger_pb2.TRANSFER_FLAGS_PENDING
LIMITED = ledger_pb2.ACCOUNT_FLAGS_DEBITS_MUST_NOT_EXCEED_CREDITS
REVERSED = ledger_pb2.QUERY_FILTER_FLAGS_REVERSED
U64_MAX = 2**64 - 1
TIMESTAMP_MAX = 2**63 - 1


def status(name):
    return getattr(ledger_pb2, "JOURNAL_STATUS_" + name)


def journal_ids(count):
    """Their low 16 bits are zero: legs get the ids behind them."""
    return [id << 16 for id in new_ids(count)]


def leg(debit, credit, amount, **fields):
    return transfer(0, debit, credit, amount, **{"code": 1, **fields, "ledger": 1})


def without_id(message):
    message.id = b""
    return message


def request(id, legs, kind=1, date=20261231, **fields):
    return ledger_pb2.PostJournalRequest(id=id_bytes(id), kind=kind, business_date=date,
                                         legs=[without_id(one) for one in legs], **fields)


def post(ledger, message):
    return ledger.PostJournal(message, timeout=ft.CALL_TIMEOUT)


def reverse(ledger, id, journal_id, date=20270104, **fields):
    return ledger.ReverseJournal(
        ledger_pb2.ReverseJournalRequest(id=id_bytes(id), journal_id=id_bytes(journal_id),
                                         business_date=date, **fields), timeout=ft.CALL_TIMEOUT)


def get(ledger, id):
    answer = ledger.GetJournal(ledger_pb2.GetJournalRequest(id=id_bytes(id)),
                               timeout=ft.CALL_TIMEOUT)
    return answer.journal if answer.HasField("journal") else None


def query(ledger, **fields):
    answer = ledger.QueryJournals(ledger_pb2.JournalFilter(**fields), timeout=ft.CALL_TIMEOUT)
    return [id_number(journal.id) for journal in answer.journals]


def legs_are(answer, *names):
    assert [result.status for result in answer.legs] == transfers_are(*names), answer


def refused(call, message, field, *words):
    error = failure(call, message, timeout=ft.CALL_TIMEOUT)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
    assert error_detail(error).field == field, error
    for word in words:
        assert word in error.details(), error


def check_post(ledger):
    a, b, c = make_accounts(ledger, 3)
    id = journal_ids(1)[0]
    message = request(id, [leg(a, b, 100, user_data_64=9), leg(a, c, 2**70), leg(b, c, 1)],
                      kind=7, reference=id_bytes(900), user_data_128=id_bytes(5), user_data_64=6,
                      user_data_32=7)
    answer = post(ledger, message)
    assert answer.status == status("CREATED") and answer.log_index > 0, answer
    legs_are(answer, "CREATED", "CREATED", "CREATED")
    assert [one.timestamp - answer.timestamp for one in answer.legs] == [1, 2, 3]
    found = get(ledger, id)
    assert (id_number(found.id), found.kind, found.business_date) == (id, 7, 20261231), found
    assert (id_number(found.reference), id_number(found.user_data_128), found.user_data_64,
            found.user_data_32, found.timestamp) == (900, 5, 6, 7, answer.timestamp)
    assert (found.leg_count, found.pending_leg_count) == (3, 0)
    assert found.reverses == b"" and found.reversed_by == b""
    assert [id_number(one.id) for one in found.legs] == [id + 1, id + 2, id + 3]
    assert [whole(one, "amount") for one in found.legs] == [100, 2**70, 1]
    assert list(ledger.lookup_transfers([id + 1, id + 2, id + 3])) == list(found.legs)
    assert get(ledger, id + 1) is None
    again = post(ledger, message)
    assert (again.status, again.timestamp) == (status("EXISTS"), answer.timestamp), again
    assert [one.timestamp for one in again.legs] == [one.timestamp for one in answer.legs]
    legs_are(again, "EXISTS", "EXISTS", "EXISTS")
    message.legs[1].amount = 1
    other = post(ledger, message)
    assert other.status == status("EXISTS_WITH_DIFFERENT_LEGS"), other
    legs_are(other, "EXISTS", "EXISTS_WITH_DIFFERENT_AMOUNT", "EXISTS")
    message.reference = id_bytes(901)
    other = post(ledger, message)
    assert other.status == status("EXISTS_WITH_DIFFERENT_REFERENCE"), other
    legs_are(other, *["LINKED_EVENT_FAILED"] * 3)


def check_net(ledger):
    """Limits are looked at after the last leg, and what one leg cannot do none does."""
    (limited,) = make_accounts(ledger, 1, flags=LIMITED)
    other, = make_accounts(ledger, 1)
    first, second, third = journal_ids(3)
    answer = post(ledger, request(first, [leg(limited, other, 10), leg(other, limited, 10)]))
    assert answer.status == status("CREATED"), answer
    beyond = request(second, [leg(other, limited, 9), leg(limited, other, 4),
                              leg(limited, other, 6)])
    answer = post(ledger, beyond)
    assert answer.status == status("LEG_FAILED"), answer
    legs_are(answer, "LINKED_EVENT_FAILED", "EXCEEDS_CREDITS", "LINKED_EVENT_FAILED")
    assert whole(ledger.lookup_accounts([limited])[0], "debits_posted") == 10
    assert get(ledger, second) is None
    assert post(ledger, beyond).status == status("ID_ALREADY_FAILED")
    beyond.id = id_bytes(third)
    beyond.legs[0].amount = 10
    assert post(ledger, beyond).status == status("CREATED")


def check_reversal(ledger):
    a, b = make_accounts(ledger, 2)
    original, mirror, late, holds = journal_ids(4)
    assert post(ledger, request(original, [leg(a, b, 30), leg(a, b, 12, code=5)],
                                kind=3)).status == status("CREATED")
    before = get(ledger, original)
    answer = reverse(ledger, mirror, original, reference=id_bytes(77))
    assert answer.status == status("CREATED"), answer
    again = reverse(ledger, mirror, original, reference=id_bytes(77))
    assert (again.status, again.timestamp) == (status("EXISTS"), answer.timestamp)
    assert reverse(ledger, late, original).status == status("JOURNAL_ALREADY_REVERSED")
    assert reverse(ledger, late, mirror).status == status("JOURNAL_IS_A_REVERSAL")
    after = get(ledger, original)
    assert id_number(after.reversed_by) == mirror
    after.reversed_by = b""
    assert after == before, "the original is untouched but for the link"
    mirrored = get(ledger, mirror)
    assert (id_number(mirrored.reverses), mirrored.kind, mirrored.business_date) == (original, 3,
                                                                                     20270104)
    for one, back in zip(before.legs, mirrored.legs):
        assert (one.debit_account_id, one.credit_account_id) == (back.credit_account_id,
                                                                 back.debit_account_id)
        assert (whole(one, "amount"), one.code) == (whole(back, "amount"), back.code)
    for shown in ledger.lookup_accounts([a, b]):
        assert whole(shown, "debits_posted") == whole(shown, "credits_posted") == 42
    assert post(ledger, request(holds, [leg(a, b, 1, flags=PENDING)])).status == status("CREATED")
    assert get(ledger, holds).pending_leg_count == 1
    assert reverse(ledger, late, holds).status == status("JOURNAL_HAS_PENDING_LEGS")
    assert reverse(ledger, late, late + (1 << 40)).status == status("JOURNAL_NOT_FOUND")
    assert reverse(ledger, late, holds).status == status("ID_ALREADY_FAILED")
    (limited,) = make_accounts(ledger, 1, flags=LIMITED)
    paid, back = journal_ids(2)
    assert post(ledger, request(paid, [leg(a, b, 1), leg(a, limited, 5)])).status == 1
    spent = transfer(new_ids(1)[0], limited, b, 3)
    assert ledger.create_transfers([spent]).results[0].status == transfers_are("CREATED")[0]
    answer = reverse(ledger, back, paid)
    assert (answer.status, answer.leg, answer.leg_status) == (
        status("LEG_FAILED"), 1, transfers_are("EXCEEDS_CREDITS")[0]), answer


def check_thousand_legs(ledger):
    a, b = make_accounts(ledger, 2)
    id, mirror = journal_ids(2)
    legs = [leg(a, b, i + 1) for i in range(LEGS_MAX)]
    answer = post(ledger, request(id, legs))
    assert answer.status == status("CREATED"), answer
    assert len(answer.legs) == LEGS_MAX
    found = get(ledger, id)
    assert [whole(one, "amount") for one in found.legs] == list(range(1, LEGS_MAX + 1))
    assert reverse(ledger, mirror, id).status == status("CREATED")
    assert len(get(ledger, mirror).legs) == LEGS_MAX
    for shown in ledger.lookup_accounts([a, b]):
        assert whole(shown, "debits_posted") == whole(shown, "credits_posted") == 500500


def note(key, text):
    return metadata_pb2.MetadataEntry(key=key, type=metadata_pb2.METADATA_TYPE_STRING, text=text)


def check_metadata(ledger):
    a, b = make_accounts(ledger, 2)
    id, mirror = journal_ids(2)
    message = request(id, [leg(a, b, 1)], metadata=[note("order", "o-1"), note("memo", "x" * 900)])
    assert post(ledger, message).status == status("CREATED")
    assert sorted((one.key, one.text) for one in get(ledger, id).metadata) == [
        ("memo", "x" * 900), ("order", "o-1")]
    assert post(ledger, message).status == status("EXISTS")
    message.metadata[0].text = "o-2"
    assert post(ledger, message).status == status("EXISTS_WITH_DIFFERENT_METADATA")
    del message.metadata[:]
    assert post(ledger, message).status == status("EXISTS_WITH_DIFFERENT_METADATA")
    why = [note("reason", "twice"), note("maker", "ann"), note("checker", "bob")]
    assert reverse(ledger, mirror, id, metadata=why).status == status("CREATED")
    assert {one.key: one.text for one in get(ledger, mirror).metadata} == {
        "reason": "twice", "maker": "ann", "checker": "bob"}
    refused(ledger.PostJournal, request(id, [leg(a, b, 1)], metadata=[note("Order", "o")]),
            "metadata[0].key")
    error = failure(ledger.PostJournal,
                    request(id, [leg(a, b, 1)], metadata=[note("a", "x" * 996)]))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT and "1000" in error.details(), error


def check_bad_input(ledger):
    a, b = make_accounts(ledger, 2)
    id = journal_ids(1)[0]
    refused(ledger.PostJournal, request(id, []), "legs", "0 items", "1 to 1000")
    refused(ledger.PostJournal, request(id, [leg(a, b, 1)] * (LEGS_MAX + 1)), "legs",
            "1001 items", "1 to 1000")
    bad = request(id, [leg(a, b, 1), leg(a, b, 1)])
    bad.legs[1].code = 65536
    refused(ledger.PostJournal, bad, "legs[1].code", "65536", "65535")
    bad = request(id, [leg(a, b, 1)], reference=b"123")
    refused(ledger.PostJournal, bad, "reference", "3 bytes", "16")
    refused(ledger.QueryJournals, ledger_pb2.JournalFilter(limit=1, flags=2), "flags", "0x2")
    refused(ledger.QueryJournals,
            ledger_pb2.JournalFilter(limit=1, timestamp_max=TIMESTAMP_MAX + 1), "timestamp_max",
            str(TIMESTAMP_MAX))
    refused(ledger.QueryJournals,
            ledger_pb2.JournalFilter(limit=1, business_date_min=20260102,
                                     business_date_max=20260101),
            "business_date_min", "20260102", "20260101")
    for field in ("business_date_min", "business_date_max"):
        refused(ledger.QueryJournals, ledger_pb2.JournalFilter(limit=1, **{field: 20260230}), field,
                "20260230", "19700101 to 99991231")
    assert post(ledger, request(id, [leg(a, b, 1)], kind=0)).status == status(
        "KIND_MUST_NOT_BE_ZERO")
    assert post(ledger, request(id, [leg(a, b, 1)], date=20260230)).status == status(
        "BUSINESS_DATE_MUST_BE_A_DATE")
    assert post(ledger, request(id + 1, [leg(a, b, 1)])).status == status(
        "ID_MUST_LEAVE_ROOM_FOR_LEGS")
    assert post(ledger, request(0, [leg(a, b, 1)])).status == status("ID_MUST_NOT_BE_ZERO")
    assert post(ledger, request(id, [leg(a, b, 1)])).status == status("CREATED")


def fill(ledger, dice, count):
    """Journals with few values in each field: (id, kind, date, reference, timestamp)."""
    a, b = make_accounts(ledger, 2)
    rows = []
    for id in journal_ids(count):
        kind, date = dice.choice((101, 102, 103)), dice.choice((20300101, 20300102, 20300215))
        reference = dice.choice((0, 5001, 5002))
        legs = [leg(a, b, 1) for _ in range(dice.randrange(1, 4))]
        answer = post(ledger, request(id, legs, kind=kind, date=date,
                                      reference=id_bytes(reference) if reference else b""))
        assert answer.status == status("CREATED"), answer
        rows.append((id, kind, date, reference, answer.timestamp))
    return rows


def check_queries(ledger, rows, dice, rounds):
    """Random filters against a look at all of them."""
    for _ in range(rounds):
        kind = dice.choice((0, 0, 101, 102, 999))
        reference = dice.choice((0, 0, 5001, 5002))
        low, high = dice.choice(((20300101, 20300101), (20300101, 20300102), (20300102, 0),
                                 (20300101, 0), (20300215, 20300215)))
        since, until = sorted((dice.choice(rows)[4], dice.choice(rows)[4]))
        limit, backwards = dice.choice((3, 8190)), dice.random() < 0.5
        wanted = [row[0] for row in rows
                  if (kind == 0 or row[1] == kind) and row[2] >= low and (high == 0 or row[2] <= high)
                  and (reference == 0 or row[3] == reference) and since <= row[4] <= until]
        wanted = (wanted[::-1] if backwards else wanted)[:limit]
        found = query(ledger, kind=kind, business_date_min=low, business_date_max=high,
                      reference=id_bytes(reference) if reference else b"", timestamp_min=since,
                      timestamp_max=until, limit=limit, flags=REVERSED if backwards else 0)
        assert found == wanted, (kind, reference, low, high, since, until, limit, backwards)


def pages(ledger, dice, between, **fields):
    """All ids, page by page, with a limit that changes."""
    found, page = [], b""
    while True:
        answer = ledger.QueryJournals(
            ledger_pb2.JournalFilter(limit=dice.randrange(1, 12), page=page, **fields),
            timeout=ft.CALL_TIMEOUT)
        found += [id_number(journal.id) for journal in answer.journals]
        page = answer.next_page
        if not page:
            return found
        between()


def check_pages(ledger, rows, dice):
    """Pages are what one look finds, whatever is posted between two of them."""
    a, b = make_accounts(ledger, 2)

    def one_more():
        id = journal_ids(1)[0]
        answer = post(ledger, request(id, [leg(a, b, 1)], kind=101, date=20300102))
        assert answer.status == status("CREATED")
        rows.append((id, 101, 20300102, 0, answer.timestamp))

    for fields in ({"kind": 101}, {"kind": 101, "flags": REVERSED}, {"business_date_min": 20300102},
                   {"timestamp_min": rows[5][4], "timestamp_max": rows[-5][4], "flags": REVERSED}):
        once = query(ledger, limit=8190, **fields)
        assert once and pages(ledger, dice, one_more, **fields) == once, fields
    good = {"kind": 101, "limit": 1}
    page = ledger.QueryJournals(ledger_pb2.JournalFilter(**good), timeout=10).next_page
    assert len(page) == 32
    cases = [({"page": page[:-1]}, "31 bytes, expected 32 or none"),
             ({"page": page[:-1] + bytes([page[-1] ^ 1])}, "its checksum does not fit"),
             ({"page": page, "kind": 102}, "of another call"),
             ({"page": page, "flags": REVERSED}, "of another call")]
    for fields, text in cases:
        refused(ledger.QueryJournals, ledger_pb2.JournalFilter(**{**good, **fields}), "page", text)
    wrong = ledger_pb2.QueryFilter(limit=1, page=page)
    error = failure(ledger.QueryTransfers, wrong, timeout=10)
    assert error_detail(error).field == "page" and "of another call" in error.details(), error


def test_journals_survive_seals_kills_and_replay():
    dice = random.Random(4)
    dev = Dev()
    with dev, dev.channel() as channel:
        ledger = Ledger(channel)
        rows = fill(ledger, dice, 60)
        check_post(ledger)
        check_net(ledger)
        check_reversal(ledger)
        check_thousand_legs(ledger)
        check_metadata(ledger)
        check_bad_input(ledger)
        sealed = ft.run_fenlu("admin", "snapshot", "--target", dev.address)
        assert sealed.returncode == 0, sealed
        rows += fill(ledger, dice, 60)
        check_queries(ledger, rows, dice, 60)
        check_pages(ledger, rows, dice)
        journals = [get(ledger, row[0]) for row in rows[:10] + rows[-10:]]
        dev.kill()
    with Dev(data=dev.data) as dev, dev.channel() as channel:
        ledger = Ledger(channel)
        assert [get(ledger, id_number(one.id)) for one in journals] == journals
        rows += fill(ledger, dice, 20)
        check_queries(ledger, rows, dice, 40)
        old, mirror = rows[0][0], journal_ids(1)[0]
        assert reverse(ledger, mirror, old).status == status("CREATED")
        assert id_number(get(ledger, old).reversed_by) == mirror
        assert reverse(ledger, journal_ids(1)[0], old).status == status("JOURNAL_ALREADY_REVERSED")


def test_a_journal_is_posted_once_whoever_leads():
    with Playground() as playground, playground.channel() as channel:
        ledger = Ledger(channel, timeout=20)
        a, b = make_accounts(ledger, 2)
        message = request(journal_ids(1)[0], [leg(a, b, 1) for _ in range(200)])
        answer = post(ledger, message)
        assert answer.status == status("CREATED"), answer
        leader = ft.cluster_status(channel).leader
        old = playground.kill_node(leader)
        again = ledger.PostJournal(message, timeout=20)
        assert (again.status, again.timestamp) == (status("EXISTS"), answer.timestamp), again
        assert whole(ledger.lookup_accounts([a])[0], "debits_posted") == 200
        playground.wait_restarted(leader, old)
        assert len({node["digest"] for node in playground.wait_all_caught_up()}) == 1


if __name__ == "__main__":
    ft.main(globals())
