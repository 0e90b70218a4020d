"""kill -9 of a random server of a playground under load, again and again: nothing that was
acknowledged is lost, nothing is applied twice, and service is back within 3 s of each kill.

    tests/integration/test_kill.py                     30 rounds, about two minutes
    FENLU_KILL_ROUNDS=300 FENLU_KILL_SEED=7 tests/integration/test_kill.py

Callers post batches of many sizes, linked pairs, exact duplicates and conflicting ones, to accounts
of which some may not overdraw; the outcome of each transfer is followed until it is known, retries
under the same ids included. What an error says is believed and checked: after "not applied" the
same ids must still be free. At the end books kept outside the ledger are compared with it.
"""

import collections
import itertools
import os
import random
import threading
import time

import grpc

from fenlu_test import (Ledger, Playground, account, cluster_status, errors_pb2, error_detail,
                        id_number, ledger_pb2, main, transfer, wait_until, whole)

ROUNDS = int(os.environ.get("FENLU_KILL_ROUNDS", "30"))
SEED = int(os.environ.get("FENLU_KILL_SEED", "20240917"))
BACK_WITHIN = 3.0  # seconds from a kill to the answer to a write that was sent after it
CALLERS = 4
ACCOUNTS_PER_LEDGER = 40
LEDGERS = (1, 2)
BATCH_SIZES = (1, 1, 1, 2, 7, 50, 300, 1500)
VOLLEY = 64  # calls at once
PAUSES = (0, 0.01, 0.03, 0.1)
CALL_SECONDS = (0.03, 0.4, 10, 10, 10)  # short deadlines leave outcomes unknown
LOOKUP_ITEMS = 8190

CREATED = ledger_pb2.TRANSFER_STATUS_CREATED
EXISTS = ledger_pb2.TRANSFER_STATUS_EXISTS
CONFLICT = ledger_pb2.TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_AMOUNT
FAILED_BEFORE = ledger_pb2.TRANSFER_STATUS_ID_ALREADY_FAILED
OVERDRAWN = ledger_pb2.TRANSFER_STATUS_EXCEEDS_CREDITS
LINKED_FAILED = ledger_pb2.TRANSFER_STATUS_LINKED_EVENT_FAILED
LINKED = ledger_pb2.TRANSFER_FLAGS_LINKED

# What a caller wants: kind is "new", "first" or "second" of a linked pair, or, of a transfer whose
# outcome is known, "again", "conflict" or "failed".
Wish = collections.namedtuple("Wish", "kind id debit credit amount ledger code data")


def message(wish):
    flags = LINKED if wish.kind == "first" else 0
    return transfer(wish.id, wish.debit, wish.credit, wish.amount, ledger=wish.ledger,
                    code=wish.code, flags=flags, user_data_64=wish.data)


def account_id(ledger, number):
    return ledger << 32 | number


class Books:
    """What is known about transfers; filled by the callers, each adding ids of its own."""

    def __init__(self):
        self.created = {}  # id → (wish, timestamp)
        self.refused = {}  # id → wish
        self.violations = []
        self.counts = collections.Counter()

    def settle(self, wishes, results, uncertain):
        """`uncertain`: an earlier try of the same may have taken effect."""
        at = 0
        while at < len(wishes):
            size = 2 if wishes[at].kind == "first" else 1
            group = list(zip(wishes[at:at + size], results[at:at + size]))
            if wishes[at].kind in ("again", "conflict", "failed"):
                self._settle_old(*group[0])
            else:
                self._settle_new(group, uncertain)
            at += size

    def _settle_old(self, wish, result):
        expected = {"again": EXISTS, "conflict": CONFLICT, "failed": FAILED_BEFORE}[wish.kind]
        self.counts[wish.kind] += 1
        if result.status != expected:
            self.violations.append(f"{wish}: {result.status}, expected {expected}")
        if wish.kind == "again" and result.timestamp != self.created[wish.id][1]:
            self.violations.append(f"{wish}: its timestamp changed to {result.timestamp}")

    def _settle_new(self, group, uncertain):
        found = [result.status for _, result in group]
        known = {CREATED, OVERDRAWN, LINKED_FAILED}
        if uncertain:
            known |= {EXISTS, FAILED_BEFORE}
        if not set(found) <= known or (len(found) == 1 and LINKED_FAILED in found):
            self.violations.append(f"{group[0][0]}: statuses {found}, uncertain={uncertain}")
        # A pair that exists answers EXISTS to its first and LINKED_EVENT_FAILED to its second.
        created = all(status == CREATED for status in found) or EXISTS in found
        self.counts["created" if created else "refused"] += len(group)
        self.counts["exists after an unknown outcome"] += found.count(EXISTS)
        for wish, result in group:
            if created:
                stamp = result.timestamp if result.status in (CREATED, EXISTS) else None
                self.created[wish.id] = (wish, stamp)
            else:
                self.refused[wish.id] = wish


class Caller(threading.Thread):
    """Posts until told to stop, then follows its last batch to its outcome and ends."""

    def __init__(self, number, playground, books, stop):
        super().__init__(daemon=True)
        self.random = random.Random(f"{SEED} {number}")
        self.number = number
        self.channel = playground.channel()
        self.ledger = Ledger(self.channel)
        self.books = books
        self.stop = stop
        self.next = itertools.count(1)
        self.past = collections.deque(maxlen=5000)  # own single wishes whose outcome is known
        self.failure = None

    def run(self):
        try:
            while not self.stop.is_set():
                self.post(self.make_volley())
                time.sleep(self.random.choice(PAUSES))
        except Exception as error:  # reported by the test
            self.failure = error

    def new_wish(self, kind):
        random = self.random
        ledger = random.choice(LEDGERS)
        debit, credit = random.sample(range(1, ACCOUNTS_PER_LEDGER + 1), 2)
        # Random and ascending ids, each with the caller and a number of its own.
        high = random.getrandbits(60) if random.random() < 0.5 else 0
        id = high << 64 | self.number << 48 | next(self.next)
        return Wish(kind, id, account_id(ledger, debit), account_id(ledger, credit),
                    random.randint(1, 1000), ledger, random.randint(1, 9), random.getrandbits(63))

    def old_wish(self):
        """Something about a transfer whose outcome this caller knows."""
        wish = self.random.choice(self.past)
        if wish.id in self.books.refused:
            return wish._replace(kind="failed")
        if self.random.random() < 0.5:
            return wish._replace(kind="again")
        return wish._replace(kind="conflict", amount=wish.amount + 1)

    def make_batch(self):
        wishes = []
        for _ in range(self.random.choice(BATCH_SIZES)):
            dice = self.random.random()
            if dice < 0.05 and self.past:
                wishes.append(self.old_wish())
            elif dice > 0.95:
                wishes += [self.new_wish("first"), self.new_wish("second")]
            else:
                wishes.append(self.new_wish("new"))
        return wishes

    def make_volley(self):
        """Batches to be posted at once: one, or many calls of a transfer or a pair each, so that a
        kill finds some that are replicated and not answered."""
        if self.number % 2 == 1:
            return [self.make_batch()]
        return [[self.new_wish("first"), self.new_wish("second")] if self.random.random() < 0.2
                else [self.new_wish("new")] for _ in range(VOLLEY)]

    def post(self, batches):
        """Posts each until its outcome is known."""
        open = [(wishes, False) for wishes in batches]
        while open:
            calls = [(wishes, uncertain, self.ledger.CreateTransfers.future(
                ledger_pb2.CreateTransfersRequest(transfers=map(message, wishes)),
                timeout=self.random.choice(CALL_SECONDS))) for wishes, uncertain in open]
            open = [(wishes, self.is_uncertain(call) or uncertain)
                    for wishes, uncertain, call in calls if call.exception() is not None]
            for wishes, uncertain, call in calls:
                if call.exception() is None:
                    self.settle(wishes, call.result().results, uncertain)
            time.sleep(0.02 if open else 0)

    def is_uncertain(self, call):
        detail = error_detail(call)
        self.books.counts[f"{call.code().name} {detail.reason if detail else ''}"] += 1
        return detail is None or detail.outcome != errors_pb2.OUTCOME_NOT_APPLIED

    def settle(self, wishes, results, uncertain):
        assert len(results) == len(wishes), (len(results), len(wishes))
        self.books.settle(wishes, results, uncertain)
        self.past.extend(wish for wish in wishes if wish.kind == "new")


# --- kills


def is_back(status, id):
    """The server has applied all that the cluster had committed when this status was made."""
    node = next(node for node in status.nodes if node.id == id)
    reachable = [other for other in status.nodes if other.reachable]
    committed = max(other.commit_index for other in reachable)
    return (node.reachable and len(reachable) == len(status.nodes)
            and committed - node.applied_index < 20)


def try_status(channel):
    try:
        return cluster_status(channel, timeout=2)
    except grpc.RpcError:
        return None


def wait_back(channel, id):
    """Under load a server never has all: it has caught up when it is a moment behind at most."""
    def back():
        status = try_status(channel)
        return status is not None and is_back(status, id)
    wait_until(back, f"node {id} caught up", timeout=30, pause=0.05)


def choose_victim(dice, channel, ids):
    """The leader every other time."""
    leader = wait_until(lambda: (status := try_status(channel)) and status.leader, "a leader")
    return leader if dice.random() < 0.5 else dice.choice(sorted(ids)), leader


def probe(ledger, books, wish):
    """A write until it is acknowledged, its own retries under the same id; returns the seconds."""
    begin = time.monotonic()
    uncertain = False
    while True:
        try:
            answer = ledger.create_transfers([message(wish)], timeout=10)
            books.settle([wish], answer.results, uncertain)
            return time.monotonic() - begin
        except grpc.RpcError as error:
            detail = error_detail(error)
            uncertain = (uncertain or detail is None
                         or detail.outcome != errors_pb2.OUTCOME_NOT_APPLIED)


def kill_rounds(playground, channel, ledger, books, callers):
    dice = random.Random(SEED)
    outages = {"leader": [], "follower": []}
    for number in range(1, ROUNDS + 1):
        time.sleep(dice.uniform(0.1, 0.6))
        victim, leader = choose_victim(dice, channel, playground.pids())
        old = playground.kill_node(victim)
        seconds = probe(ledger, books, Wish("new", 0xF << 120 | number, account_id(1, 1),
                                            account_id(1, 2), 1, 1, 1, number))
        outages["leader" if victim == leader else "follower"].append(seconds)
        playground.wait_restarted(victim, old)
        wait_back(channel, victim)
        print(f"round {number}: node {victim}{' (leader)' if victim == leader else ''}, service "
              f"back after {seconds:.3f} s, {len(books.created)} transfers", flush=True)
        for caller in callers:
            if caller.failure is not None:
                raise caller.failure
        assert not books.violations, books.violations[:10]
    return outages


# --- the audit


def pieces(items):
    items = list(items)
    return [items[at:at + LOOKUP_ITEMS] for at in range(0, len(items), LOOKUP_ITEMS)]


def check_transfers(ledger, books):
    for ids in pieces(books.created):
        found = {id_number(entry.id): entry for entry in ledger.lookup_transfers(ids)}
        lost = [id for id in ids if id not in found]
        assert not lost, f"acknowledged and lost: {[books.created[id] for id in lost[:10]]}"
        for id in ids:
            wish, stamp = books.created[id]
            expected = message(wish)
            expected.timestamp = stamp or found[id].timestamp
            assert found[id] == expected, f"{found[id]} is not {expected}"
    for ids in pieces(books.refused):
        found = ledger.lookup_transfers(ids)
        assert not found, f"refused and yet there: {found[:10]}"


def check_balances(ledger, books):
    debits, credits = collections.Counter(), collections.Counter()
    for wish, _ in books.created.values():
        debits[wish.debit] += wish.amount
        credits[wish.credit] += wish.amount
    ids = [account_id(ledger_id, number) for ledger_id in LEDGERS
           for number in range(1, ACCOUNTS_PER_LEDGER + 1)]
    accounts = ledger.lookup_accounts(ids)
    assert len(accounts) == len(ids)
    for entry in accounts:
        id = id_number(entry.id)
        assert (whole(entry, "debits_posted"), whole(entry, "credits_posted")) == (
            debits[id], credits[id]), f"{entry}: expected {debits[id]} and {credits[id]}"
        assert whole(entry, "debits_pending") == whole(entry, "credits_pending") == 0
        if entry.flags:
            assert debits[id] <= credits[id], f"overdrawn: {entry}"


def make_accounts(ledger):
    limit = ledger_pb2.ACCOUNT_FLAGS_DEBITS_MUST_NOT_EXCEED_CREDITS
    accounts = [account(account_id(ledger_id, number), ledger=ledger_id,
                        flags=limit if number > ACCOUNTS_PER_LEDGER * 3 // 4 else 0)
                for ledger_id in LEDGERS for number in range(1, ACCOUNTS_PER_LEDGER + 1)]
    for result in ledger.create_accounts(accounts).results:
        assert result.status == ledger_pb2.ACCOUNT_STATUS_CREATED, result


def percentile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))] if values else float("nan")


def test_kill_9_loses_nothing_and_doubles_nothing():
    print(f"seed {SEED}, {ROUNDS} rounds", flush=True)
    books, stop = Books(), threading.Event()
    with Playground() as playground, playground.channel() as channel:
        ledger = Ledger(channel, timeout=30)
        make_accounts(ledger)
        callers = [Caller(number, playground, books, stop) for number in range(1, CALLERS + 1)]
        for caller in callers:
            caller.start()
        outages = kill_rounds(playground, channel, ledger, books, callers)
        stop.set()
        for caller in callers:
            caller.join(60)
            assert not caller.is_alive() and caller.failure is None, caller.failure
        assert not books.violations, books.violations[:10]
        check_transfers(ledger, books)
        check_balances(ledger, books)
        for node in playground.wait_all_caught_up():
            assert node["transfers"] == len(books.created), node
        assert playground.stop() == 0
    every = outages["leader"] + outages["follower"]
    print(dict(books.counts))
    for name, values in (("leader", outages["leader"]), ("follower", outages["follower"]),
                         ("all", every)):
        print(f"service back after a kill, {name}: {len(values)} kills, p50 "
              f"{percentile(values, 0.5):.3f} s, max {max(values, default=0):.3f} s")
    assert max(every) <= BACK_WITHIN, f"service was back after {max(every):.3f} s"
    assert books.counts["created"] > 100 * ROUNDS and books.counts["refused"] > 0
    assert books.counts["again"] > 0 and books.counts["conflict"] > 0 and books.counts["failed"] > 0


if __name__ == "__main__":
    main(globals())
