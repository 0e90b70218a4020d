"""Random calls of every kind that changes the books, made through stock gRPC and kept with their answers, for
books_model.py to judge."""

import itertools
import random

import fenlu_test as ft
from books_model import (ALL, AMOUNT, BALANCING_CREDIT, BALANCING_DEBIT, CAPTURE, CLOSING_CREDIT,
                         CLOSING_DEBIT, COUNT, CREDIT, CREDITS_LIMITED, DEBIT, DEBITS_LIMITED,
                         HISTORY, LINKED, PENDING, POST, VOID, Model)
from fenlu_test import Ledger, controls_pb2, id_bytes, id_number, ledger_pb2, metadata_pb2
from test_controls import Controls

C = controls_pb2
M = metadata_pb2
OFFSETS = (0, 8 * 3600, -5 * 3600 + 1800)
FIRST_GROUP, FIRST_ORDER, FIRST_JOURNAL = 1 << 90, 1 << 91, 1 << 100
NOBODY = 1 << 99
KEYS = ("a", "b", "b.c", "d-e", "f_9")


def names(prefix, enum):
    return {value.number: value.name.removeprefix(prefix) for value in enum.values}


ENUMS = ledger_pb2.DESCRIPTOR.enum_types_by_name
TRANSFER = names("TRANSFER_STATUS_", ENUMS["TransferStatus"])
JOURNAL = names("JOURNAL_STATUS_", ENUMS["JournalStatus"])
CONTROL = names("CONTROL_STATUS_", C.DESCRIPTOR.enum_types_by_name["ControlStatus"])
METADATA = names("METADATA_STATUS_", M.DESCRIPTOR.enum_types_by_name["MetadataStatus"])


class Workload:
    """Makes calls, and keeps what was asked and answered, with the time of its first event."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.said = []  # (first timestamp, function of the model, what it must answer)
        self.model = Model()
        self.accounts, self.transfers, self.journals = [], [], []
        self.next_id = itertools.count(1 << 80)
        self.by_id, self.pending, self.orders, self.versions = {}, [], 0, [1]
        self.posted = []

    def connect(self, channel):
        self.ledger, self.controls = Ledger(channel), Controls(channel)
        for method in ("SetMetadata", "GetMetadata"):
            setattr(self, method, ft.unary(channel, "/fenlu.v1.Metadata/" + method,
                                           getattr(M, method + "Request"),
                                           getattr(M, method + "Response")))

    def pick_account(self):
        return NOBODY if self.random.random() < 0.01 else self.random.choice(self.accounts)

    def make_accounts(self, count):
        messages = []
        for i in range(count):
            id = next(self.next_id)
            messages.append(ft.account(
                id, ledger=1 + i % 8 // 7, code=1 + i % 3,
                flags=(0, DEBITS_LIMITED, CREDITS_LIMITED)[i % 3] | (HISTORY if i % 2 else 0),
                **self.user_data(0)))
        answer = self.ledger.create_accounts(messages)
        for message, result in zip(messages, answer.results):
            assert result.status == 1, result
            id = id_number(message.id)
            self.accounts.append(id)
            self.model.add_account(id, result.timestamp, ledger=message.ledger, code=message.code,
                                   flags=message.flags, ud128=id_number(message.user_data_128),
                                   ud64=message.user_data_64, ud32=message.user_data_32)

    def user_data(self, chance=0.4):
        pick = self.random.choice
        if self.random.random() < chance:
            return {}
        return {"user_data_128": pick((b"", id_bytes(5), id_bytes(ALL))),
                "user_data_64": pick((0, 1, 2**64 - 1)), "user_data_32": pick((0, 3, 2**32 - 1))}

    # --- transfers

    def event(self, journal=False):
        """A transfer as the model has it."""
        chance, pick = self.random.random(), self.random.choice
        known = [self.by_id[id] for id in self.pending[-40:]]
        if not journal and self.transfers and chance < 0.05:
            again = dict(pick(self.transfers[-200:]))
            if self.random.random() < 0.3:
                again["amount"] = again["amount"] + 1 if again["amount"] < ALL else 1
            if not again["flags"] & LINKED:
                return again
        event = {"id": next(self.next_id), "ud128": 0, "ud64": 0, "ud32": 0, "timeout": 0,
                 "pending": 0, **{key: 0 for key in ("debit", "credit", "ledger", "code")}}
        data = self.user_data()
        event.update(ud128=id_number(data.get("user_data_128", b"")),
                     ud64=data.get("user_data_64", 0), ud32=data.get("user_data_32", 0))
        if not journal and known and chance < 0.45:
            flags = pick((POST, VOID, CAPTURE, CAPTURE, CAPTURE))
            hold = pick(known)
            if flags in (POST, VOID) and self.random.random() < 0.7:
                self.pending.remove(hold["id"])
            amount = (pick((0, 0, 0, 7)) if flags == VOID
                      else pick((0, 1, 2, 3, 5, 8, 13, ALL, hold["amount"])))
            event.update(flags=flags, pending=hold["id"], amount=amount)
            return event
        debit = self.pick_account()
        ledger = self.model.accounts[debit]["ledger"] if debit != NOBODY else 1
        same = [id for id in self.accounts
                if self.model.accounts[id]["ledger"] == ledger and id != debit]
        credit = pick(same) if self.random.random() < 0.97 else self.pick_account()
        flags = pick((0, 0, 0, PENDING, PENDING, BALANCING_DEBIT, BALANCING_CREDIT,
                      BALANCING_CREDIT | BALANCING_DEBIT, PENDING | BALANCING_DEBIT))
        flags &= ALL if not journal or self.random.random() < 0.15 else ~PENDING
        if not journal and self.random.random() < 0.01:
            flags = PENDING | pick((CLOSING_DEBIT, CLOSING_CREDIT, CLOSING_DEBIT | CLOSING_CREDIT))
        timeout = pick((0, 1, 1, 2)) if flags & PENDING else 0
        if flags & (CLOSING_DEBIT | CLOSING_CREDIT):
            timeout = 1
        event.update(debit=debit, credit=credit, ledger=ledger, code=pick((1, 2, 3)), flags=flags,
                     timeout=timeout, amount=pick((0, 1, 2, 3, 5, 8, 13, 21, 34, 55)))
        return event

    def message(self, event):
        return ft.transfer(event["id"], event["debit"], event["credit"], event["amount"],
                           ledger=event["ledger"], code=event["code"], flags=event["flags"],
                           timeout=event["timeout"], pending_id=id_bytes(event["pending"]),
                           user_data_128=id_bytes(event["ud128"]), user_data_64=event["ud64"],
                           user_data_32=event["ud32"])

    def create_transfers(self):
        events = [self.event() for _ in range(self.random.choice((1, 2, 5, 40)))]
        for event in events:
            if event["id"] not in self.by_id and self.random.random() < 0.08:
                event["flags"] |= LINKED
        answer = self.ledger.create_transfers([self.message(event) for event in events])
        self.remember(events, [result.status == 1 for result in answer.results])
        first = min((result.timestamp - i for i, result in enumerate(answer.results)
                     if TRANSFER[result.status] != "EXISTS"), default=None)
        if first is None:
            return  # nothing was done, whenever that was
        wanted = [TRANSFER[result.status] for result in answer.results]
        self.said.append((first, lambda: self.model.create_transfers(events, first), wanted))

    def remember(self, events, created):
        for event, fine in zip(events, created):
            self.transfers.append(dict(event))
            self.by_id[event["id"]] = dict(event)
            if fine and event["flags"] & PENDING:
                self.pending.append(event["id"])

    # --- journals

    def post_journal(self):
        id = FIRST_JOURNAL + (len(self.journals) + 1 << 16)
        legs = [self.event(journal=True) for _ in range(self.random.choice((1, 2, 3, 8, 30)))]
        for i, leg in enumerate(legs):
            leg["id"] = id + 1 + i if i % 2 else leg["id"]
        self.journals.append(id)
        fields = {"kind": 1 + len(self.journals) % 3, "reference": 1 + len(self.journals) % 4,
                  "business_date": 20261101 + len(self.journals) % 28}
        request = ledger_pb2.PostJournalRequest(
            id=id_bytes(id), kind=fields["kind"], reference=id_bytes(fields["reference"]),
            business_date=fields["business_date"], legs=[self.message(leg) for leg in legs])
        for leg, message in zip(legs, request.legs):
            message.id = b"" if leg["id"] >> 16 == id >> 16 else message.id
        answer = self.ledger.PostJournal(request, timeout=10)
        again = self.ledger.PostJournal(request, timeout=10)
        first = answer.timestamp
        self.remember(legs, [leg.status == 1 for leg in answer.legs])
        failed = [(i, TRANSFER[leg.status]) for i, leg in enumerate(answer.legs)
                  if TRANSFER[leg.status] not in ("CREATED", "LINKED_EVENT_FAILED")]
        assert len(failed) == (0 if answer.status == 1 else 1), answer
        wanted = (JOURNAL[answer.status], *(failed[0] if failed else (None, None)))
        self.said.append((first, lambda: self.model.post_journal(id, legs, first, fields), wanted))
        if answer.status == 1:
            self.posted.append(id)
            assert JOURNAL[again.status] == "EXISTS" and again.timestamp == first, again
        else:
            assert JOURNAL[again.status] in ("ID_ALREADY_FAILED", "LEG_FAILED"), again
            if JOURNAL[again.status] == "LEG_FAILED":
                failed = [(i, TRANSFER[leg.status]) for i, leg in enumerate(again.legs)
                          if TRANSFER[leg.status] not in ("CREATED", "LINKED_EVENT_FAILED")]
                self.said.append((again.timestamp, lambda: self.model.post_journal(
                    id, legs, again.timestamp, fields), ("LEG_FAILED", *failed[0])))

    def reverse_journal(self):
        if not self.journals:
            return
        id = FIRST_JOURNAL + (len(self.journals) + 1 << 16)
        original = self.random.choice(self.journals[-3:] + self.posted[-6:] * 2 + [NOBODY])
        self.journals.append(id)
        answer = self.ledger.ReverseJournal(ledger_pb2.ReverseJournalRequest(
            id=id_bytes(id), journal_id=id_bytes(original), business_date=20261130), timeout=10)
        first, status = answer.timestamp, JOURNAL[answer.status]
        leg = (answer.leg, TRANSFER[answer.leg_status]) if status == "LEG_FAILED" else (None, None)
        self.said.append((first, lambda: self.model.reverse_journal(id, original, first),
                          (status, *leg)))

    # --- metadata

    def set_metadata(self):
        pick = self.random.choice
        target = pick((M.METADATA_TARGET_ACCOUNT, M.METADATA_TARGET_JOURNAL))
        account = target == M.METADATA_TARGET_ACCOUNT
        id = pick(self.accounts[:6] + [NOBODY] if account else self.journals[-4:] + [NOBODY])
        patch = {key: pick(("", "x", "x" * 150, None)) for key in self.random.sample(KEYS, 2)}
        expected = pick((None, None, 0, pick(self.versions)))
        request = M.SetMetadataRequest(
            target=target, id=id_bytes(id), delete=[key for key in patch if patch[key] is None],
            set=[M.MetadataEntry(key=key, type=M.METADATA_TYPE_STRING, text=patch[key])
                 for key in patch if patch[key] is not None], expected_version=expected)
        answer = self.SetMetadata(request, timeout=10)
        status = METADATA[answer.status]
        if status == "CREATED":
            self.versions.append(answer.version)
        self.said.append((self.said[-1][0] if self.said else 0, lambda: self.model.set_metadata(
            (target, id), account, patch, expected, answer.version), (status, answer.version)))

    # --- controls

    def note(self, answer, functions):
        """One function of the model and of the item's timestamp for each result."""
        for result, function in zip(answer.results, functions):
            status = CONTROL[result.status]
            if status not in ("EXISTS", "ALREADY_RELEASED"):
                at = result.timestamp
                self.said.append((at, lambda f=function, at=at: f(at), status))

    def place(self):
        pick, orders = self.random.choice, []
        for _ in range(pick((1, 2, 4))):
            self.orders += self.random.random() < 0.95
            kind = pick(("DEBITS", "CREDITS", "BOTH") + ("AMOUNT",) * 15)
            orders.append({"id": FIRST_ORDER + self.orders, "account": self.pick_account(),
                           "kind": kind, "priority": pick((1, 2, 3)),
                           "amount": pick((1, 2, 5)) if kind == "AMOUNT" else 0})
        answer = self.controls.PlaceFreezes(freezes=[C.Freeze(
            id=id_bytes(order["id"]), account_id=id_bytes(order["account"]),
            kind=C.FreezeKind.Value("FREEZE_KIND_" + order["kind"]), priority=order["priority"],
            amount=order["amount"], authority=b"court") for order in orders])
        self.note(answer, [lambda at, order=order: self.model.place(order, at)
                           for order in orders])

    def release(self):
        picks = [(FIRST_ORDER + self.random.randint(1, self.orders + 1),
                  self.random.choice((1, 2, 3, 3, 3))) for _ in range(4)]
        answer = self.controls.ReleaseFreezes(releases=[C.FreezeRelease(
            id=id_bytes(id), priority=priority, authority=b"court") for id, priority in picks])
        self.note(answer, [lambda at, id=id, priority=priority: self.model.release(
            id, priority, at) for id, priority in picks])

    def set_limits(self):
        pick, limits = self.random.choice, []
        for _ in range(pick((1, 3))):
            group = FIRST_GROUP + pick((1, 2, 3)) if self.random.random() < 0.4 else 0
            kind = pick(("credit", "balance", "window", "window", "window")
                        + ("credit", "balance") * bool(group))
            kind = "normal" if group and self.random.random() < 0.1 else kind
            limits.append({
                "group": group, "account": 0 if group else self.pick_account(), "kind": kind,
                "remove": kind != "normal" and self.random.random() < 0.4,
                "amount": pick((0, 100, 400, 2000)), "count": pick((2, 20, 200)),
                "on": bool(pick((0, 1))), "side": pick((DEBIT, CREDIT)), "period": pick((1, 2, 3, 4)),
                "offset": pick(OFFSETS), "flags": pick((AMOUNT, COUNT, AMOUNT | COUNT))})
        answer = self.controls.SetLimits(limits=[self.limit_message(limit) for limit in limits])
        self.note(answer, [lambda at, limit=limit: self.model.set_limit(limit, at)
                           for limit in limits])

    @staticmethod
    def limit_message(limit):
        which = ({"group_id": id_bytes(limit["group"])} if limit["group"]
                 else {"account_id": id_bytes(limit["account"])})
        flags = C.LIMIT_FLAGS_REMOVE if limit["remove"] else 0
        kind = C.LimitKind.Value("LIMIT_KIND_" + limit["kind"].upper())
        if limit["kind"] == "window":
            flags |= 0 if limit["remove"] else limit["flags"]
            return C.Limit(kind=kind, side=limit["side"] + 1, period=limit["period"],
                           utc_offset_s=limit["offset"],
                           amount=limit["amount"] if flags & AMOUNT else 0,
                           count=limit["count"] if flags & COUNT else 0, flags=flags, **which)
        if limit["kind"] == "normal":
            flags = C.LIMIT_FLAGS_DEBIT_NORMAL if limit["on"] else 0
            return C.Limit(kind=kind, flags=flags, **which)
        return C.Limit(kind=kind, amount=limit["amount"], flags=flags, **which)

    def set_members(self):
        picks = [(FIRST_GROUP + self.random.choice((1, 2, 3, 4, 5)), self.pick_account(),
                  self.random.random() < 0.3) for _ in range(3)]
        answer = self.controls.SetGroupMembers(members=[C.GroupMember(
            group_id=id_bytes(group), account_id=id_bytes(account), flags=1 if remove else 0)
            for group, account, remove in picks])
        self.note(answer, [lambda at, item=item: self.model.set_member(*item, at)
                           for item in picks])

    def step(self):
        call = self.random.choice((self.create_transfers,) * 8 + (
            self.post_journal, self.post_journal, self.post_journal, self.reverse_journal,
            self.reverse_journal, self.place, self.release,
            self.release, self.set_limits, self.set_members, self.set_metadata,
            self.set_metadata, self.set_metadata))
        call()
