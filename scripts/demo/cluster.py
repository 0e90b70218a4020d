"""cluster.py - a Fenlu cluster seen by a stock gRPC client, for the demo's programs.

Needs python3-grpcio, python3-protobuf and protoc. Reads are repeated while the cluster has no
leader, for PATIENCE_S at the most; nothing here writes.
"""
import pathlib
import subprocess
import sys
import tempfile
import time

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
IDS_MAX = 8190  # of one look-up
CALL_TIMEOUT_S = 10
PATIENCE_S = 30
PASSING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED,
           grpc.StatusCode.RESOURCE_EXHAUSTED)


def compile_messages():
    """The modules that protoc makes of the ledger's and the cluster's messages."""
    with tempfile.TemporaryDirectory(prefix="fenlu-demo-messages-") as folder:
        subprocess.run(["protoc", "--proto_path=%s" % (ROOT / "api/proto"),
                        "--python_out=%s" % folder, "fenlu/v1/ledger.proto",
                        "fenlu/v1/cluster.proto"], check=True)
        sys.dont_write_bytecode = True
        sys.path.insert(0, folder)
        from fenlu.v1 import cluster_pb2, ledger_pb2
        sys.path.remove(folder)
        return ledger_pb2, cluster_pb2


ledger_pb2, cluster_pb2 = compile_messages()


class Cluster:
    """Calls to one gRPC address."""

    def __init__(self, target):
        self.channel = grpc.insecure_channel(target, [("grpc.enable_http_proxy", 0)])

    def _call(self, path, request, response_class, timeout):
        return self.channel.unary_unary(
            path, request_serializer=type(request).SerializeToString,
            response_deserializer=response_class.FromString)(request, timeout=timeout)

    def _read(self, path, request, response_class):
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._call(path, request, response_class, CALL_TIMEOUT_S)
            except grpc.RpcError as error:
                if error.code() not in PASSING or time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def lookup_transfers(self, ids):
        """Those of at most IDS_MAX ids that exist, in the order asked."""
        request = ledger_pb2.LookupTransfersRequest(ids=map(id_bytes, ids))
        return self._read("/fenlu.v1.Ledger/LookupTransfers", request,
                          ledger_pb2.LookupTransfersResponse).transfers

    def lookup_accounts(self, ids):
        request = ledger_pb2.LookupAccountsRequest(ids=map(id_bytes, ids))
        return self._read("/fenlu.v1.Ledger/LookupAccounts", request,
                          ledger_pb2.LookupAccountsResponse).accounts

    def status(self, timeout=CALL_TIMEOUT_S):
        """The Cluster.Status answer, or None while the call fails."""
        try:
            return self._call("/fenlu.v1.Cluster/Status", cluster_pb2.StatusRequest(),
                              cluster_pb2.StatusResponse, timeout)
        except grpc.RpcError as error:
            if error.code() not in PASSING:
                raise
            return None


def id_bytes(number):
    """A 128-bit number as an id: 16 bytes, big-endian."""
    return number.to_bytes(16, "big")


def whole(message, field):
    """The 128-bit value of X and X_hi."""
    return getattr(message, field) | getattr(message, field + "_hi") << 64
