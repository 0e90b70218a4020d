"""An independent client: callers that post transfers until they are told to stop, and books kept
outside the ledger, which are compared with it at the end.

    with Load(process.channel, seed=7) as load:
        ...                           # stop, cut and replace servers
        load.check()                  # at any time: nobody has failed, nothing was wrong so far
        seconds = load.probe()        # a write of its own, until it is acknowledged
        count = load.finish()         # stops; what was acknowledged is there, once, and adds up

Callers post batches of many sizes, linked pairs, exact duplicates and conflicting ones, to accounts
of which some may not overdraw; the outcome of each transfer is followed until it is known, retries
under the same ids included. What an error says is believed and checked: after "not applied" the
same ids must still be free.
"""

import collections
import itertools
import random
import threading
import time

import grpc

from fenlu_test import (Ledger, account, errors_pb2, error_detail, id_number, ledger_pb2, transfer,
                        whole)
from standstill import PULSE, Standstill

CALLERS = 4
ACCOUNTS_PER_LEDGER = 40
LEDGERS = (1, 2)
BATCH_SIZES = (1, 1, 1, 2, 7, 50, 300, 1500)
VOLLEY = 64  # calls at once
PAUSES = (0, 0.01, 0.03, 0.1)
CALL_SECONDS = (0.03, 0.4, 10, 10, 10)  # short deadlines leave outcomes unknown
LOOKUP_ITEMS = 8190
LONG_GAP = 0.1  # seconds
PROBES = 0xF << 120  # ids of probes, apart from the callers'

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
        self.answered_at = time.monotonic()
        self.silences = []  # (from, to) between two answers, whoever got them, when it was long
        self.silences_lock = threading.Lock()
        self.standstill = Standstill()
        self.standstill.start()

    def note_answer(self):
        with self.silences_lock:
            now = time.monotonic()
            if now - self.answered_at > LONG_GAP:
                self.silences.append((self.answered_at, now))
            self.answered_at = now

    @property
    def gaps(self):
        """Seconds of each of them in which the machine ran."""
        return [self.standstill.running(*silence) for silence in self.silences]

    def settle(self, wishes, results, uncertain):
        """`uncertain`: an earlier try of the same may have taken effect."""
        self.note_answer()
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

    def __init__(self, number, channel, books, stop, seed, pauses):
        super().__init__(daemon=True)
        self.random = random.Random(f"{seed} {number}")
        self.number = number
        self.pauses = pauses
        self.ledger = Ledger(channel)
        self.books = books
        self.stop = stop
        self.next = itertools.count(1)
        self.past = collections.deque(maxlen=5000)  # own single wishes whose outcome is known
        self.failure = None

    def run(self):
        try:
            while not self.stop.is_set():
                self.post(self.make_volley())
                time.sleep(self.random.choice(self.pauses))
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


def probe(ledger, books, wish):
    """A write until it is acknowledged, its own retries under the same id; returns the seconds in
    which the machine ran."""
    begin = time.monotonic()
    uncertain = False
    while True:
        try:
            answer = ledger.create_transfers([message(wish)], timeout=10)
            books.settle([wish], answer.results, uncertain)
            end = time.monotonic()
            time.sleep(2 * PULSE)
            return books.standstill.running(begin, end)
        except grpc.RpcError as error:
            detail = error_detail(error)
            uncertain = (uncertain or detail is None
                         or detail.outcome != errors_pb2.OUTCOME_NOT_APPLIED)


class Load:
    """Callers with their books. `connect()` makes a channel for each; `pauses` (seconds, one chosen
    after each volley) say how hard they press."""

    def __init__(self, connect, seed=1, callers=CALLERS, pauses=PAUSES):
        self.books = Books()
        self.stop = threading.Event()
        self.channels = [connect() for _ in range(callers + 1)]
        self.ledger = Ledger(self.channels[0], timeout=30)
        self.callers = [Caller(number, channel, self.books, self.stop, seed, pauses)
                        for number, channel in enumerate(self.channels[1:], 1)]
        self.probes = itertools.count(1)

    def start(self):
        make_accounts(self.ledger)
        self.books.note_answer()
        for caller in self.callers:
            caller.start()
        return self

    def check(self):
        for caller in self.callers:
            if caller.failure is not None:
                raise caller.failure
        assert not self.books.violations, self.books.violations[:10]

    def probe(self):
        number = next(self.probes)
        return probe(self.ledger, self.books, Wish("new", PROBES | number, account_id(1, 1),
                                                   account_id(1, 2), 1, 1, 1, number))

    def finish(self):
        """Stops, and compares the books with the ledger; returns how many transfers there are."""
        self.stop.set()
        for caller in self.callers:
            caller.join(60)
            assert not caller.is_alive(), "a caller does not come to an end"
        self.check()
        check_transfers(self.ledger, self.books)
        check_balances(self.ledger, self.books)
        return len(self.books.created)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        self.stop.set()
        self.books.standstill.over.set()
        for channel in self.channels:
            channel.close()


def percentile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))] if values else float("nan")


def summary(values):
    return (f"{len(values)}, p50 {percentile(values, 0.5):.3f} s, p99 "
            f"{percentile(values, 0.99):.3f} s, max {max(values, default=0):.3f} s")
