"""The rules of docs/ledger.md, controls.md and journals.md once more, in plain Python and by brute force: sums of
groups are added up from their members, windows are days of datetime, chains are undone from a list of old
values. What a server answers is judged by it afterwards, with the timestamps that it gave.

Ids are numbers. `accounts`, `transfers`, `holds`, `journals`, `controls` and `groups` are the state; `changes` is the
feed. Only what test_everything.py sends is understood."""

import datetime

PENDING, POST, VOID, BALANCING_DEBIT, BALANCING_CREDIT = 2, 4, 8, 16, 32
CLOSING_DEBIT, CLOSING_CREDIT, CAPTURE, LINKED = 64, 128, 512, 1
RESOLVING = POST | VOID | CAPTURE
DEBITS_LIMITED, CREDITS_LIMITED, HISTORY = 2, 4, 8
ALL = 2**128 - 1
DEBIT, CREDIT = 0, 1
DAY, MONTH, YEAR, LIFETIME = 1, 2, 3, 4
AMOUNT, COUNT = 4, 8  # LimitFlags of a window
TRANSIENT = {
    "DEBIT_ACCOUNT_NOT_FOUND", "CREDIT_ACCOUNT_NOT_FOUND", "PENDING_TRANSFER_NOT_FOUND",
    "DEBIT_ACCOUNT_ALREADY_CLOSED", "CREDIT_ACCOUNT_ALREADY_CLOSED", "DEBIT_ACCOUNT_FROZEN",
    "CREDIT_ACCOUNT_FROZEN"}
BREACHES = ("ACCOUNT_AVAILABLE", "ACCOUNT_BALANCE_LIMIT", "ACCOUNT_AMOUNT_LIMIT",
            "ACCOUNT_COUNT_LIMIT", "GROUP_CREDIT_LIMIT", "GROUP_BALANCE_LIMIT",
            "GROUP_AMOUNT_LIMIT", "GROUP_COUNT_LIMIT")
MISSING = object()


def is_transient(status):
    return status in TRANSIENT or status.startswith("EXCEEDS_") and "PENDING" not in status


def span(period, offset, timestamp):
    """Begin and end, in ns, of the window that the timestamp lies in."""
    if period == LIFETIME:
        return 0, 2**64 - 1
    zone = datetime.timezone(datetime.timedelta(seconds=offset))
    local = datetime.datetime.fromtimestamp(timestamp // 10**9, zone)
    begin = local.replace(hour=0, minute=0, second=0)
    if period == DAY:
        end = begin + datetime.timedelta(days=1)
    elif period == MONTH:
        begin = begin.replace(day=1)
        end = (begin + datetime.timedelta(days=32)).replace(day=1)
    else:
        begin = begin.replace(day=1, month=1)
        end = begin.replace(year=begin.year + 1)
    return int(begin.timestamp()) * 10**9, int(end.timestamp()) * 10**9


def new_limits():
    return {"credit": None, "balance": None, "normal": False, "windows": {}}


class Model:
    def __init__(self):
        self.accounts, self.transfers, self.failed, self.holds = {}, {}, {}, {}
        self.journals, self.controls, self.groups, self.freezes = {}, {}, {}, {}
        self.metadata = {}  # (target, id) -> versions: (timestamp, map)
        self.changes = []
        self.undo = []

    # --- state that a chain takes back

    def put(self, record, key, value):
        self.undo.append((record, key, record.get(key, MISSING)))
        record[key] = value

    def take_back(self, mark, changes):
        while len(self.undo) > mark:
            record, key, old = self.undo.pop()
            if old is MISSING:
                del record[key]
            else:
                record[key] = old
        del self.changes[changes:]

    def fail(self, id, status):
        if is_transient(status) and id not in self.transfers:
            self.failed.setdefault(id, status)

    # --- accounts and what restrains them

    def add_account(self, id, timestamp, **fields):
        self.accounts[id] = {"timestamp": timestamp, "dp": 0, "dpo": 0, "cp": 0, "cpo": 0,
                             "closed": False, **fields}
        self.controls[id] = {"orders": [], "limits": new_limits(), "groups": {}}

    def normal(self, account):
        return DEBIT if account["flags"] & CREDITS_LIMITED else CREDIT

    def left(self, account):
        """The balance, less what is pending of it; may be below zero."""
        if self.normal(account) == CREDIT:
            return account["cpo"] - account["dpo"] - account["dp"]
        return account["dpo"] - account["cpo"] - account["cp"]

    def coming(self, account):
        if self.normal(account) == CREDIT:
            return account["cpo"] + account["cp"] - account["dpo"]
        return account["dpo"] + account["dp"] - account["cpo"]

    def orders(self, id):
        return [self.freezes[order] for order in self.controls[id]["orders"]]

    def frozen(self, id):
        return sum(order["amount"] for order in self.orders(id))

    def is_frozen(self, id, side):
        kinds = ("DEBITS", "BOTH") if side == DEBIT else ("CREDITS", "BOTH")
        return any(order["kind"] in kinds for order in self.orders(id))

    def members(self, group):
        return [self.accounts[id] for id, control in self.controls.items()
                if group in control["groups"]]

    def sums(self, group):
        return {name: sum(account[name] for account in self.members(group))
                for name in ("dp", "dpo", "cp", "cpo")}

    # --- limits

    def breaches_of_windows(self, limits, side, counted, timestamp, names):
        found = []
        for (window_side, period), window in limits["windows"].items():
            if window_side != side:
                continue
            current = window["begins"] == span(period, window["offset"], timestamp)[0]
            used = window["used"] if current else 0
            number = window["number"] if current else 0
            if window["flags"] & AMOUNT and used + counted > window["amount"]:
                found.append(names + "AMOUNT_LIMIT")
            if window["flags"] & COUNT and number >= window["count"]:
                found.append(names + "COUNT_LIMIT")
        return found

    def breach(self, id, side, amount, counted, counts, timestamp, balances=True):
        """What speaks against what was just done to this side of the account; None: nothing."""
        account, control = self.accounts[id], self.controls[id]
        limits, found = control["limits"], []
        if balances and amount:
            if side != self.normal(account) and self.frozen(id) > max(self.left(account), 0):
                found.append("ACCOUNT_AVAILABLE")
            if (side == self.normal(account) and limits["balance"] is not None
                    and self.coming(account) > limits["balance"]):
                found.append("ACCOUNT_BALANCE_LIMIT")
        if counts:
            found += self.breaches_of_windows(limits, side, counted, timestamp, "ACCOUNT_")
        if not found:
            for group in control["groups"]:
                found += self.breaches_of_group(group, side, amount if balances else 0, counted,
                                                counts, timestamp)
        return min(found, key=BREACHES.index) if found else None

    def breaches_of_group(self, group, side, amount, counted, counts, timestamp):
        limits, sums, found = self.groups[group], self.sums(group), []
        taken = sums["dp"] + sums["dpo"] if side == DEBIT else sums["cp"] + sums["cpo"]
        other = sums["cpo"] if side == DEBIT else sums["dpo"]
        lowers = (side == DEBIT) != limits["normal"]
        limit = limits["credit"] if lowers else limits["balance"]
        if amount and limit is not None and taken > other + limit:
            return ["GROUP_CREDIT_LIMIT" if lowers else "GROUP_BALANCE_LIMIT"]
        if counts:
            found = self.breaches_of_windows(limits, side, counted, timestamp, "GROUP_")
        return found

    def beyond_flags(self, id, side):
        account, credit = self.accounts[id], self.controls[id]["limits"]["credit"]
        flag = DEBITS_LIMITED if side == DEBIT else CREDITS_LIMITED
        allowance = credit if credit is not None and self.normal(account) != side else None
        if not account["flags"] & flag and allowance is None:
            return False
        taken = account["dpo"] + account["dp"] if side == DEBIT else account["cpo"] + account["cp"]
        other = account["cpo"] if side == DEBIT else account["dpo"]
        return taken > other + (allowance or 0)

    def each_limits(self, id):
        """The account's own limits, and those of its groups with the time it joined."""
        yield self.controls[id]["limits"], 0
        for group, joined in self.controls[id]["groups"].items():
            yield self.groups[group], joined

    def take(self, id, side, amount, timestamp):
        for limits, _ in self.each_limits(id):
            for (window_side, period), window in limits["windows"].items():
                if window_side != side:
                    continue
                begins = span(period, window["offset"], timestamp)[0]
                if window["begins"] != begins:
                    for key, value in (("begins", begins), ("used", 0), ("number", 0)):
                        self.put(window, key, value)
                self.put(window, "used", window["used"] + amount)
                self.put(window, "number", window["number"] + 1)

    def give_back(self, id, side, amount, whole, taken_at, given_at):
        for limits, joined in self.each_limits(id):
            for (window_side, period), window in limits["windows"].items():
                begins, ends = span(period, window["offset"], taken_at)
                if (window_side == side and taken_at >= window["since"] and taken_at > joined
                        and window["begins"] == begins and given_at < ends):
                    self.put(window, "used", window["used"] - amount)
                    self.put(window, "number", window["number"] - (1 if whole else 0))
                    assert window["used"] >= 0 and window["number"] >= 0, window

    # --- movements

    def move(self, id, name, amount):
        self.put(self.accounts[id], name, self.accounts[id][name] + amount)

    def record(self, kind, transfer, timestamp, amount, released=0, pending=0):
        state = [(self.accounts[id]["dp"], self.accounts[id]["dpo"], self.accounts[id]["cp"],
                  self.accounts[id]["cpo"], self.accounts[id]["closed"])
                 for id in (transfer["debit"], transfer["credit"])]
        self.changes.append({"kind": kind, "timestamp": timestamp, "id": transfer["id"],
                             "debit": transfer["debit"], "credit": transfer["credit"],
                             "amount": amount, "released": released, "pending": pending,
                             "ledger": transfer["ledger"], "code": transfer["code"],
                             "after": state})

    def check_open(self, debit, credit):
        for id, name in ((debit, "DEBIT"), (credit, "CREDIT")):
            if self.accounts[id]["closed"]:
                return name + "_ACCOUNT_ALREADY_CLOSED"
        for id, side, name in ((debit, DEBIT, "DEBIT"), (credit, CREDIT, "CREDIT")):
            if self.is_frozen(id, side):
                return name + "_ACCOUNT_FROZEN"
        return None

    def balanced(self, event):
        amount = event["amount"]
        for flag, id, side in ((BALANCING_DEBIT, event["debit"], DEBIT),
                               (BALANCING_CREDIT, event["credit"], CREDIT)):
            if event["flags"] & flag:
                account = self.accounts[id]
                left = (account["cpo"] - account["dpo"] - account["dp"] if side == DEBIT
                        else account["dpo"] - account["cpo"] - account["cp"])
                frozen = self.frozen(id) if self.normal(account) != side else 0
                amount = min(amount, max(0, max(0, left) - frozen))
        return amount

    def existing(self, event):
        """What an id that is there already answers; only amounts are ever sent differently."""
        made, amount = self.transfers[event["id"]], event["amount"]
        if event["flags"] & (BALANCING_DEBIT | BALANCING_CREDIT):
            same = amount >= made["amount"]
        elif event["flags"] & VOID:
            same = amount == made["amount"] or amount == 0
        elif event["flags"] & RESOLVING:
            same = amount == made["amount"] or amount == ALL and made["took_all"]
        else:
            same = amount == made["amount"]
        return "EXISTS" if same else "EXISTS_WITH_DIFFERENT_AMOUNT"

    # --- transfers

    def create(self, event, timestamp, net=None):
        """One transfer; `net` collects what a journal moves."""
        id = event["id"]
        if id in self.transfers:
            return self.existing(event)
        if id in self.failed:
            return "ID_ALREADY_FAILED"
        if event["flags"] & RESOLVING:
            status = self.resolve(event, timestamp)
        else:
            mark, changes = len(self.undo), len(self.changes)
            status = self.make(event, timestamp, net)
            if status != "CREATED":
                self.take_back(mark, changes)
        self.fail(id, status)
        return status

    def make(self, event, timestamp, net):
        debit, credit, flags = event["debit"], event["credit"], event["flags"]
        if debit == credit:
            return "ACCOUNTS_MUST_BE_DIFFERENT"
        for id, name in ((debit, "DEBIT"), (credit, "CREDIT")):
            if id not in self.accounts:
                return name + "_ACCOUNT_NOT_FOUND"
        if self.accounts[debit]["ledger"] != self.accounts[credit]["ledger"]:
            return "ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER"
        if event["ledger"] != self.accounts[debit]["ledger"]:
            return "TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS"
        status = self.check_open(debit, credit)
        if status:
            return status
        amount = self.balanced(event)
        name = ("dp", "cp") if flags & PENDING else ("dpo", "cpo")
        self.move(debit, name[0], amount)
        self.move(credit, name[1], amount)
        if net is None:
            status = self.limits_of_one(debit, credit, amount, timestamp)
        elif flags & PENDING:
            status = self.limits_of_pending_leg(debit, credit, amount, timestamp)
        if status:
            return status
        if net is None or flags & PENDING:
            self.take(debit, DEBIT, amount, timestamp)
            self.take(credit, CREDIT, amount, timestamp)
        self.put(self.transfers, event["id"], {**event, "amount": amount, "timestamp": timestamp})
        if flags & PENDING:
            timeout = event["timeout"] * 10**9
            self.put(self.holds, event["id"], {"state": 1, "captured": 0, "resolved_at": 0,
                                               "expires_at": timestamp + timeout if timeout else 0})
            for flag, id in ((CLOSING_DEBIT, debit), (CLOSING_CREDIT, credit)):
                if flags & flag:
                    self.put(self.accounts[id], "closed", True)
        if net is not None:
            for id, side in ((debit, DEBIT), (credit, CREDIT)):
                of = net.setdefault(id, {"moved": [0, 0], "reserved": [0, 0]})
                of["reserved" if flags & PENDING else "moved"][side] += amount
        self.record(2 if flags & PENDING else 1, self.transfers[event["id"]], timestamp, amount)
        return "CREATED"

    def limits_of_one(self, debit, credit, amount, timestamp):
        for id, side, name in ((debit, DEBIT, "DEBIT"), (credit, CREDIT, "CREDIT")):
            breach = self.breach(id, side, amount, amount, True, timestamp)
            if breach:
                return f"EXCEEDS_{name}_{breach}"
        if self.beyond_flags(debit, DEBIT):
            return "EXCEEDS_CREDITS"
        return "EXCEEDS_DEBITS" if self.beyond_flags(credit, CREDIT) else None

    def limits_of_pending_leg(self, debit, credit, amount, timestamp):
        for id, side, name in ((debit, DEBIT, "DEBIT"), (credit, CREDIT, "CREDIT")):
            breach = self.breach(id, side, 0, amount, True, timestamp)
            if breach:
                return f"EXCEEDS_{name}_{breach}"
        return None

    def resolve(self, event, timestamp):
        pending = self.transfers.get(event["pending"])
        if pending is None:
            return "PENDING_TRANSFER_NOT_FOUND"
        if not pending["flags"] & PENDING:
            return "PENDING_TRANSFER_NOT_PENDING"
        hold = self.holds[event["pending"]]
        late = hold["state"] == 1 and hold["expires_at"] and hold["expires_at"] <= timestamp
        held = hold["state"] == 1 and not late
        remaining = pending["amount"] - (hold["captured"] if held else 0)
        voids = event["flags"] & VOID
        amount = remaining if event["amount"] == (0 if voids else ALL) else event["amount"]
        if amount > remaining:
            return "EXCEEDS_PENDING_TRANSFER_AMOUNT"
        if voids and amount < remaining:
            return "PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT"
        if not held:
            return "PENDING_TRANSFER_" + {1: "EXPIRED", 2: "ALREADY_POSTED", 3: "ALREADY_VOIDED",
                                          4: "EXPIRED"}[hold["state"]]
        status = None if voids else self.check_open(pending["debit"], pending["credit"])
        if status:
            return status
        self.put(self.transfers, event["id"], {
            **event, "debit": pending["debit"], "credit": pending["credit"], "amount": amount,
            "ledger": pending["ledger"], "code": pending["code"], "timestamp": timestamp,
            "took_all": amount == remaining,
            **{name: event[name] or pending[name] for name in ("ud128", "ud64", "ud32")}})
        self.settle(event, pending, hold, amount, remaining, timestamp)
        return "CREATED"

    def settle(self, event, pending, hold, amount, remaining, timestamp):
        captures, voids = event["flags"] & CAPTURE, event["flags"] & VOID
        released = amount if captures and amount < remaining else remaining
        self.move(pending["debit"], "dp", -released)
        self.move(pending["credit"], "cp", -released)
        if voids:
            self.reopen(pending)
        else:
            self.move(pending["debit"], "dpo", amount)
            self.move(pending["credit"], "cpo", amount)
            self.put(hold, "captured", hold["captured"] + amount)
        kind = 6 if captures else 4 if voids else 3
        self.record(kind, self.transfers[event["id"]], timestamp, amount, released, pending["id"])
        if not captures or amount == remaining:
            self.put(hold, "state", 3 if voids else 2)
            self.end_hold(pending, hold, timestamp)

    def end_hold(self, pending, hold, timestamp):
        self.put(hold, "resolved_at", timestamp)
        for id, side in ((pending["debit"], DEBIT), (pending["credit"], CREDIT)):
            self.give_back(id, side, pending["amount"] - hold["captured"], hold["captured"] == 0,
                           pending["timestamp"], timestamp)

    def reopen(self, pending):
        for flag, id in ((CLOSING_DEBIT, pending["debit"]), (CLOSING_CREDIT, pending["credit"])):
            if pending["flags"] & flag:
                self.put(self.accounts[id], "closed", False)

    def expire(self, id, timestamp):
        pending, hold = self.transfers[id], self.holds[id]
        assert hold["state"] == 1 and 0 < hold["expires_at"] < timestamp, (id, hold, timestamp)
        released = pending["amount"] - hold["captured"]
        self.move(pending["debit"], "dp", -released)
        self.move(pending["credit"], "cp", -released)
        self.reopen(pending)
        self.put(hold, "state", 4)
        self.record(5, pending, timestamp, released, released, id)
        self.end_hold(pending, hold, timestamp)
        self.undo.clear()

    def create_transfers(self, events, first):
        """The statuses of a batch whose first event has that timestamp."""
        statuses, i = [], 0
        while i < len(events):
            end = i
            while events[end]["flags"] & LINKED and end + 1 < len(events):
                end += 1
            statuses += self.chain(events[i:end + 1], first + i)
            i = end + 1
        self.undo.clear()
        return statuses

    def chain(self, events, first):
        mark, changes, statuses = len(self.undo), len(self.changes), []
        for i, event in enumerate(events):
            open_end = event["flags"] & LINKED and i + 1 == len(events)
            statuses.append("LINKED_EVENT_CHAIN_OPEN" if open_end
                            else self.create(event, first + i))
            if statuses[-1] != "CREATED" and len(events) > 1:
                self.take_back(mark, changes)
                # One that is open at the end is told so, whatever broke it.
                rest = ["LINKED_EVENT_FAILED"] * (len(events) - i - 1)
                if rest and events[-1]["flags"] & LINKED:
                    rest[-1] = "LINKED_EVENT_CHAIN_OPEN"
                return ["LINKED_EVENT_FAILED"] * i + [statuses[-1]] + rest
        return statuses

    # --- journals

    def post_journal(self, id, legs, timestamp, fields, reverses=None):
        """(status, index of the leg that failed or None, its status)."""
        mark, changes, net = len(self.undo), len(self.changes), {}
        for i, leg in enumerate(legs):
            status = self.create(leg, timestamp + 1 + i, net)
            if status != "CREATED":
                break
        else:
            i, status = self.limits_of_journal(legs, net, timestamp + len(legs), reverses)
        if status != "CREATED":
            self.take_back(mark, changes)
            self.fail(legs[i]["id"], status)
            if is_transient(status):
                self.journals[id] = None
            return "LEG_FAILED", i, status
        self.undo.clear()
        self.journals[id] = {"timestamp": timestamp, "legs": [leg["id"] for leg in legs],
                             "pending": sum(1 for leg in legs if leg["flags"] & PENDING),
                             "reverses": reverses["id"] if reverses else 0, "reversed_by": 0,
                             "id": id, **fields}
        return "CREATED", None, None

    def limits_of_journal(self, legs, net, timestamp, reverses):
        looked_at = set()
        for i, leg in enumerate(legs):
            for id in (leg["debit"], leg["credit"]):
                if id not in looked_at:
                    looked_at.add(id)
                    status = self.limits_of_net(id, net[id], timestamp, reverses)
                    if status:
                        return i, status
            if self.beyond_flags(leg["debit"], DEBIT):
                return i, "EXCEEDS_CREDITS"
            if self.beyond_flags(leg["credit"], CREDIT):
                return i, "EXCEEDS_DEBITS"
        return None, "CREATED"

    def limits_of_net(self, id, net, timestamp, reverses):
        moved, reserved = net["moved"], net["reserved"]
        counted = [max(0, moved[side] - moved[1 - side]) for side in (DEBIT, CREDIT)]
        for side, name in ((DEBIT, "DEBIT"), (CREDIT, "CREDIT")):
            amount = max(0, moved[side] + reserved[side] - moved[1 - side])
            counts = counted[side] > 0 and not reverses
            breach = self.breach(id, side, amount, counted[side], counts, timestamp)
            if breach and amount:
                return f"EXCEEDS_{name}_{breach}"
        for side in (DEBIT, CREDIT):
            if counted[side] and reverses:
                taken_at = reverses["timestamp"] + len(reverses["legs"])
                self.give_back(id, 1 - side, counted[side], True, taken_at, timestamp)
            elif counted[side]:
                self.take(id, side, counted[side], timestamp)
        return None

    def reverse_journal(self, id, original_id, timestamp):
        original = self.journals.get(original_id)
        if original is None:
            self.journals[id] = None
            return "JOURNAL_NOT_FOUND", None, None
        if original["reverses"]:
            return "JOURNAL_IS_A_REVERSAL", None, None
        if original["pending"]:
            return "JOURNAL_HAS_PENDING_LEGS", None, None
        if original["reversed_by"]:
            return "JOURNAL_ALREADY_REVERSED", None, None
        legs = [{**self.transfers[leg], "id": id + 1 + i, "flags": 0, "pending": 0, "timeout": 0,
                 "debit": self.transfers[leg]["credit"], "credit": self.transfers[leg]["debit"]}
                for i, leg in enumerate(original["legs"])]
        fields = {"kind": original["kind"], "business_date": 20261130, "reference": 0}
        outcome = self.post_journal(id, legs, timestamp, fields, original)
        if outcome[0] == "CREATED":
            original["reversed_by"] = id
        return outcome

    # --- metadata

    def set_metadata(self, name, account, patch, expected, timestamp):
        """(status, version); the timestamp is that of a change that was made."""
        if not (name[1] in self.accounts if account else self.journals.get(name[1])):
            return ("ACCOUNT" if account else "JOURNAL") + "_NOT_FOUND", timestamp
        versions = self.metadata.setdefault(name, [])
        version, old = versions[-1] if versions else (0, {})
        if expected is not None and expected != version:
            return "VERSION_IS_DIFFERENT", version
        new = {key: text for key, text in {**old, **patch}.items() if text is not None}
        if new == old:
            return "UNCHANGED", version
        versions.append((timestamp, new))
        return "CREATED", timestamp

    # --- commands on controls

    def place(self, order, timestamp):
        known = self.freezes.get(order["id"])
        if known:
            for key, name in (("account", "ACCOUNT_ID"), ("kind", "KIND"),
                              ("priority", "PRIORITY"), ("amount", "AMOUNT")):
                if known[key] != order[key]:
                    return "EXISTS_WITH_DIFFERENT_" + name
            return "EXISTS"
        if order["account"] not in self.accounts:
            return "ACCOUNT_NOT_FOUND"
        active = self.controls[order["account"]]["orders"]
        if len(active) == 16:
            return "TOO_MANY_FREEZES"
        self.freezes[order["id"]] = {**order, "placed_at": timestamp, "released_at": 0}
        active.append(order["id"])
        active.sort(key=lambda id: (-self.freezes[id]["priority"], self.freezes[id]["placed_at"]))
        return "CREATED"

    def release(self, id, priority, timestamp):
        order = self.freezes.get(id)
        if order is None:
            return "FREEZE_NOT_FOUND"
        if order["released_at"]:
            return "ALREADY_RELEASED"
        if priority < order["priority"]:
            return "PRIORITY_TOO_LOW"
        order["released_at"] = timestamp
        self.controls[order["account"]]["orders"].remove(id)
        return "CREATED"

    def held(self, id):
        """What of the balance each order has, in their order."""
        left, rows = max(0, self.left(self.accounts[id])), []
        for order in self.orders(id):
            rows.append(min(order["amount"], left))
            left -= rows[-1]
        return rows

    def limits(self, limit):
        if limit["group"]:
            return self.groups.setdefault(limit["group"], new_limits())
        control = self.controls.get(limit["account"])
        return control and control["limits"]

    def set_limit(self, limit, timestamp):
        limits = self.limits(limit)
        if limits is None:
            return "ACCOUNT_NOT_FOUND"
        value = None if limit["remove"] else limit["amount"]
        if limit["kind"] in ("credit", "balance"):
            limits[limit["kind"]] = value
        elif limit["kind"] == "normal":
            limits["normal"] = limit["on"]
        else:
            self.set_window(limits["windows"], limit, timestamp)
        return "CREATED"

    def set_window(self, windows, limit, timestamp):
        key = limit["side"], limit["period"]
        if limit["remove"]:
            windows.pop(key, None)
            return
        window = windows.get(key)
        if window is None or (window["flags"], window["offset"]) != (limit["flags"],
                                                                     limit["offset"]):
            window = windows[key] = {"flags": limit["flags"], "offset": limit["offset"],
                                     "since": timestamp, "begins": 0, "used": 0, "number": 0}
        window["amount"], window["count"] = limit["amount"], limit["count"]

    def set_member(self, group, account, remove, timestamp):
        if account not in self.accounts:
            return "ACCOUNT_NOT_FOUND"
        groups = self.controls[account]["groups"]
        if remove:
            return "NOT_A_MEMBER" if groups.pop(group, None) is None else "CREATED"
        if group in groups:
            return "ALREADY_A_MEMBER"
        members = self.members(group)
        if members and members[0]["ledger"] != self.accounts[account]["ledger"]:
            return "GROUP_HAS_DIFFERENT_LEDGER"
        if len(groups) == 4:
            return "TOO_MANY_GROUPS"
        self.groups.setdefault(group, new_limits())
        groups[group] = timestamp
        return "CREATED"
