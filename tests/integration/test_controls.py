"""Freezes, limits and groups through stock gRPC: what is set, what it refuses, what is told, and that
it is still there after a crash."""

import signal

import grpc

import fenlu_test as ft
from fenlu_test import (Ledger, controls_pb2, error_detail, failure, id_bytes, make_accounts,
                        new_ids, statuses, transfer, transfers_are)

C = controls_pb2
LIMITED = 2  # debits_must_not_exceed_credits
CHINA = 8 * 3600


class Controls:
    """The calls of fenlu.v1.Controls."""

    METHODS = {"PlaceFreezes": "Control", "ReleaseFreezes": "Control", "ListFreezes": "ListFreezes",
               "GetFreeze": "GetFreeze", "SetLimits": "Control", "GetLimits": "GetLimits",
               "SetGroupMembers": "Control", "GetGroup": "GetGroup",
               "ListAllFreezes": "ListAllFreezes", "ListGroupMembers": "ListGroupMembers",
               "ListAccountGroups": "ListAccountGroups"}

    def __init__(self, channel):
        for method, answer in self.METHODS.items():
            call = ft.unary(channel, f"/fenlu.v1.Controls/{method}",
                            getattr(C, method + "Request"), getattr(C, answer + "Response"))
            setattr(self, method, self._caller(call, getattr(C, method + "Request")))

    @staticmethod
    def _caller(call, request_class):
        return lambda **fields: call(request_class(**fields), timeout=10)


def controls_are(*names):
    return [C.ControlStatus.Value("CONTROL_STATUS_" + name) for name in names]


def freeze(id, account, kind, priority="RISK", amount=0, **fields):
    return C.Freeze(id=id_bytes(id), account_id=id_bytes(account),
                    kind=C.FreezeKind.Value("FREEZE_KIND_" + kind),
                    priority=C.FreezePriority.Value("FREEZE_PRIORITY_" + priority), amount=amount,
                    authority=fields.pop("authority", b"order 7"), **fields)


def window(target, side, period, amount=None, count=None, group=False):
    flags = (0 if amount is None else C.LIMIT_FLAGS_AMOUNT) | (
        0 if count is None else C.LIMIT_FLAGS_COUNT)
    which = {"group_id" if group else "account_id": id_bytes(target)}
    return C.Limit(kind=C.LIMIT_KIND_WINDOW, side=C.LimitSide.Value("LIMIT_SIDE_" + side),
                   period=C.LimitPeriod.Value("LIMIT_PERIOD_" + period), amount=amount or 0,
                   count=count or 0, flags=flags, utc_offset_s=CHINA, **which)


def test_an_amount_waits_for_money_and_orders_have_priorities(target):
    with target.channel() as channel:
        ledger, controls = Ledger(channel), Controls(channel)
        bank, = make_accounts(ledger, 1)
        wallet, = make_accounts(ledger, 1, flags=LIMITED)
        court, rule, lift = new_ids(3)
        pay = lambda amount: statuses(
            ledger.create_transfers([transfer(new_ids(1)[0], wallet, bank, amount)]))
        ledger.create_transfers([transfer(new_ids(1)[0], bank, wallet, 100)])
        answer = controls.PlaceFreezes(freezes=[
            freeze(rule, wallet, "AMOUNT", amount=60, reason=4),
            freeze(court, wallet, "AMOUNT", "JUDICIAL", amount=70, authority=b"court 1"),
            freeze(lift, wallet, "AMOUNT"), freeze(rule, wallet, "AMOUNT", amount=61)])
        assert statuses(answer) == controls_are(
            "CREATED", "CREATED", "AMOUNT_MUST_NOT_BE_ZERO", "EXISTS_WITH_DIFFERENT_AMOUNT")
        assert answer.log_index > 0
        orders = controls.ListFreezes(account_id=id_bytes(wallet)).freezes
        assert [(o.id, o.held) for o in orders] == [(id_bytes(court), 70), (id_bytes(rule), 30)]
        assert pay(1) == transfers_are("EXCEEDS_DEBIT_ACCOUNT_AVAILABLE")
        ledger.create_transfers([transfer(new_ids(1)[0], bank, wallet, 31)])
        assert pay(2) == transfers_are("EXCEEDS_DEBIT_ACCOUNT_AVAILABLE")
        assert pay(1) == transfers_are("CREATED")
        found = ledger.lookup_accounts([wallet])[0]
        assert found.credits_posted == 131 and found.flags == LIMITED
        released = lambda priority: statuses(controls.ReleaseFreezes(releases=[C.FreezeRelease(
            id=id_bytes(court), priority=priority, authority=b"court 2", reason=9)]))
        assert released(C.FREEZE_PRIORITY_RISK) == controls_are("PRIORITY_TOO_LOW")
        assert released(C.FREEZE_PRIORITY_JUDICIAL) == controls_are("CREATED")
        assert released(C.FREEZE_PRIORITY_JUDICIAL) == controls_are("ALREADY_RELEASED")
        order, = controls.GetFreeze(id=id_bytes(court)).freezes
        assert order.released_at > order.placed_at > 0 and order.release_authority == b"court 2"
        assert order.authority == b"court 1" and order.release_reason == 9
        assert pay(70) == transfers_are("CREATED")
        assert not controls.GetFreeze(id=id_bytes(lift)).freezes
        assert not controls.ListFreezes(account_id=id_bytes(lift)).freezes


def test_windows_count_and_give_back(target):
    with target.channel() as channel:
        ledger, controls = Ledger(channel), Controls(channel)
        a, b = make_accounts(ledger, 2)
        limit = window(a, "DEBIT", "LIFETIME", 100, 2)
        assert statuses(controls.SetLimits(limits=[limit])) == controls_are("CREATED")
        pending, = new_ids(1)
        pay = lambda id, amount, flags=0, **fields: statuses(
            ledger.create_transfers([transfer(id, a, b, amount, flags=flags, **fields)]))
        assert pay(new_ids(1)[0], 101) == transfers_are("EXCEEDS_DEBIT_ACCOUNT_AMOUNT_LIMIT")
        assert pay(pending, 80, 2) == transfers_are("CREATED")
        used, = controls.GetLimits(account_id=id_bytes(a)).limits
        assert (used.amount_used, used.count_used, used.utc_offset_s) == (80, 1, CHINA)
        assert statuses(ledger.create_transfers(
            [transfer(new_ids(1)[0], 0, 0, 0, ledger=0, code=0, flags=8,
                      pending_id=id_bytes(pending))])) == transfers_are("CREATED")
        used, = controls.GetLimits(account_id=id_bytes(a)).limits
        assert (used.amount_used, used.count_used) == (0, 0)
        assert pay(new_ids(1)[0], 1) == pay(new_ids(1)[0], 1) == transfers_are("CREATED")
        assert pay(new_ids(1)[0], 1) == transfers_are("EXCEEDS_DEBIT_ACCOUNT_COUNT_LIMIT")
        used, = controls.GetLimits(account_id=id_bytes(a)).limits
        assert statuses(controls.SetLimits(limits=[used])) == controls_are("CREATED")


def test_a_group_has_limits_over_its_members(target):
    with target.channel() as channel:
        ledger, controls = Ledger(channel), Controls(channel)
        a, b, c = make_accounts(ledger, 3)
        group, = new_ids(1)
        member = lambda account, flags=0: C.GroupMember(
            group_id=id_bytes(group), account_id=id_bytes(account), flags=flags)
        ledger.create_transfers([transfer(new_ids(1)[0], c, a, 50)])
        answer = controls.SetGroupMembers(members=[member(a), member(b), member(a), member(c, 1)])
        assert statuses(answer) == controls_are("CREATED", "CREATED", "ALREADY_A_MEMBER",
                                                "NOT_A_MEMBER")
        answer = controls.SetLimits(limits=[
            C.Limit(group_id=id_bytes(group), kind=C.LIMIT_KIND_CREDIT, amount=10),
            window(group, "CREDIT", "DAY", count=1, group=True)])
        assert statuses(answer) == controls_are("CREATED", "CREATED")
        answer = ledger.create_transfers([
            transfer(new_ids(1)[0], b, c, 61), transfer(new_ids(1)[0], b, c, 60),
            transfer(new_ids(1)[0], c, a, 1), transfer(new_ids(1)[0], c, a, 1)])
        assert statuses(answer) == transfers_are(
            "EXCEEDS_DEBIT_GROUP_CREDIT_LIMIT", "CREATED", "CREATED",
            "EXCEEDS_CREDIT_GROUP_COUNT_LIMIT")
        found, = controls.GetGroup(group_id=id_bytes(group)).groups
        assert (found.members, found.ledger) == (2, 1)
        assert (found.debits_posted, found.credits_posted) == (60, 51)
        assert len(controls.GetLimits(group_id=id_bytes(group)).limits) == 2
        assert not controls.GetGroup(group_id=id_bytes(a)).groups


def all_pages(call, rows, cursor, next_cursor, **fields):
    """All rows, the cursors, page by page."""
    found, sizes = [], []
    while True:
        answer = call(**fields)
        found += getattr(answer, rows)
        sizes.append(len(getattr(answer, rows)))
        fields[cursor] = getattr(answer, next_cursor)
        if not fields[cursor]:
            return found, sizes


def test_every_order_of_an_account_is_listed(target):
    with target.channel() as channel:
        ledger, controls = Ledger(channel), Controls(channel)
        account, other = make_accounts(ledger, 2)
        orders = new_ids(40)
        for i, order in enumerate(orders):  # at most 16 are active at a time
            controls.PlaceFreezes(freezes=[freeze(order, account, "DEBITS", reason=i)])
            if i % 3 != 0:
                controls.ReleaseFreezes(releases=[C.FreezeRelease(
                    id=id_bytes(orders[i]), priority=C.FREEZE_PRIORITY_JUDICIAL, authority=b"x")])
            if i % 13 == 5:  # what is no order changes the control, too: more than a call looks at
                limits = [C.Limit(account_id=id_bytes(account), kind=C.LIMIT_KIND_CREDIT, amount=n)
                          for n in range(300)]
                assert set(statuses(controls.SetLimits(limits=limits))) == set(
                    controls_are("CREATED"))
            if i == 20 and isinstance(target, ft.Dev):
                assert ft.run_fenlu("admin", "snapshot", "--target",
                                    target.address).returncode == 0
        controls.PlaceFreezes(freezes=[freeze(new_ids(1)[0], other, "BOTH")])
        everything = [controls.GetFreeze(id=id_bytes(order)).freezes[0] for order in orders[::-1]]
        for limit in (0, 1, 7, 256, 5000):
            found, sizes = all_pages(controls.ListAllFreezes, "freezes", "before", "next_before",
                                     account_id=id_bytes(account), limit=limit)
            assert found == everything, limit
            assert max(sizes) <= (limit or 256), sizes
        assert 0 in sizes or sum(size > 0 for size in sizes) > 1, sizes
        active = {order.id for order in controls.ListFreezes(account_id=id_bytes(account)).freezes}
        assert active == {order.id for order in everything if order.released_at == 0}
        assert not controls.ListAllFreezes(account_id=id_bytes(new_ids(1)[0])).freezes
        assert len(controls.ListAllFreezes(account_id=id_bytes(other)).freezes) == 1


def test_members_of_a_group_and_groups_of_an_account(target):
    with target.channel() as channel:
        ledger, controls = Ledger(channel), Controls(channel)
        accounts = make_accounts(ledger, 2600)
        groups = new_ids(5)
        member = lambda group, account, flags=0: C.GroupMember(
            group_id=id_bytes(group), account_id=id_bytes(account), flags=flags)
        # Every account has a control; a few are members, the first one and the last one, too.
        limits = [C.Limit(account_id=id_bytes(id), kind=C.LIMIT_KIND_CREDIT, amount=1)
                  for id in accounts]
        assert set(statuses(controls.SetLimits(limits=limits))) == set(controls_are("CREATED"))
        chosen = sorted({accounts[0], accounts[-1], *accounts[1000:2200:400], *accounts[5:300]})
        answer = controls.SetGroupMembers(members=[member(groups[0], id) for id in chosen])
        joined = {id: result.timestamp for id, result in zip(chosen, answer.results)}
        gone = chosen.pop(3)
        controls.SetGroupMembers(members=[member(groups[0], gone, 1)])
        wanted = [(groups[0], id, joined[id]) for id in chosen]
        rows = lambda found: [(ft.id_number(row.group_id), ft.id_number(row.account_id),
                               row.joined_at) for row in found]
        for limit in (0, 5, 256, 1000):
            found, sizes = all_pages(controls.ListGroupMembers, "members", "after", "next_after",
                                     group_id=id_bytes(groups[0]), limit=limit)
            assert rows(found) == wanted, (limit, len(found), len(wanted))
            assert max(sizes) <= min(limit or 256, 256), sizes
        after = controls.ListGroupMembers(group_id=id_bytes(groups[0]), after=id_bytes(chosen[-2]))
        assert rows(after.members) == wanted[-1:] or after.next_after
        assert not controls.ListGroupMembers(group_id=id_bytes(groups[4])).ByteSize()
        few = C.GroupMember(group_id=id_bytes(groups[1]), account_id=id_bytes(accounts[9]))
        controls.SetGroupMembers(members=[few])
        # A whole group in the first reply needs no second one.
        answer = controls.ListGroupMembers(group_id=id_bytes(groups[1]))
        assert len(answer.members) == 1 and not answer.next_after
        found = controls.ListAccountGroups(account_id=id_bytes(accounts[9])).groups
        assert [row[:2] for row in rows(found)] == [(groups[0], accounts[9]),
                                                    (groups[1], accounts[9])]
        assert found[0].joined_at == joined[accounts[9]] < found[1].joined_at
        assert not controls.ListAccountGroups(account_id=id_bytes(gone)).groups


def refused(call, field, text, **fields):
    error = failure(call, **fields)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, error
    assert error_detail(error).field == field and text in error.details(), error


def test_what_cannot_be_meant_is_refused_with_its_name(target):
    with target.channel() as channel:
        controls = Controls(channel)
        refused(controls.PlaceFreezes, "freezes[1].authority", "49 bytes, limit 48",
                freezes=[freeze(1, 2, "BOTH"), freeze(1, 2, "BOTH", authority=b"x" * 49)])
        refused(controls.PlaceFreezes, "freezes[0].id", "3 bytes", freezes=[C.Freeze(id=b"abc")])
        refused(controls.PlaceFreezes, "freezes[0].reason", "65536, limit 65535",
                freezes=[C.Freeze(reason=65536)])
        refused(controls.SetLimits, "limits[0].group_id", "either this or account_id",
                limits=[C.Limit(kind=C.LIMIT_KIND_CREDIT)])
        refused(controls.PlaceFreezes, "freezes[0].authority", "the last of its 3 bytes is zero",
                freezes=[freeze(1, 2, "BOTH", authority=b"x\0\0")])
        for fields, field in (({"kind": C.LIMIT_KIND_CREDIT, "side": 1}, "side"),
                              ({"kind": C.LIMIT_KIND_BALANCE, "period": 1}, "period"),
                              ({"kind": C.LIMIT_KIND_BALANCE, "utc_offset_s": 1}, "utc_offset_s"),
                              ({"kind": C.LIMIT_KIND_CREDIT, "count": 1}, "count"),
                              ({"kind": C.LIMIT_KIND_NORMAL, "amount_hi": 1}, "amount"),
                              ({"kind": C.LIMIT_KIND_WINDOW, "amount": 1, "count": 1,
                                "flags": C.LIMIT_FLAGS_COUNT}, "amount"),
                              ({"kind": C.LIMIT_KIND_WINDOW, "amount": 1, "count": 1,
                                "flags": C.LIMIT_FLAGS_AMOUNT}, "count")):
            refused(controls.SetLimits, "limits[0]." + field, "says nothing about a limit of kind",
                    limits=[C.Limit(account_id=id_bytes(1), **fields)])
        refused(controls.SetLimits, "limits[0].flags", "0x1 has unknown bits, the known ones are 0x1E",
                limits=[C.Limit(account_id=id_bytes(1), flags=1)])
        refused(controls.GetLimits, "group_id", "either this or account_id",
                account_id=id_bytes(1), group_id=id_bytes(1))
        too_many = [C.GroupMember()] * 8191
        refused(controls.SetGroupMembers, "members", "8191 items, limit 8190", members=too_many)
        refused(controls.ListAllFreezes, "before", f"{2**63}, limit {2**63 - 1}", before=2**63)
        refused(controls.ListAllFreezes, "account_id", "3 bytes", account_id=b"abc")
        refused(controls.ListGroupMembers, "after", "15 bytes, expected 16 or none", after=b"x" * 15)
        refused(controls.ListAccountGroups, "account_id", "1 bytes", account_id=b"x")
        assert not controls.PlaceFreezes().results
        answer = controls.SetLimits(limits=[window(1, "DEBIT", "DAY", 1), window(1, "DEBIT", "DAY")])
        assert statuses(answer) == controls_are("ACCOUNT_NOT_FOUND", "AMOUNT_OR_COUNT_EXPECTED")


def test_a_crash_forgets_nothing():
    with ft.Playground() as playground, playground.channel() as channel:
        ledger, controls = Ledger(channel), Controls(channel)
        a, b = make_accounts(ledger, 2)
        order, = new_ids(1)
        controls.SetLimits(limits=[window(a, "DEBIT", "LIFETIME", 10)])
        assert statuses(ledger.create_transfers([transfer(new_ids(1)[0], a, b, 7)])) == \
            transfers_are("CREATED")
        controls.PlaceFreezes(freezes=[freeze(order, b, "CREDITS", "JUDICIAL")])
        leader = playground.leader()
        pid = playground.pids()[leader]
        playground.kill_node(leader, signal.SIGKILL)
        playground.wait_restarted(leader, pid)
        playground.wait_all_caught_up()
        limit, = controls.GetLimits(account_id=id_bytes(a)).limits
        assert limit.amount_used == 7
        assert statuses(ledger.create_transfers([transfer(new_ids(1)[0], b, a, 1)])) == \
            transfers_are("CREATED")
        assert statuses(ledger.create_transfers([transfer(new_ids(1)[0], a, b, 1)])) == \
            transfers_are("CREDIT_ACCOUNT_FROZEN")


if __name__ == "__main__":
    ft.main(globals(), {"dev": ft.Dev, "playground": ft.Playground})
