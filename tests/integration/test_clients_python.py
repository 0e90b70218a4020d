"""The calls of Fenlu through a client that we did not write: grpcio of Debian, on `fenlu dev` and
on a playground."""

import re

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

import fenlu_test as ft
from fenlu_test import (Ledger, account, accounts_are, error_detail, errors_pb2, failure,
                        health_pb2, id_bytes, ledger_pb2, make_accounts, new_ids,
                        reflection_alpha_pb2, reflection_pb2, statuses, transfer, transfers_are,
                        whole)

BATCH_MAX = 8190
MESSAGE_MAX = 4 * 1024 * 1024


def expect_invalid(error, field, text):
    """INVALID_ARGUMENT that names the field, and says that nothing was applied."""
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, error
    assert text in error.details(), (text, error.details())
    assert error_detail(error) == errors_pb2.ErrorDetail(
        reason="INVALID", outcome=errors_pb2.OUTCOME_NOT_APPLIED, field=field), error_detail(error)


# --- the ledger


def test_accounts_come_back_as_they_were_created(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        first, second = new_ids(2)
        sent = [account(first, ledger=7, code=65535, user_data_128=id_bytes(2**128 - 2),
                        user_data_64=2**64 - 1, user_data_32=2**32 - 1,
                        flags=ledger_pb2.ACCOUNT_FLAGS_DEBITS_MUST_NOT_EXCEED_CREDITS),
                account(second)]
        answer = ledger.create_accounts(sent)
        assert statuses(answer) == accounts_are("CREATED", "CREATED"), answer
        assert answer.log_index > 0
        assert 0 < answer.results[0].timestamp < answer.results[1].timestamp
        for message, result in zip(sent, answer.results):
            message.timestamp = result.timestamp
        assert list(ledger.lookup_accounts([first, second])) == sent


def test_transfers_move_balances(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        debit, credit = make_accounts(ledger, 2)
        first, second = new_ids(2)
        sent = [transfer(first, debit, credit, 100, code=9, user_data_128=id_bytes(5),
                         user_data_64=6, user_data_32=7),
                transfer(second, credit, debit, 30)]
        answer = ledger.create_transfers(sent)
        assert statuses(answer) == transfers_are("CREATED", "CREATED"), answer
        for message, result in zip(sent, answer.results):
            message.timestamp = result.timestamp
        assert list(ledger.lookup_transfers([first, second])) == sent
        balances = [(a.debits_posted, a.credits_posted)
                    for a in ledger.lookup_accounts([debit, credit])]
        assert balances == [(100, 30), (30, 100)]


def test_amounts_have_128_bits(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        debit, credit = make_accounts(ledger, 2)
        amount = 2**127 + 2**64 + 12345
        id, over = new_ids(2)
        answer = ledger.create_transfers([transfer(id, debit, credit, amount),
                                          transfer(over, debit, credit, amount)])
        assert statuses(answer) == transfers_are("CREATED", "OVERFLOWS_DEBITS_POSTED"), answer
        assert whole(ledger.lookup_transfers([id])[0], "amount") == amount
        assert whole(ledger.lookup_accounts([debit])[0], "debits_posted") == amount
        assert whole(ledger.lookup_accounts([credit])[0], "credits_posted") == amount


def test_a_duplicate_exists_with_the_first_timestamp(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        debit, credit = new_ids(2)
        accounts = [account(debit), account(credit)]
        first = ledger.create_accounts(accounts)
        again = ledger.create_accounts(accounts)
        assert statuses(again) == accounts_are("EXISTS", "EXISTS"), again
        assert [r.timestamp for r in again.results] == [r.timestamp for r in first.results]
        twice = [transfer(new_ids(1)[0], debit, credit, 4)] * 2
        first = ledger.create_transfers(twice)
        assert statuses(first) == transfers_are("CREATED", "EXISTS"), first
        again = ledger.create_transfers(twice)
        assert statuses(again) == transfers_are("EXISTS", "EXISTS"), again
        assert {r.timestamp for r in again.results} == {first.results[0].timestamp}
        assert ledger.lookup_accounts([debit])[0].debits_posted == 4


def test_a_conflicting_account_says_what_differs(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        id = new_ids(1)[0]
        same = {"ledger": 3, "code": 4, "user_data_128": id_bytes(1), "user_data_64": 2,
                "user_data_32": 3}
        ledger.create_accounts([account(id, **same)])
        conflicts = {
            "flags": ledger_pb2.ACCOUNT_FLAGS_CREDITS_MUST_NOT_EXCEED_DEBITS,
            "user_data_128": id_bytes(9),
            "user_data_64": 9,
            "user_data_32": 9,
            "ledger": 9,
            "code": 9,
        }
        answer = ledger.create_accounts(
            [account(id, **{**same, field: value}) for field, value in conflicts.items()])
        assert statuses(answer) == accounts_are(
            *("EXISTS_WITH_DIFFERENT_" + field.upper() for field in conflicts)), answer


def test_a_conflicting_transfer_says_what_differs(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        debit, credit, other = make_accounts(ledger, 3)
        id = new_ids(1)[0]
        same = {"debit": debit, "credit": credit, "amount": 10, "ledger": 1, "code": 4,
                "user_data_128": id_bytes(1), "user_data_64": 2, "user_data_32": 3}
        ledger.create_transfers([transfer(id, **same)])
        conflicts = {
            "debit": (other, "DEBIT_ACCOUNT_ID"),
            "credit": (other, "CREDIT_ACCOUNT_ID"),
            "amount": (11, "AMOUNT"),
            "user_data_128": (id_bytes(9), "USER_DATA_128"),
            "user_data_64": (9, "USER_DATA_64"),
            "user_data_32": (9, "USER_DATA_32"),
            "ledger": (9, "LEDGER"),
            "code": (9, "CODE"),
        }
        answer = ledger.create_transfers(
            [transfer(id, **{**same, field: value}) for field, (value, _) in conflicts.items()])
        assert statuses(answer) == transfers_are(
            *("EXISTS_WITH_DIFFERENT_" + name for _, name in conflicts.values())), answer
        assert ledger.lookup_accounts([debit])[0].debits_posted == 10


def test_a_linked_chain_fails_as_one(target):
    linked = ledger_pb2.TRANSFER_FLAGS_LINKED
    with target.channel() as channel:
        ledger = Ledger(channel)
        debit, credit = make_accounts(ledger, 2)
        a, b, c, alone, open_end = new_ids(5)
        answer = ledger.create_transfers([
            transfer(a, debit, credit, 1, flags=linked),
            transfer(b, debit, debit, 2, flags=linked),
            transfer(c, debit, credit, 4),
            transfer(alone, debit, credit, 8),
            transfer(open_end, debit, credit, 16, flags=linked),
        ])
        assert statuses(answer) == transfers_are(
            "LINKED_EVENT_FAILED", "ACCOUNTS_MUST_BE_DIFFERENT", "LINKED_EVENT_FAILED", "CREATED",
            "LINKED_EVENT_CHAIN_OPEN"), answer
        found = ledger.lookup_transfers([a, b, c, alone, open_end])
        assert [t.id for t in found] == [id_bytes(alone)]
        assert ledger.lookup_accounts([debit])[0].debits_posted == 8
        accounts = new_ids(2)
        answer = ledger.create_accounts([
            account(accounts[0], flags=ledger_pb2.ACCOUNT_FLAGS_LINKED),
            account(accounts[1], code=0),
        ])
        assert statuses(answer) == accounts_are("LINKED_EVENT_FAILED",
                                                "CODE_MUST_NOT_BE_ZERO"), answer
        assert not ledger.lookup_accounts(accounts)


def test_an_id_that_failed_stays_failed(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        [debit] = make_accounts(ledger, 1,
                                flags=ledger_pb2.ACCOUNT_FLAGS_DEBITS_MUST_NOT_EXCEED_CREDITS)
        [credit] = make_accounts(ledger, 1)
        id, funds, second = new_ids(3)
        overdraw = transfer(id, debit, credit, 5)
        assert statuses(ledger.create_transfers([overdraw])) == transfers_are("EXCEEDS_CREDITS")
        answer = ledger.create_transfers([transfer(funds, credit, debit, 5), overdraw,
                                          transfer(second, debit, credit, 5)])
        assert statuses(answer) == transfers_are("CREATED", "ID_ALREADY_FAILED", "CREATED"), answer


def test_look_ups_keep_the_order_and_leave_out_what_is_missing(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        a, b, c = make_accounts(ledger, 3)
        missing = new_ids(1)[0]
        found = ledger.lookup_accounts([c, missing, a, b, 0, a])
        assert [ft.id_number(m.id) for m in found] == [c, a, b, a]
        assert not ledger.lookup_transfers([a, missing])


def test_stale_reads_are_asked_for_by_metadata(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        [id] = make_accounts(ledger, 1)
        stale = [("fenlu-read", "stale")]
        ft.wait_until(lambda: ledger.lookup_accounts([id], metadata=stale), "a stale read", 10)
        error = failure(ledger.lookup_accounts, [id], metadata=[("fenlu-read", "fresh")])
        expect_invalid(error, "fenlu-read", 'the values are "stale" and "follower"')
        for _ in range(20):  # sees what was acknowledged, whoever answers
            [id] = make_accounts(ledger, 1)
            assert ledger.lookup_accounts([id], metadata=[("fenlu-read", "follower")])


# --- what is refused


def test_an_id_of_another_length_is_refused_by_name(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        debit, credit = make_accounts(ledger, 2)
        good, bad = new_ids(2)
        for field in ("id", "debit_account_id", "credit_account_id", "pending_id",
                      "user_data_128"):
            for value in (b"x", b"y" * 15, b"z" * 17):
                refused = transfer(bad, debit, credit, 1)
                setattr(refused, field, value)
                error = failure(ledger.create_transfers,
                                [transfer(good, debit, credit, 1), refused])
                expect_invalid(error, f"transfers[1].{field}", str(len(value)))
        for field in ("id", "user_data_128"):
            refused = account(bad)
            setattr(refused, field, b"short")
            expect_invalid(failure(ledger.create_accounts, [refused]), f"accounts[0].{field}", "5")
        expect_invalid(failure(ledger.lookup_accounts, [debit, b"short"]), "ids[1]", "5")
        expect_invalid(failure(ledger.lookup_transfers, [b"s" * 32]), "ids[0]", "32")
        assert not ledger.lookup_transfers([good, bad]), "a refused request changed something"


def test_more_items_than_a_batch_holds_are_refused(target):
    with target.channel() as channel:
        ledger = Ledger(channel, timeout=60)
        debit, credit = make_accounts(ledger, 2)
        ids = new_ids(BATCH_MAX + 1)
        transfers = [transfer(id, debit, credit, 1) for id in ids]
        accounts = [account(id) for id in ids]
        for call, items, field in ((ledger.create_transfers, transfers, "transfers"),
                                   (ledger.create_accounts, accounts, "accounts"),
                                   (ledger.lookup_accounts, ids, "ids"),
                                   (ledger.lookup_transfers, ids, "ids")):
            error = failure(call, items)
            assert "8190" in error.details().replace(",", ""), error.details()
            expect_invalid(error, field, "")
        assert ledger.lookup_accounts([debit])[0].debits_posted == 0
        answer = ledger.create_transfers(transfers[:BATCH_MAX])
        assert statuses(answer) == transfers_are("CREATED") * BATCH_MAX
        assert len(ledger.lookup_transfers(ids[:BATCH_MAX])) == BATCH_MAX
        assert ledger.lookup_accounts([debit])[0].debits_posted == BATCH_MAX


def test_malformed_protobuf_is_refused(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        debit, credit = make_accounts(ledger, 2)
        id = new_ids(1)[0]
        good = ledger_pb2.CreateTransfersRequest(
            transfers=[transfer(id, debit, credit, 1)]).SerializeToString()
        call = ft.unary(channel, "/fenlu.v1.Ledger/CreateTransfers", None,
                        ledger_pb2.CreateTransfersResponse)
        malformed = {
            "cut short": good[:-1],
            "rest that is no field": good + b"\xff",
            "length past the end": b"\x0a\x7f\x00",
            "varint without an end": b"\x0a" + b"\xff" * 11,
            "field number 0": good + b"\x02\x00",
            "wire type 7": good + b"\x0f",
            "a number where a message belongs": b"\x08\x01",
            "text": b"transfer 1 of the money",
        }
        for what, data in malformed.items():
            error = failure(call, data, timeout=10)
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, (what, error)
            assert error_detail(error).outcome == errors_pb2.OUTCOME_NOT_APPLIED, what
        assert not ledger.lookup_transfers([id])
        assert statuses(call(good, timeout=10)) == transfers_are("CREATED")


def test_an_empty_request_is_answered_with_nothing(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        assert not ledger.create_accounts([]).results
        assert not ledger.create_transfers([]).results
        assert not ledger.lookup_accounts([])
        assert not ledger.lookup_transfers([])


def test_unknown_methods_are_unimplemented(target):
    with target.channel() as channel:
        for path in ("/fenlu.v1.Ledger/DropEverything", "/fenlu.v1.Nothing/At", "/x"):
            call = ft.unary(channel, path, None, ledger_pb2.CreateAccountsResponse)
            error = failure(call, b"", timeout=10)
            assert error.code() is grpc.StatusCode.UNIMPLEMENTED, error
            assert path in error.details(), error.details()
            assert error_detail(error).outcome == errors_pb2.OUTCOME_NOT_APPLIED, error


def test_a_compressed_message_is_unimplemented(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        id = new_ids(1)[0]
        error = failure(ledger.create_accounts, [account(id, user_data_128=bytes(16))] * 200,
                        compression=grpc.Compression.Gzip)
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED, error
        assert "identity" in error.details(), error.details()
        assert error_detail(error).outcome == errors_pb2.OUTCOME_NOT_APPLIED, error
        assert not ledger.lookup_accounts([id])


def padded(message, size):
    """The message's bytes and an unknown field that fills them up to `size`."""
    data = message.SerializeToString()
    tag = b"\xa2\x06"  # field 100, length-delimited
    for length_size in range(1, 6):
        room = size - len(data) - len(tag) - length_size
        length = bytearray()
        rest = room
        while rest > 127:
            length.append(rest & 127 | 128)
            rest >>= 7
        length.append(rest)
        if len(length) == length_size:
            return data + tag + bytes(length) + bytes(room)
    raise AssertionError(f"no padding of {size} bytes")


def test_messages_up_to_4_mib_are_taken(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        largest, over = new_ids(2)
        call = ft.unary(channel, "/fenlu.v1.Ledger/CreateAccounts", None,
                        ledger_pb2.CreateAccountsResponse)
        message = padded(ledger_pb2.CreateAccountsRequest(accounts=[account(largest)]), MESSAGE_MAX)
        assert len(message) == MESSAGE_MAX
        assert statuses(call(message, timeout=20)) == accounts_are("CREATED")
        message = padded(ledger_pb2.CreateAccountsRequest(accounts=[account(over)]),
                         MESSAGE_MAX + 1)
        error = failure(call, message, timeout=20)
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, error
        numbers = re.findall(r"\d+", error.details())
        assert str(MESSAGE_MAX + 1) in numbers and str(MESSAGE_MAX) in numbers, error.details()
        assert error_detail(error) == errors_pb2.ErrorDetail(
            reason="TOO_LARGE", outcome=errors_pb2.OUTCOME_NOT_APPLIED)
        assert len(ledger.lookup_accounts([largest, over])) == 1


# --- time and many calls


def test_a_deadline_ends_a_call_and_nothing_else(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        debit, credit = make_accounts(ledger, 2)
        items = [transfer(id, debit, credit, 1) for id in new_ids(2000)]
        error = failure(ledger.create_transfers, items, timeout=0.0005)
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED, error
        # It may have been applied or not; the same ids again give each of them its one outcome.
        allowed = set(transfers_are("CREATED", "EXISTS"))
        assert set(statuses(ledger.create_transfers(items))) <= allowed
        assert ledger.lookup_accounts([debit])[0].debits_posted == len(items)


def test_cancelled_calls_leave_the_server_well(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        debit, credit = make_accounts(ledger, 2)
        items = [transfer(id, debit, credit, 1) for id in new_ids(200)]
        futures = [ledger.CreateTransfers.future(
            ledger_pb2.CreateTransfersRequest(transfers=[item]), timeout=10) for item in items]
        cancelled = sum(future.cancel() for future in futures)
        assert cancelled > 0
        codes = {future.code() for future in futures}
        assert grpc.StatusCode.CANCELLED in codes, codes
        assert codes <= {grpc.StatusCode.CANCELLED, grpc.StatusCode.OK}, codes
        answer = ledger.create_transfers(items)
        assert set(statuses(answer)) <= set(transfers_are("CREATED", "EXISTS")), answer
        assert ledger.lookup_accounts([debit])[0].debits_posted == len(items)


def test_1000_calls_at_once_on_one_connection(target):
    with target.channel() as channel:
        ledger = Ledger(channel)
        debit, credit = make_accounts(ledger, 2)
        requests = [ledger_pb2.CreateTransfersRequest(transfers=[transfer(id, debit, credit, 3)])
                    for id in new_ids(1000)]
        futures = [ledger.CreateTransfers.future(request, timeout=30) for request in requests]
        answers = [future.result() for future in futures]
        assert all(statuses(answer) == transfers_are("CREATED") for answer in answers)
        timestamps = {answer.results[0].timestamp for answer in answers}
        assert len(timestamps) == len(answers)
        assert ledger.lookup_accounts([debit])[0].debits_posted == 3000


# --- services beside the ledger


def test_health(target):
    with target.channel() as channel:
        check = ft.unary(channel, "/grpc.health.v1.Health/Check", health_pb2.HealthCheckRequest,
                         health_pb2.HealthCheckResponse)
        for name in ("", "fenlu.v1.Ledger", "fenlu.v1.Cluster"):
            answer = check(health_pb2.HealthCheckRequest(service=name), timeout=10)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING, (name, answer)
        error = failure(check, health_pb2.HealthCheckRequest(service="no.such"), timeout=10)
        assert error.code() is grpc.StatusCode.NOT_FOUND, error
        watch = channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString)
        for name, status in (("", health_pb2.HealthCheckResponse.SERVING),
                             ("no.such", health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)):
            stream = watch(health_pb2.HealthCheckRequest(service=name), timeout=10)
            assert next(stream).status == status, name
            stream.cancel()


def reflect(channel, messages, version, **request):
    """One question, one answer."""
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=messages.ServerReflectionRequest.SerializeToString,
        response_deserializer=messages.ServerReflectionResponse.FromString)
    question = messages.ServerReflectionRequest(host="localhost", **request)
    answers = list(call(iter([question]), timeout=10))
    assert len(answers) == 1 and answers[0].original_request == question, answers
    return answers[0]


def check_reflection(channel, messages, version):
    services = reflect(channel, messages, version, list_services="").list_services_response.service
    assert {service.name for service in services} == {
        "fenlu.v1.Ledger", "fenlu.v1.Controls", "fenlu.v1.Metadata", "fenlu.v1.Registry",
        "fenlu.v1.Cluster", "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}
    pool = descriptor_pool.DescriptorPool()
    for service in services:
        answer = reflect(channel, messages, version, file_containing_symbol=service.name)
        files = [descriptor_pb2.FileDescriptorProto.FromString(data)
                 for data in answer.file_descriptor_response.file_descriptor_proto]
        for file in reversed(files):  # the file asked for comes before what it imports
            pool.Add(file)
        assert pool.FindServiceByName(service.name).full_name == service.name
    served = descriptor_pb2.FileDescriptorProto()
    pool.FindFileByName("fenlu/v1/ledger.proto").CopyToProto(served)
    compiled = descriptor_pb2.FileDescriptorProto()
    ledger_pb2.DESCRIPTOR.CopyToProto(compiled)
    for message in served.message_type:
        for field in message.field:
            field.ClearField("json_name")  # protoc leaves it out of Python's
    assert served.service == compiled.service
    assert served.message_type == compiled.message_type
    assert served.enum_type == compiled.enum_type
    unknown = reflect(channel, messages, version, file_containing_symbol="no.such.Thing")
    assert unknown.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0], unknown
    return pool


def test_reflection_v1alpha(target):
    with target.channel() as channel:
        check_reflection(channel, reflection_alpha_pb2, "v1alpha")


def test_reflection_is_enough_for_a_client(target):
    """Creates an account with messages that only reflection has told."""
    with target.channel() as channel:
        pool = check_reflection(channel, reflection_pb2, "v1")
        method = pool.FindServiceByName("fenlu.v1.Ledger").methods_by_name["CreateAccounts"]
        factory = message_factory.MessageFactory(pool)
        request = factory.GetPrototype(method.input_type)()
        added = request.accounts.add()
        added.id, added.ledger, added.code = id_bytes(new_ids(1)[0]), 1, 1
        call = ft.unary(channel, "/fenlu.v1.Ledger/CreateAccounts", type(request),
                        factory.GetPrototype(method.output_type))
        assert statuses(call(request, timeout=10)) == accounts_are("CREATED")


def test_status_by_grpc_and_by_the_tool_agree(target):
    with target.channel() as channel:
        make_accounts(Ledger(channel), 1)
        def agree():
            by_grpc = ft.cluster_status(channel)
            by_tool = target.status()
            keys = ("id", "address", "applied_index", "accounts", "transfers", "term", "leader")
            return [[getattr(node, key) for key in keys] for node in by_grpc.nodes] == [
                [node[key] for key in keys] for node in by_tool["nodes"]]
        ft.wait_until(agree, "the same from both")


if __name__ == "__main__":
    ft.main(globals(), {"dev": ft.Dev, "playground": ft.Playground})
