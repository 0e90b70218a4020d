"""Random calls of every kind that changes the books, through stock gRPC, with seals and crashes in between: each
answer, the whole change feed, and everything that can be asked afterwards, are compared with books_model.py.

FENLU_SEED and FENLU_ROUNDS in the environment make it another run, or a longer one."""

import os
import time

import fenlu_test as ft
from books_model import ALL, AMOUNT, COUNT, HISTORY, span
from books_workload import TRANSFER, C, M, Workload
from fenlu_test import id_bytes, id_number, ledger_pb2, whole
from test_watch import until_quiet

SEED = int(os.environ.get("FENLU_SEED", "20261123"))
ROUNDS = int(os.environ.get("FENLU_ROUNDS", "300"))


# --- what is compared


def judge(said, model, feed):
    """The model does what was asked, with the server's timestamps, and expiries where the feed has
    them; what it answers is what the server answered."""
    expiries = [(event.timestamp, id_number(event.pending_id)) for event in feed if event.type == 5]
    expiries.reverse()
    counts = {}
    for first, function, wanted in said:
        while expiries and expiries[-1][0] < first:
            timestamp, id = expiries.pop()
            model.expire(id, timestamp)
        found = function()
        assert found == wanted, f"at {first}: the model says {found}, the server {wanted}"
        found = found if isinstance(found, (list, tuple)) else [found]
        for status in found:
            counts[status] = counts.get(status, 0) + 1
    for timestamp, id in reversed(expiries):
        model.expire(id, timestamp)
    return counts


def check_feed(model, feed):
    assert len(feed) == len(model.changes), (len(feed), len(model.changes))
    for event, change in zip(feed, model.changes):
        after = [(whole(side, "debits_pending"), whole(side, "debits_posted"),
                  whole(side, "credits_pending"), whole(side, "credits_posted"),
                  bool(side.flags & 32)) for side in (event.debit_account, event.credit_account)]
        found = {"kind": event.type, "timestamp": event.timestamp,
                 "id": id_number(event.transfer.id), "amount": whole(event, "amount"),
                 "debit": id_number(event.transfer.debit_account_id),
                 "credit": id_number(event.transfer.credit_account_id),
                 "ledger": event.transfer.ledger, "code": event.transfer.code,
                 "released": whole(event, "released"), "pending": id_number(event.pending_id),
                 "after": after}
        assert found == change, f"\n{found}\n{change}"


def balances_of(message):
    return tuple(whole(message, name) for name in (
        "debits_pending", "debits_posted", "credits_pending", "credits_posted"))


def state_of(account):
    return account["dp"], account["dpo"], account["cp"], account["cpo"]


def check_look_ups(work):
    model, ledger = work.model, work.ledger
    for message in ledger.lookup_accounts(work.accounts):
        account = model.accounts[id_number(message.id)]
        assert balances_of(message) == state_of(account), (message, account)
        assert bool(message.flags & 32) == account["closed"]
    ids = list(model.transfers)
    for message, id in zip(ledger.lookup_transfers(ids), ids, strict=True):
        made = model.transfers[id]
        assert (id_number(message.id), whole(message, "amount"), message.timestamp,
                id_number(message.user_data_128), message.user_data_64) == (
                    id, made["amount"], made["timestamp"], made["ud128"], made["ud64"]), message
    ids = list(model.holds)
    holds = ledger.LookupHolds(ledger_pb2.LookupHoldsRequest(ids=[id_bytes(id) for id in ids]))
    for message, id in zip(holds.holds, ids, strict=True):
        hold, amount = model.holds[id], model.transfers[id]["amount"]
        assert (message.state, whole(message, "captured"), message.expires_at,
                message.resolved_at, whole(message, "remaining")) == (
                    hold["state"], hold["captured"], hold["expires_at"], hold["resolved_at"],
                    amount - hold["captured"] if hold["state"] == 1 else 0), (message, hold)
    outcomes = ledger.Resolve(ledger_pb2.ResolveRequest(
        ids=[id_bytes(id) for id in (*model.failed, *model.transfers)][:8190])).results
    for id, outcome in zip(model.failed, outcomes):
        assert (outcome.status, TRANSFER[outcome.reason]) == (2, model.failed[id]), (id, outcome)
    assert all(outcome.status == 1 for outcome in outcomes[len(model.failed):])


def check_journals(work):
    for id, journal in work.model.journals.items():
        found = work.ledger.GetJournal(ledger_pb2.GetJournalRequest(id=id_bytes(id)))
        if journal is None:
            assert not found.HasField("journal"), found
            continue
        found = found.journal
        assert [id_number(leg.id) for leg in found.legs] == journal["legs"], found
        assert (found.timestamp, found.pending_leg_count, id_number(found.reverses),
                id_number(found.reversed_by)) == (journal["timestamp"], journal["pending"],
                                                  journal["reverses"], journal["reversed_by"])
    for _ in range(30):
        check_journal_query(work)


def check_journal_query(work):
    pick = work.random.choice
    rows = [journal for journal in work.model.journals.values() if journal]
    times = [0, 0] + [journal["timestamp"] for journal in rows]
    low, high = sorted((pick(times), pick(times)))
    first, last = sorted((pick(range(20261101, 20261128)), pick(range(20261101, 20261130))))
    first, last = pick(((0, 0), (first, 0), (0, last), (first, last), (last, last)))
    kind, reference, reverse = pick((0, 0, 1, 2)), pick((0, 0, 1, 2)), pick((0, 1))
    rows = [row for row in rows if kind in (0, row["kind"]) and reference in (0, row["reference"])
            and first <= row["business_date"] and (last == 0 or row["business_date"] <= last)
            and low <= row["timestamp"] and (high == 0 or row["timestamp"] <= high)]
    rows.sort(key=lambda row: row["timestamp"])
    check_pages(work.ledger.QueryJournals, ledger_pb2.JournalFilter(
        kind=kind, business_date_min=first, business_date_max=last, timestamp_min=low,
        timestamp_max=high, reference=id_bytes(reference) if reference else b"", flags=reverse),
        reverse, rows, pick, "journals")


def check_metadata(work):
    """Now, and as of each version and the moment before it."""
    for (target, id), versions in work.model.metadata.items():
        times = [0] + [at - back for at, _ in versions for back in (0, 1)]
        for as_of in times:
            found = work.GetMetadata(M.GetMetadataRequest(target=target, id=id_bytes(id),
                                                          as_of=as_of), timeout=10)
            there = [version for version in versions if as_of == 0 or version[0] <= as_of]
            at, wanted = there[-1] if there else (0, {})
            assert (found.found, found.version) == (bool(there), at), (found, versions)
            assert {entry.key: entry.text for entry in found.entries} == wanted, (found, wanted)


def windows_of(limits, rows, now):
    wanted = set()
    for (side, period), window in limits["windows"].items():
        current = window["begins"] == span(period, window["offset"], now)[0]
        wanted.add((side + 1, period, window["flags"],
                    window["used"] if current and window["flags"] & AMOUNT else 0,
                    window["number"] if current and window["flags"] & COUNT else 0))
    found = {(row.side, row.period, row.flags, whole(row, "amount_used"), row.count_used)
             for row in rows if row.kind == C.LIMIT_KIND_WINDOW}
    assert found == wanted, (found, wanted)
    for kind, name in ((C.LIMIT_KIND_CREDIT, "credit"), (C.LIMIT_KIND_BALANCE, "balance")):
        amounts = [row.amount for row in rows if row.kind == kind]
        assert amounts == ([] if limits[name] is None else [limits[name]]), (name, rows)


def check_controls(work, now):
    model, controls = work.model, work.controls
    for id in work.accounts:
        rows = controls.ListFreezes(account_id=id_bytes(id)).freezes
        assert [id_number(row.id) for row in rows] == model.controls[id]["orders"]
        assert [row.held for row in rows] == model.held(id), rows
        limits = controls.GetLimits(account_id=id_bytes(id)).limits
        windows_of(model.controls[id]["limits"], limits, now)
    for group, limits in model.groups.items():
        found, sums = controls.GetGroup(group_id=id_bytes(group)).groups, model.sums(group)
        assert balances_of(found[0]) == tuple(sums[name] for name in ("dp", "dpo", "cp", "cpo"))
        assert found[0].members == len(model.members(group))
        windows_of(limits, controls.GetLimits(group_id=id_bytes(group)).limits, now)


def check_queries(work, count):
    """Random filters of transfers and accounts, in both directions and in pages."""
    pick, model = work.random.choice, work.model
    times = [change["timestamp"] for change in model.changes]
    for _ in range(count):
        fields = {"ud128": pick((0, 0, 0, 5, ALL, 77)), "ud64": pick((0, 0, 0, 1, 2**64 - 1)),
                  "ud32": pick((0, 0, 0, 3, 2**32 - 1)), "code": pick((0, 0, 1, 2, 3)),
                  "ledger": pick((0, 0, 0, 1, 2))}
        low, high = sorted((pick(times), pick(times)))
        low, high = pick(((0, 0), (low, 0), (0, high), (low, high)))
        filters = {"user_data_128": id_bytes(fields["ud128"]) if fields["ud128"] else b"",
                   "user_data_64": fields["ud64"], "user_data_32": fields["ud32"],
                   "code": fields["code"], "timestamp_min": low, "timestamp_max": high}
        rows = [row for row in sorted(model.transfers.values(), key=lambda row: row["timestamp"])
                if low <= row["timestamp"] and (high == 0 or row["timestamp"] <= high)
                and all(not value or row[name] == value for name, value in fields.items()
                        if name != "ledger")]
        reverse, sides, account = pick((0, 1)), pick((1, 2, 3)), pick(work.accounts)
        check_pages(work.ledger.QueryTransfers, ledger_pb2.QueryFilter(
            ledger=fields["ledger"], flags=reverse, **filters), reverse, [
                row for row in rows if fields["ledger"] in (0, row["ledger"])], pick)
        of_account = [row for row in rows if sides & 1 and row["debit"] == account
                      or sides & 2 and row["credit"] == account]
        question = ledger_pb2.AccountFilter(account_id=id_bytes(account),
                                            flags=sides | reverse << 2, **filters)
        check_pages(work.ledger.GetAccountTransfers, question, reverse, of_account, pick)
        if model.accounts[account]["flags"] & HISTORY:
            check_history(work, question, reverse, of_account, account)


def check_pages(call, question, reverse, rows, pick, name="transfers"):
    wanted = [row["id"] for row in (reversed(rows) if reverse else rows)]
    found, question.limit = [], 1 if len(wanted) < 30 else pick((len(wanted) // 9, 100, 8190))
    while True:
        answer = call(question, timeout=10)
        found += [id_number(row.id) for row in getattr(answer, name)]
        question.page = answer.next_page
        if not answer.next_page or len(found) > len(wanted):
            break
    assert found == wanted, (question, found, wanted)


def check_history(work, question, reverse, rows, account):
    after = {change["timestamp"]: change for change in work.model.changes}
    wanted = [(row["timestamp"],
               after[row["timestamp"]]["after"][0 if row["debit"] == account else 1][:4])
              for row in (reversed(rows) if reverse else rows)]
    question.page, question.limit = b"", 8190
    answer = work.ledger.GetAccountBalances(question, timeout=10)
    assert [(row.timestamp, balances_of(row)) for row in answer.balances] == wanted


def check_past(work, count):
    """Balances and the trial balance as of random times."""
    model = work.model
    created = [account["timestamp"] for account in model.accounts.values()]
    for _ in range(count):
        at = work.random.choice(model.changes)["timestamp"] + work.random.choice((-1, 0, 1))
        balances = {id: (0, 0, 0, 0) for id, account in model.accounts.items()
                    if account["timestamp"] <= at}
        for change in model.changes:
            if change["timestamp"] <= at:
                balances[change["debit"]] = change["after"][0][:4]
                balances[change["credit"]] = change["after"][1][:4]
        assert at > max(created)
        ids = [id for id in balances if model.accounts[id]["flags"] & HISTORY]
        answer = work.ledger.GetAccountBalancesAsOf(ledger_pb2.GetAccountBalancesAsOfRequest(
            account_ids=[id_bytes(id) for id in ids], as_of=at))
        assert [balances_of(row) for row in answer.balances] == [balances[id] for id in ids]
        sums = {}
        for id, found in balances.items():
            place = model.accounts[id]["ledger"], model.accounts[id]["code"]
            sums[place] = [a + b for a, b in zip(sums.get(place, (0, 0, 0, 0)), found)]
        rows = work.ledger.GetTrialBalance(ledger_pb2.TrialBalanceFilter(as_of=at)).rows
        assert [((row.ledger, row.code), list(balances_of(row))) for row in rows] == sorted(
            sums.items())


def check_all(work, feed):
    check_feed(work.model, feed)
    check_look_ups(work)
    check_journals(work)
    check_metadata(work)
    check_controls(work, time.time_ns())
    check_queries(work, 60)
    check_past(work, 20)


def quiet_feed(channel, work):
    """The feed, once no hold can expire any more."""
    time.sleep(3)
    return until_quiet(channel)[0]


def test_everything_is_what_the_model_says():
    dev = ft.Dev().start()
    channel = dev.channel()
    work = Workload(SEED)
    work.connect(channel)
    work.make_accounts(24)
    for i in range(1, ROUNDS + 1):
        work.step()
        if i % (ROUNDS // 5) == ROUNDS // 10:  # what comes last is in memory alone
            sealed = ft.run_fenlu("admin", "snapshot", "--target", dev.address)
            assert sealed.returncode == 0, sealed
        if i % (ROUNDS // 3) == 0:
            dev.kill()
            dev = ft.Dev(data=dev.data).start()
            channel = dev.channel()
            work.connect(channel)
    feed = quiet_feed(channel, work)
    counts = judge(work.said, work.model, feed)
    print(f"{len(work.said)} calls, {len(feed)} changes, {len(counts)} different answers")
    check_all(work, feed)
    dev.kill()
    dev = ft.Dev(data=dev.data).start()
    channel = dev.channel()
    work.connect(channel)
    check_all(work, until_quiet(channel)[0])
    assert dev.stop() == 0
    audit = ft.run_fenlu("audit", "--data", dev.data)
    assert audit.returncode == 0, audit


if __name__ == "__main__":
    ft.main(globals())
