#!/usr/bin/env python3
"""audit.py - is the ledger what the input says it must be?

    audit.py --target ADDR --folder DIR [--after N]

Reads accounts.csv, transfers.csv and rejects.csv (of `fenlu import --rejects`) in DIR, works out
what each row should do by rules of its own, in the order of the file, and asks the cluster through
a stock gRPC client:

    answers    every row was acknowledged or refused as the rules say
    transfers  every acknowledged transfer is there once, with all its fields; none that was refused
    accounts   every balance is what the rows add up to, outside the ledger
    ledgers    debits equal credits
    replicas   all nodes have the same digest at the same log index, and the same counts

--after N: more than N transfers must be there (posting went on after a fault). Prints a line for
each, or every difference (up to 20), and exits 1 when there was one. The rules are those of
docs and proto in a few lines: a chain of linked rows is posted whole or not at all, an id has one
outcome for ever, an account with debits_must_not_exceed_credits never owes.
"""
import argparse
import collections
import csv
import os
import sys
import time

from cluster import IDS_MAX, Cluster, ledger_pb2, whole

SHOWN_MAX = 20
REPLICAS_TIMEOUT_S = 60
REPLICAS = 3
LIMITED = "debits_must_not_exceed_credits"
CURRENCIES = {156: "CNY", 840: "USD"}

CREATED, EXISTS = "created", "exists"
EXCEEDS_CREDITS, ALREADY_FAILED = "exceeds_credits", "id_already_failed"
OTHER_AMOUNT, LINKED_FAILED = "exists_with_different_amount", "linked_event_failed"

Transfer = collections.namedtuple(
    "Transfer", "id debit credit amount ledger code linked user_data_128 user_data_64")

differences = []


def differ(text, *values):
    differences.append(text % values)


def check(condition, text, *values):
    if not condition:
        differ(text, *values)


# --- what should be


def number(text):
    return int(text or "0", 0)


def read_transfers(path):
    with open(path, encoding="ascii", newline="") as file:
        return [Transfer(number(row["id"]), number(row["debit_account_id"]),
                         number(row["credit_account_id"]), number(row["amount"]),
                         number(row["ledger"]), number(row["code"]), row["flags"] == "linked",
                         number(row["user_data_128"]), number(row["user_data_64"]))
                for row in csv.DictReader(file)]


class Books:
    """Accounts and transfers by the rules, one row after another."""

    def __init__(self, path):
        with open(path, encoding="ascii", newline="") as file:
            rows = list(csv.DictReader(file))
        self.ledger = {number(row["id"]): number(row["ledger"]) for row in rows}
        self.limited = {number(row["id"]) for row in rows if row["flags"] == LIMITED}
        self.debits = dict.fromkeys(self.ledger, 0)
        self.credits = dict.fromkeys(self.ledger, 0)
        self.posted = {}
        self.failed = set()

    def post(self, row):
        before = self.posted.get(row.id)
        if before is not None:
            assert row._replace(amount=before.amount) == before, "the input repeats rows whole"
            return EXISTS if row == before else OTHER_AMOUNT
        if row.id in self.failed:
            return ALREADY_FAILED
        assert self.ledger[row.debit] == self.ledger[row.credit] == row.ledger
        debits = self.debits[row.debit] + row.amount
        if row.debit in self.limited and debits > self.credits[row.debit]:
            self.failed.add(row.id)
            return EXCEEDS_CREDITS
        self.debits[row.debit] = debits
        self.credits[row.credit] += row.amount
        self.posted[row.id] = row
        return CREATED

    def take_back(self, row):
        self.debits[row.debit] -= row.amount
        self.credits[row.credit] -= row.amount
        del self.posted[row.id]

    def broken(self, row, reason):
        """What import says of a row whose chain failed: one that is there exists, when the chain
        failed because it had been posted before."""
        return EXISTS if reason == EXISTS and self.posted.get(row.id) == row else LINKED_FAILED

    def post_chain(self, chain):
        """All rows or none; what each is answered."""
        for index, row in enumerate(chain):
            answer = self.post(row)
            if answer != CREATED and len(chain) > 1:
                for earlier in reversed(chain[:index]):
                    self.take_back(earlier)
                return [answer if at == index else self.broken(row, answer)
                        for at, row in enumerate(chain)]
        return [answer] if len(chain) == 1 else [CREATED] * len(chain)

    def post_all(self, rows):
        answers, chain = [], []
        for row in rows:
            chain.append(row)
            if not row.linked:
                answers += self.post_chain(chain)
                chain = []
        assert not chain, "the last row opens a chain"
        return answers


# --- what is


def check_answers(rows, expected, path):
    """import's answers. One that lost an answer asks again: then a row that was refused for lack of
    money has `id_already_failed`."""
    with open(path, encoding="ascii", newline="") as file:
        rejected = {int(row["row"]): row["status"] for row in csv.DictReader(file)
                    if row["file"].endswith("transfers.csv")}
    again = 0
    for line, answer in enumerate(expected, start=2):  # 1 is the header
        actual = rejected.pop(line, None)
        if actual is None:
            check(answer in (CREATED, EXISTS), "row %d: acknowledged, but %s is right", line,
                  answer)
        elif actual != answer:
            lost = (answer, actual) == (EXCEEDS_CREDITS, ALREADY_FAILED)
            check(lost, "row %d: refused with %s, but %s is right", line, actual, answer)
            again += lost
    check(not rejected, "%s names rows that the input lacks: %s", path, sorted(rejected)[:5])
    counts = collections.Counter(expected)
    say("answers", "%d rows as they must be: %s%s", len(rows),
        ", ".join("%d %s" % (count, answer) for answer, count in counts.most_common()),
        " (%d learnt by asking again)" % again if again else "")


def in_slices(ids):
    for at in range(0, len(ids), IDS_MAX):
        yield ids[at:at + IDS_MAX]


def as_row(found):
    """A transfer as the ledger gives it, as the row that must have made it."""
    plain = (found.pending_id in (b"", bytes(16)) and found.user_data_32 == 0 and found.timeout == 0
             and found.flags in (0, ledger_pb2.TRANSFER_FLAGS_LINKED))
    return plain and Transfer(
        int.from_bytes(found.id, "big"), int.from_bytes(found.debit_account_id, "big"),
        int.from_bytes(found.credit_account_id, "big"), whole(found, "amount"), found.ledger,
        found.code, found.flags == ledger_pb2.TRANSFER_FLAGS_LINKED,
        int.from_bytes(found.user_data_128, "big"), found.user_data_64)


def check_transfers(cluster, rows, books):
    """Every id of the input is looked up; the ledger's own time gives each its place once."""
    ids = list(dict.fromkeys(row.id for row in rows))
    missing, times = set(books.posted), set()
    for some in in_slices(ids):
        for found in cluster.lookup_transfers(some):
            identifier = int.from_bytes(found.id, "big")
            expected = books.posted.get(identifier)
            check(expected is not None, "transfer %032x: there, but was refused", identifier)
            check(expected is None or as_row(found) == expected,
                  "transfer %032x: differs from its row: %s", identifier, str(found).split("\n"))
            check(found.timestamp != 0 and found.timestamp not in times,
                  "transfer %032x: another has its timestamp %d", identifier, found.timestamp)
            missing.discard(identifier)
            times.add(found.timestamp)
    for identifier in missing:
        differ("transfer %032x: acknowledged, but lost", identifier)
    say("transfers", "%d acknowledged, each found once with all its fields; none of %d refused",
        len(books.posted), len(ids) - len(books.posted))


def check_accounts(cluster, books):
    sums = {ledger: [0, 0] for ledger in sorted(set(books.ledger.values()))}
    missing = set(books.ledger)
    for some in in_slices(list(books.ledger)):
        for found in cluster.lookup_accounts(some):
            identifier = int.from_bytes(found.id, "big")
            debits, credits = whole(found, "debits_posted"), whole(found, "credits_posted")
            check((debits, credits) == (books.debits[identifier], books.credits[identifier]),
                  "account %d: debits %d, credits %d, but %d and %d are right", identifier, debits,
                  credits, books.debits[identifier], books.credits[identifier])
            check(whole(found, "debits_pending") == whole(found, "credits_pending") == 0,
                  "account %d: something is pending", identifier)
            check(found.ledger == books.ledger[identifier], "account %d: ledger %d", identifier,
                  found.ledger)
            check(identifier not in books.limited or debits <= credits, "account %d: overdrawn",
                  identifier)
            sums[found.ledger][0] += debits
            sums[found.ledger][1] += credits
            missing.discard(identifier)
    for identifier in missing:
        differ("account %d: lost", identifier)
    say("accounts", "%d balances equal those recomputed outside the ledger", len(books.ledger))
    for ledger, (debits, credits) in sums.items():
        check(debits == credits, "ledger %d: debits %d, credits %d", ledger, debits, credits)
        say("ledgers", "%s: debits = credits = %s", CURRENCIES.get(ledger, ledger), money(debits))


def settled(status):
    """All nodes reached, at one index, which is all that is committed."""
    nodes = status.nodes if status else ()
    return (len(nodes) == REPLICAS and all(node.reachable for node in nodes)
            and len({node.applied_index for node in nodes}) == 1
            and all(node.applied_index == node.commit_index for node in nodes))


def check_replicas(cluster, books):
    end = time.monotonic() + REPLICAS_TIMEOUT_S
    status = cluster.status()
    while not settled(status):
        if time.monotonic() > end:
            differ("the nodes are not at one index after %d s:\n%s", REPLICAS_TIMEOUT_S, status)
            return
        time.sleep(0.1)
        status = cluster.status()
    digests = {node.digest.hex() for node in status.nodes}
    index = status.nodes[0].applied_index
    check(len(digests) == 1, "digests differ at log index %d: %s", index, sorted(digests))
    check(set(digests) != {"0" * 32}, "the digest is zero")
    for node in status.nodes:
        check((node.accounts, node.transfers) == (len(books.ledger), len(books.posted)),
              "node %d: %d accounts and %d transfers, but %d and %d are right", node.id,
              node.accounts, node.transfers, len(books.ledger), len(books.posted))
    say("replicas", "%d nodes at log index %d, digest %s", len(status.nodes), index,
        " ".join(sorted(digests)))


# --- report


def money(minor_units):
    return "{:,}.{:02}".format(*divmod(minor_units, 100))


def say(name, text, *values):
    """The line of a check, when it holds."""
    if not differences:
        print("  %-10s %s" % (name, text % values), flush=True)


def main():
    parser = argparse.ArgumentParser(description="Audits a ledger against its input.")
    parser.add_argument("--target", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--after", type=int, default=0)
    options = parser.parse_args()
    rows = read_transfers(os.path.join(options.folder, "transfers.csv"))
    books = Books(os.path.join(options.folder, "accounts.csv"))
    expected = books.post_all(rows)
    cluster = Cluster(options.target)
    check(len(books.posted) > options.after, "nothing was posted after the fault: %d transfers",
          options.after)
    check_answers(rows, expected, os.path.join(options.folder, "rejects.csv"))
    check_transfers(cluster, rows, books)
    check_accounts(cluster, books)
    check_replicas(cluster, books)
    for text in differences[:SHOWN_MAX]:
        print("audit: " + text, file=sys.stderr)
    if differences:
        sys.exit("audit: %d differences" % len(differences))
    print("audit: posted=%d refused=%d accounts=%d" % (
        len(books.posted), len({row.id for row in rows}) - len(books.posted), len(books.ledger)))


if __name__ == "__main__":
    main()
