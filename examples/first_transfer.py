#!/usr/bin/python3
"""A first transfer with a stock gRPC client: Debian's python3-grpcio and protoc.

    protoc -I api/proto --python_out=/tmp/fenlu-py api/proto/fenlu/v1/*.proto
    PYTHONPATH=/tmp/fenlu-py examples/first_transfer.py 127.0.0.1:7410
"""
import sys
import uuid

import grpc
from fenlu.v1 import ledger_pb2 as pb


def method(channel, name, request, response):
    return channel.unary_unary("/fenlu.v1.Ledger/" + name,
                               request_serializer=request.SerializeToString,
                               response_deserializer=response.FromString)


def main():
    target = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:7410"
    with grpc.insecure_channel(target) as channel:
        create_accounts = method(channel, "CreateAccounts",
                                 pb.CreateAccountsRequest, pb.CreateAccountsResponse)
        create_transfers = method(channel, "CreateTransfers",
                                  pb.CreateTransfersRequest, pb.CreateTransfersResponse)
        lookup_accounts = method(channel, "LookupAccounts",
                                 pb.LookupAccountsRequest, pb.LookupAccountsResponse)

        # Ids are yours to choose, 16 bytes each; keep them, they make a retry safe.
        alice, bob, payment = (uuid.uuid4().bytes for _ in range(3))
        accounts = [pb.Account(id=alice, ledger=156, code=1), pb.Account(id=bob, ledger=156, code=1)]
        transfer = pb.Transfer(id=payment, debit_account_id=alice, credit_account_id=bob,
                               amount=1250, ledger=156, code=1)

        for result in create_accounts(pb.CreateAccountsRequest(accounts=accounts), timeout=5).results:
            print("account ", pb.AccountStatus.Name(result.status))
        for attempt in ("first", "again"):
            reply = create_transfers(pb.CreateTransfersRequest(transfers=[transfer]), timeout=5)
            print("transfer", attempt, pb.TransferStatus.Name(reply.results[0].status),
                  "at log index", reply.log_index)
        for account in lookup_accounts(pb.LookupAccountsRequest(ids=[alice, bob]), timeout=5).accounts:
            print("balance ", uuid.UUID(bytes=account.id),
                  "debits", account.debits_posted, "credits", account.credits_posted)


main()
