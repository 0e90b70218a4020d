"""The registry and metadata through stock gRPC: what is registered, what strict refuses, what is set,
read as of a time, refused with its name, and that all of it is still there after a crash."""

import concurrent.futures
import signal

import fenlu_test as ft
from fenlu_test import (Ledger, error_detail, failure, id_bytes, make_accounts, metadata_pb2,
                        new_ids, registry_pb2, statuses, transfer, transfers_are)

M = metadata_pb2
R = registry_pb2
CODE = 65001


class Calls:
    """The calls of fenlu.v1.Registry and fenlu.v1.Metadata."""

    METHODS = {"CreateLedgers": "Registry", "ListLedgers": "ListLedgers",
               "CreateAccountCodes": "Registry", "ListAccountCodes": "ListAccountCodes",
               "SetMode": "Registry", "GetMode": "GetMode", "SetMetadata": "SetMetadata",
               "GetMetadata": "GetMetadata", "ListMetadataVersions": "ListMetadataVersions"}

    def __init__(self, channel):
        for method, answer in self.METHODS.items():
            service = "Metadata" if "Metadata" in method else "Registry"
            module = M if service == "Metadata" else R
            call = ft.unary(channel, f"/fenlu.v1.{service}/{method}",
                            getattr(module, method + "Request"),
                            getattr(module, answer + "Response"))
            setattr(self, method, self._caller(call, getattr(module, method + "Request")))

    @staticmethod
    def _caller(call, request_class):
        return lambda **fields: call(request_class(**fields), timeout=10)


def registry_is(*names):
    return [R.RegistryStatus.Value("REGISTRY_STATUS_" + name) for name in names]


def entry(key, type, **value):
    return M.MetadataEntry(key=key, type=M.MetadataType.Value("METADATA_TYPE_" + type), **value)


def of_account(number, **fields):
    return dict(target=M.METADATA_TARGET_ACCOUNT, id=id_bytes(number), **fields)


def test_what_is_registered_never_changes(target):
    with target.channel() as channel:
        calls = Calls(channel)
        mine = R.RegisteredLedger(ledger=910001, unit="CNY", scale=2, fund_domain=7, name="现金")
        narrow = R.RegisteredLedger(ledger=910002, unit="EUR",
                                    flags=R.REGISTERED_LEDGER_FLAGS_NARROW)
        answer = calls.CreateLedgers(ledgers=[mine, narrow, mine])
        assert statuses(answer) == registry_is("CREATED", "CREATED", "EXISTS")
        assert answer.log_index > 0
        other = R.RegisteredLedger(ledger=910001, unit="CNY", scale=3)
        assert statuses(calls.CreateLedgers(ledgers=[other])) == \
            registry_is("EXISTS_WITH_DIFFERENT_SCALE")
        one, two = calls.ListLedgers(after=910000, limit=2).ledgers
        assert one.timestamp == answer.results[0].timestamp == answer.results[2].timestamp
        one.timestamp = two.timestamp = 0
        assert (one, two) == (mine, narrow)
        assert not calls.ListLedgers(after=910002).ledgers
        code = R.AccountCode(code=CODE, normal_side=R.NORMAL_SIDE_DEBIT, name="assets")
        part = R.AccountCode(code=CODE + 1, normal_side=R.NORMAL_SIDE_DEBIT, parent=CODE)
        assert statuses(calls.CreateAccountCodes(codes=[part, code, part])) == \
            registry_is("PARENT_NOT_REGISTERED", "CREATED", "CREATED")
        found, = calls.ListAccountCodes(after=CODE).codes
        assert (found.code, found.parent) == (CODE + 1, CODE)


def test_metadata_has_types_versions_and_history(target):
    with target.channel() as channel:
        ledger, calls = Ledger(channel), Calls(channel)
        account, = make_accounts(ledger, 1)
        assert not calls.GetMetadata(**of_account(account)).found
        values = [entry("amount", "UINT128", number=5, number_hi=1),
                  entry("born", "DATE", number=20261231), entry("name", "STRING", text="王"),
                  entry("ok", "BOOL", number=1), entry("raw", "BYTES", bytes=b"\0\1"),
                  entry("seen", "TIMESTAMP", number=2**63), entry("x", "INT64", integer=-3)]
        first = calls.SetMetadata(**of_account(account, set=values[::-1], expected_version=0))
        assert first.status == M.METADATA_STATUS_CREATED and first.log_index > 0
        answer = calls.GetMetadata(**of_account(account))
        assert answer.found and list(answer.entries) == values
        assert answer.version == first.version
        stale = calls.SetMetadata(**of_account(account, delete=["x"], expected_version=0))
        assert stale.status == M.METADATA_STATUS_VERSION_IS_DIFFERENT
        assert stale.version == first.version
        second = calls.SetMetadata(**of_account(account, delete=["x", "raw"],
                                                set=[entry("ok", "BOOL")],
                                                expected_version=first.version))
        assert second.status == M.METADATA_STATUS_CREATED and second.version > first.version
        keys = lambda **fields: [e.key for e in calls.GetMetadata(
            **of_account(account, **fields)).entries]
        assert keys() == ["amount", "born", "name", "ok", "seen"]
        assert keys(as_of=second.version - 1) == [e.key for e in values]
        assert not calls.GetMetadata(**of_account(account, as_of=first.version - 1)).found
        missing = calls.SetMetadata(**of_account(new_ids(1)[0], set=values))
        assert missing.status == M.METADATA_STATUS_ACCOUNT_NOT_FOUND


def test_versions_are_listed_page_by_page(target):
    with target.channel() as channel:
        ledger, calls = Ledger(channel), Calls(channel)
        account, other = make_accounts(ledger, 2)

        def change(i):
            if i % 50 == 0:  # others lie between
                calls.SetMetadata(**of_account(other, set=[entry("n", "INT64", integer=i)]))
            return calls.SetMetadata(**of_account(
                account, set=[entry("n", "INT64", integer=i), entry(f"k{i % 3}", "BOOL")])).version, i

        made = []
        with concurrent.futures.ThreadPoolExecutor(16) as threads:
            for begin in (0, 100, 200):  # sealed, being sealed, in memory
                made += sorted(threads.map(change, range(begin, begin + 100)))
                if begin < 200 and isinstance(target, ft.Dev):
                    assert ft.run_fenlu("admin", "snapshot", "--target",
                                        target.address).returncode == 0
        rows = lambda answer: [(v.version, next(e.integer for e in v.entries if e.key == "n"))
                               for v in answer.versions]
        for limit, full in ((0, 256), (1000, 256), (256, 256), (7, 7), (150, 150)):
            found, before, sizes = [], 0, []
            while True:
                answer = calls.ListMetadataVersions(**of_account(account, before=before, limit=limit))
                found += rows(answer)
                sizes.append(len(answer.versions))
                before = answer.next_before
                if before == 0:
                    break
            assert found == made[::-1], limit
            assert set(sizes[:-1]) == {full} and sizes[-1] == 300 % full, sizes
        one, = calls.ListMetadataVersions(**of_account(account, before=made[7][0], limit=1)).versions
        whole = calls.GetMetadata(**of_account(account, as_of=made[6][0]))
        assert (one.version, list(one.entries)) == (whole.version, list(whole.entries))
        assert not calls.ListMetadataVersions(**of_account(account, before=made[0][0])).versions
        assert not calls.ListMetadataVersions(**of_account(new_ids(1)[0])).versions
        assert len(calls.ListMetadataVersions(**of_account(other)).versions) == 6
        assert not calls.ListMetadataVersions(target=2, id=id_bytes(account)).versions


def refused(call, field, words, **fields):
    error = failure(lambda: call(**fields))
    detail = error_detail(error)
    assert detail.field == field, detail
    assert words in error.details(), error.details()


def test_bad_input_names_field_value_and_limit(target):
    with target.channel() as channel:
        calls = Calls(channel)
        refused(calls.CreateLedgers, "ledgers[1].unit", "17 bytes, limit 16",
                ledgers=[R.RegisteredLedger(), R.RegisteredLedger(unit="x" * 17)])
        refused(calls.CreateLedgers, "ledgers[0].name", "33 bytes, limit 32",
                ledgers=[R.RegisteredLedger(name="x" * 33)])
        refused(calls.CreateLedgers, "ledgers[0].name", "UTF-8 without zeros",
                ledgers=[R.RegisteredLedger(name="a\0b")])
        refused(calls.CreateLedgers, "ledgers[0].flags", "0x2 has unknown bits",
                ledgers=[R.RegisteredLedger(flags=2)])
        refused(calls.CreateAccountCodes, "codes[0].code", "65536, limit 65535",
                codes=[R.AccountCode(code=65536)])
        set_one = lambda words, field, *entries, **more: refused(
            calls.SetMetadata, field, words, **of_account(1, set=entries, **more))
        set_one("0 bytes, expected 1 to 32", "set[0].key", entry("", "BOOL"))
        set_one("33 bytes, expected 1 to 32", "set[1].key", entry("a", "BOOL"),
                entry("a" * 33, "BOOL"))
        set_one("byte 2 is 0x41, expected [a-z0-9_.-]", "set[0].key", entry("a.A", "BOOL"))
        set_one("byte 0 is 0xC3, expected [a-z0-9_.-]", "delete[1]", entry("a", "BOOL"),
                delete=["b", "é"])
        set_one("the key a is given twice", "set", entry("a", "BOOL"), entry("a", "BOOL"))
        set_one("2, limit 1", "set[0].number", entry("a", "BOOL", number=2))
        set_one("1, limit 0: a value of type 4 is in number", "set[0].text", entry("a", "BOOL", text="x"))
        set_one("expected 1 to 7", "set[0].type", M.MetadataEntry(key="a"))
        set_one("20260230, expected a day", "set[0].number", entry("a", "DATE", number=20260230))
        set_one("33 entries or more, limit 32", "set", *[entry(f"k{i}", "BOOL") for i in range(33)])
        set_one("limit 32", "delete", *[entry(f"k{i}", "BOOL") for i in range(32)], delete=["x"])
        set_one("1005 bytes, limit 1000", "set", entry("a", "STRING", text="x" * 999))
        set_one("0 entries", "set")
        refused(calls.SetMetadata, "target", "0, expected 1 or 2", id=id_bytes(1),
                set=[entry("a", "BOOL")])
        refused(calls.GetMetadata, "id", "3 bytes", target=1, id=b"abc")
        refused(calls.GetMetadata, "as_of", f"{2**63}, limit {2**63 - 1}", target=1, as_of=2**63)
        refused(calls.ListMetadataVersions, "before", f"{2**63}, limit {2**63 - 1}", target=1,
                before=2**63)
        refused(calls.ListMetadataVersions, "target", "3, expected 1 or 2", target=3)
        refused(calls.ListMetadataVersions, "id", "17 bytes", target=1, id=b"x" * 17)
        assert not calls.CreateLedgers().results


def test_strict_and_narrow_and_a_crash():
    with ft.Playground() as playground, playground.channel() as channel:
        ledger, calls = Ledger(channel), Calls(channel)
        a, b = make_accounts(ledger, 2)
        calls.SetMetadata(**of_account(a, set=[entry("k", "STRING", text="v")]))
        assert calls.GetMode().mode == R.REGISTRY_MODE_OPEN
        assert statuses(calls.SetMode(mode=R.REGISTRY_MODE_STRICT)) == registry_is("CREATED")
        assert statuses(ledger.create_transfers([transfer(new_ids(1)[0], a, b, 7)])) == \
            transfers_are("LEDGER_NOT_REGISTERED")
        number = ledger.lookup_accounts([a])[0].ledger
        calls.CreateLedgers(ledgers=[R.RegisteredLedger(
            ledger=number, unit="CNY", flags=R.REGISTERED_LEDGER_FLAGS_NARROW)])
        assert statuses(ledger.create_transfers([transfer(new_ids(1)[0], a, b, 7)])) == \
            transfers_are("CREATED")
        leader = playground.leader()
        pid = playground.pids()[leader]
        playground.kill_node(leader, signal.SIGKILL)
        playground.wait_restarted(leader, pid)
        playground.wait_all_caught_up()
        mode = calls.GetMode()
        assert mode.mode == R.REGISTRY_MODE_STRICT and mode.changed_at > 0
        assert statuses(ledger.create_transfers([transfer(new_ids(1)[0], a, b, 2**63 - 7)])) == \
            transfers_are("OVERFLOWS_LEDGER_WIDTH")
        answer = calls.GetMetadata(**of_account(a))
        assert [e.text for e in answer.entries] == ["v"]


if __name__ == "__main__":
    ft.main(globals(), {"dev": ft.Dev, "playground": ft.Playground})
