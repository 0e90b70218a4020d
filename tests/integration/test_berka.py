"""A real bank's bookings, with the leader killed on the way: after every row the account's balance
is what the bank itself wrote down.

../shared/data/berka_trans.csv (PKDD'99) beside the project: skipped where it is not. One account a
customer, without limits because overdrafts are allowed; counter-accounts for cash, other banks,
interest, fees and rounding. The bank rounded amounts and balances apart, so a row whose balance is
off by up to 0.10 carries the difference as a second, linked transfer.
"""

import csv
import threading
import time
from decimal import Decimal

import grpc

from fenlu_test import ROOT, Ledger, Playground, Skip, account, ledger_pb2, main, transfer, whole

DATA = ROOT.parent / "shared/data/berka_trans.csv"
# What the README beside the data says of it.
ROWS, ACCOUNTS, EXACT_ROWS, ROUNDING_MAX = 3041, 60, 2918, 10
# Row, and seconds after the call of that row begins: before, while and after it is committed.
KILLS = {500: 0, 1000: 0.001, 1500: 0.002, 2000: 0.004, 2500: 0.008}
PATIENCE = 30  # seconds that a call may be repeated
CZK = 203

CASH, OTHER_BANKS, INTEREST, FEES, ROUNDING = range(1, 6)
CUSTOMER = 100000  # + the bank's account_id
COUNTER_ACCOUNTS = (CASH, OTHER_BANKS, INTEREST, FEES, ROUNDING)
LINKED = ledger_pb2.TRANSFER_FLAGS_LINKED
PASSING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def haller(text):
    """Minor units, exactly."""
    value = Decimal(text) * 100
    assert value == value.to_integral_value(), text
    return int(value)


def counter_account(row):
    """Where the money of a booking comes from or goes to."""
    if row["k_symbol"].strip() in ("UROK", "SANKC. UROK"):
        return INTEREST
    if row["k_symbol"].strip() == "SLUZBY":
        return FEES
    if row["operation"] in ("VKLAD", "VYBER", "VYBER KARTOU"):
        return CASH
    assert row["operation"] in ("PREVOD NA UCET", "PREVOD Z UCTU"), row
    return OTHER_BANKS


def read_rows():
    if not DATA.exists():
        raise Skip(f"{DATA} is not there")
    with open(DATA, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


def into(customer, counter, change):
    """(debit, credit, amount) that change the customer's credits - debits by so much."""
    return (counter, customer, change) if change > 0 else (customer, counter, -change)


def legs_of(row, before):
    """The one or two postings of a row, given the balance before it."""
    assert row["type"] in ("PRIJEM", "VYDAJ", "VYBER"), row
    customer = CUSTOMER + int(row["account_id"])
    change = haller(row["amount"]) * (1 if row["type"] == "PRIJEM" else -1)
    difference = haller(row["balance"]) - before - change
    assert abs(difference) <= ROUNDING_MAX, f"not a rounding difference: {row}"
    legs = [into(customer, counter_account(row), change)]
    if difference != 0:
        legs.append(into(customer, ROUNDING, difference))
    return legs


def patiently(call, *arguments):
    """Makes a call until it is answered; returns the answer and how often it was repeated. The same
    ids make that safe."""
    end = time.monotonic() + PATIENCE
    repeated = 0
    while True:
        try:
            return call(*arguments), repeated
        except grpc.RpcError as error:
            if error.code() not in PASSING or time.monotonic() > end:
                raise
            repeated += 1
            time.sleep(0.05)


def post(ledger, row, legs):
    """Posts a row's legs, all or none."""
    first = 10 * int(row["trans_id"])
    transfers = [
        transfer(first + index, *leg, ledger=CZK, code=1 + index, user_data_64=int(row["date"]),
                 flags=LINKED if index + 1 < len(legs) else 0)
        for index, leg in enumerate(legs)
    ]
    answer, repeated = patiently(ledger.create_transfers, transfers)
    names = [ledger_pb2.TransferStatus.Name(result.status).removeprefix("TRANSFER_STATUS_")
             for result in answer.results]
    # Asked again after a lost answer, what is there exists, and that ends its chain.
    there = ["EXISTS"] + ["LINKED_EVENT_FAILED"] * (len(legs) - 1)
    assert names == ["CREATED"] * len(legs) or (repeated > 0 and names == there), (row, names)
    return transfers


def balance(found):
    return whole(found, "credits_posted") - whole(found, "debits_posted")


def kill_leader(playground, delay):
    """SIGKILL to whoever leads, so many seconds from now; the victim of the kill before must have
    come back."""
    playground.wait_all_caught_up()
    leader = playground.leader()
    old_pid = playground.pids()[leader]
    threading.Timer(delay, playground.kill_node, [leader]).start()
    print(f"SIGKILL to the leader, node {leader}, in {delay * 1000:.0f} ms", flush=True)
    return leader, old_pid


def post_all(playground, ledger, rows):
    """Posts every row and compares every balance; returns what was posted, by transfer id."""
    balances, posted, exact, victims = {}, {}, 0, []
    for number, row in enumerate(rows):
        customer = CUSTOMER + int(row["account_id"])
        if number in KILLS:
            victims.append(kill_leader(playground, KILLS[number]))
        legs = legs_of(row, balances.get(customer, 0))
        posted.update({each.id: each for each in post(ledger, row, legs)})
        exact += len(legs) == 1
        found, _ = patiently(ledger.lookup_accounts, [customer])
        assert len(found) == 1, row
        assert balance(found[0]) == haller(row["balance"]), (number, row, found[0])
        balances[customer] = haller(row["balance"])
    assert (len(rows), len(balances), exact) == (ROWS, ACCOUNTS, EXACT_ROWS)
    assert any(value < 0 for value in map(haller, (row["balance"] for row in rows)))
    for victim in victims:
        playground.wait_restarted(*victim)
    return posted


def check_books(ledger, customers, posted):
    """Every transfer is there as posted, and every account holds what they add up to."""
    ids, found = list(posted), []
    for at in range(0, len(ids), 1000):
        found += ledger.lookup_transfers(ids[at:at + 1000])
    assert len(found) == len(ids), f"{len(ids) - len(found)} transfers are lost"
    assert len({each.timestamp for each in found}) == len(found)
    debits, credits = {}, {}
    for each in found:
        expected = posted[each.id]
        expected.timestamp = each.timestamp
        assert each == expected, (each, expected)
        debits[each.debit_account_id] = debits.get(each.debit_account_id, 0) + each.amount
        credits[each.credit_account_id] = credits.get(each.credit_account_id, 0) + each.amount
    accounts = ledger.lookup_accounts([*COUNTER_ACCOUNTS, *customers])
    assert len(accounts) == len(COUNTER_ACCOUNTS) + ACCOUNTS
    for each in accounts:
        assert whole(each, "debits_posted") == debits.get(each.id, 0), each
        assert whole(each, "credits_posted") == credits.get(each.id, 0), each
    total = sum(whole(each, "debits_posted") for each in accounts)
    assert total == sum(whole(each, "credits_posted") for each in accounts)
    print(f"{len(posted)} transfers, debits = credits = {total // 100:,}.{total % 100:02} CZK")


def test_every_balance_is_the_banks_own():
    rows = read_rows()
    customers = sorted({CUSTOMER + int(row["account_id"]) for row in rows})
    with Playground() as playground, playground.channel() as channel:
        ledger = Ledger(channel)
        answer = ledger.create_accounts([account(id, ledger=CZK) for id in COUNTER_ACCOUNTS] +
                                        [account(id, ledger=CZK, code=2) for id in customers])
        assert {result.status for result in answer.results} == {ledger_pb2.ACCOUNT_STATUS_CREATED}
        posted = post_all(playground, ledger, rows)
        nodes = playground.wait_all_caught_up()
        check_books(ledger, customers, posted)
        assert {node["transfers"] for node in nodes} == {len(posted)}, nodes


if __name__ == "__main__":
    main(globals())
