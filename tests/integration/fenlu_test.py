"""What the integration tests share: real processes of the release build, a stock gRPC client, and a
small test runner.

    from fenlu_test import Dev, Ledger, account, id_bytes, main

    def test_an_account_is_created():
        with Dev() as dev, dev.channel() as channel:
            answer = Ledger(channel).create_accounts([account(1)])
            assert answer.results[0].status == ledger_pb2.ACCOUNT_STATUS_CREATED

    if __name__ == "__main__":
        main(globals())

The binary is $FENLU, or build/release/fenlu. Everything lives in one temporary folder under $TMPDIR
that goes away at the end; so does every process, however the test ends. A process also dies with
the thread that started it, so start processes in the main thread.

Messages are compiled by protoc when this module is imported: ledger_pb2, metadata_pb2, errors_pb2, cluster_pb2,
health_pb2, reflection_pb2, reflection_alpha_pb2 and status_pb2 are its attributes. Needs Debian's
/usr/bin/python3 with python3-grpcio.
"""

import atexit
import importlib
import inspect
import itertools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import google
import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
FENLU = os.environ.get("FENLU", str(ROOT / "build/release/fenlu"))
SCRATCH = pathlib.Path(tempfile.mkdtemp(prefix="fenlu-test-"))
START_TIMEOUT = 40  # seconds; a machine may stand still for some
STOP_TIMEOUT = 40
CALL_TIMEOUT = 10
LOG_TAIL_BYTES = 3000
SKIPPED = 77

U64_MAX = 2**64 - 1
U128_MAX = 2**128 - 1

_processes = []
_ids = itertools.count(1 << 80)


def _clean_up():
    for process in list(_processes):
        process.kill()
    shutil.rmtree(SCRATCH, ignore_errors=True)


atexit.register(_clean_up)
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


# --- messages


def _compile_messages():
    """protoc --python_out of every file of api/proto; returns module(name) that imports one."""
    source = ROOT / "api/proto"
    out = SCRATCH / "python"
    out.mkdir()
    files = sorted(str(path.relative_to(source)) for path in source.rglob("*.proto"))
    subprocess.run(
        ["protoc", f"--proto_path={source}", f"--python_out={out}", *files], check=True
    )
    # Protobuf's package names meet those of the Python libraries: let both be found.
    sys.path.insert(0, str(out))
    sys.dont_write_bytecode = True
    google.__path__.append(str(out / "google"))
    grpc.__path__.append(str(out / "grpc"))
    return importlib.import_module


_module = _compile_messages()
ledger_pb2 = _module("fenlu.v1.ledger_pb2")
errors_pb2 = _module("fenlu.v1.errors_pb2")
cluster_pb2 = _module("fenlu.v1.cluster_pb2")
controls_pb2 = _module("fenlu.v1.controls_pb2")
registry_pb2 = _module("fenlu.v1.registry_pb2")
metadata_pb2 = _module("fenlu.v1.metadata_pb2")
health_pb2 = _module("grpc.health.v1.health_pb2")
reflection_pb2 = _module("grpc.reflection.v1.reflection_pb2")
reflection_alpha_pb2 = _module("grpc.reflection.v1alpha.reflection_pb2")
status_pb2 = _module("google.rpc.status_pb2")


def id_bytes(number):
    """A 128-bit number as an id: 16 bytes, big-endian."""
    return number.to_bytes(16, "big")


def id_number(data):
    return int.from_bytes(data, "big")


def _identifier(value):
    return id_bytes(value) if isinstance(value, int) else value


def account(id, ledger=1, code=1, flags=0, **fields):
    """An Account for a request; ids are numbers or bytes."""
    return ledger_pb2.Account(id=_identifier(id), ledger=ledger, code=code, flags=flags, **fields)


def transfer(id, debit, credit, amount, ledger=1, code=1, flags=0, **fields):
    """A Transfer for a request; ids are numbers or bytes, the amount has up to 128 bits."""
    return ledger_pb2.Transfer(
        id=_identifier(id),
        debit_account_id=_identifier(debit),
        credit_account_id=_identifier(credit),
        amount=amount & U64_MAX,
        amount_hi=amount >> 64,
        ledger=ledger,
        code=code,
        flags=flags,
        **fields,
    )


def whole(message, field):
    """The 128-bit value of X and X_hi."""
    return getattr(message, field) | getattr(message, field + "_hi") << 64


# --- calls


class Ledger:
    """Generic stubs of fenlu.v1.Ledger. `CreateAccounts` and the others are the multi-callables
    (with .future, .with_call); create_accounts and the others take items and return the answer."""

    def __init__(self, channel, timeout=CALL_TIMEOUT):
        self.timeout = timeout
        for method in ledger_pb2.DESCRIPTOR.services_by_name["Ledger"].methods:
            if method.name == "Watch":
                continue  # a stream: test_watch.py
            setattr(self, method.name, unary(channel, "/fenlu.v1.Ledger/" + method.name,
                                             getattr(ledger_pb2, method.input_type.name),
                                             getattr(ledger_pb2, method.output_type.name)))

    def create_accounts(self, accounts, **options):
        request = ledger_pb2.CreateAccountsRequest(accounts=accounts)
        return self.CreateAccounts(request, **{"timeout": self.timeout, **options})

    def create_transfers(self, transfers, **options):
        request = ledger_pb2.CreateTransfersRequest(transfers=transfers)
        return self.CreateTransfers(request, **{"timeout": self.timeout, **options})

    def lookup_accounts(self, ids, **options):
        request = ledger_pb2.LookupAccountsRequest(ids=[_identifier(id) for id in ids])
        return self.LookupAccounts(request, **{"timeout": self.timeout, **options}).accounts

    def lookup_transfers(self, ids, **options):
        request = ledger_pb2.LookupTransfersRequest(ids=[_identifier(id) for id in ids])
        return self.LookupTransfers(request, **{"timeout": self.timeout, **options}).transfers


def unary(channel, path, request_class, response_class):
    """A call with messages; with request_class None the request is the bytes themselves."""
    return channel.unary_unary(
        path,
        request_serializer=request_class.SerializeToString if request_class else None,
        response_deserializer=response_class.FromString,
    )


def cluster_status(channel, timeout=CALL_TIMEOUT):
    call = unary(channel, "/fenlu.v1.Cluster/Status", cluster_pb2.StatusRequest,
                 cluster_pb2.StatusResponse)
    return call(cluster_pb2.StatusRequest(), timeout=timeout)


def statuses(answer):
    """The statuses of an answer to a create call, as numbers."""
    return [result.status for result in answer.results]


def _numbers(enum, prefix, names):
    values = ledger_pb2.DESCRIPTOR.enum_types_by_name[enum].values_by_name
    return [values[prefix + name].number for name in names]


def accounts_are(*names):
    """AccountStatus numbers: accounts_are("CREATED", "EXISTS") == statuses(answer)."""
    return _numbers("AccountStatus", "ACCOUNT_STATUS_", names)


def transfers_are(*names):
    """TransferStatus numbers."""
    return _numbers("TransferStatus", "TRANSFER_STATUS_", names)


def new_ids(count):
    """Ids, as numbers, that nothing else in this run uses."""
    return [next(_ids) for _ in range(count)]


def make_accounts(ledger, count, **fields):
    """Creates accounts under new ids and returns these."""
    ids = new_ids(count)
    answer = ledger.create_accounts([account(id, **fields) for id in ids])
    assert statuses(answer) == accounts_are("CREATED") * count, answer
    return ids


def failure(call, *arguments, **options):
    """Makes a call that must fail; returns the grpc.RpcError."""
    try:
        answer = call(*arguments, **options)
    except grpc.RpcError as error:
        return error
    raise AssertionError(f"the call must fail, but answered {str(answer)[:500]!r}")


def error_detail(error):
    """The fenlu.v1.ErrorDetail in the trailer grpc-status-details-bin, or None."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            assert status.code == error.code().value[0], (status, error.code())
            assert status.message == error.details(), (status, error.details())
            assert len(status.details) == 1, status
            detail = errors_pb2.ErrorDetail()
            assert status.details[0].Unpack(detail), status.details[0].type_url
            return detail
    return None


# --- processes


# Ports that servers of tests listen on: below those that the kernel gives to connections, so that
# no connection takes one before its server listens; 200 of them for each process by its number,
# and each once before any comes again, so that no two servers of a test get the same.
PORTS_FIRST, PORTS_EACH, PORTS_SHARES = 10000, 200, 100
_ports_given = 0


def free_port():
    global _ports_given
    first = PORTS_FIRST + os.getpid() % PORTS_SHARES * PORTS_EACH
    for _ in range(PORTS_EACH):
        port = first + _ports_given % PORTS_EACH
        _ports_given += 1
        with socket.socket() as held:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
            try:
                held.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError(f"no port is free from {first} to {first + PORTS_EACH - 1}")


def scratch_path(name):
    """A path of its own in the temporary folder; nothing is there yet."""
    return str(pathlib.Path(tempfile.mkdtemp(prefix=name + "-", dir=SCRATCH)) / name)


def wait_until(condition, what, timeout=START_TIMEOUT, pause=0.05):
    """Polls until condition() is true and returns its value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {timeout} s")
        time.sleep(pause)


def run_fenlu(*arguments, timeout=60, **options):
    """Runs a command to its end; returns subprocess.CompletedProcess with text output."""
    return subprocess.run([FENLU, *map(str, arguments)], capture_output=True, text=True,
                          timeout=timeout, check=False, **options)


class Process:
    """A fenlu command that runs until it is stopped. Standard output is read by a thread, line by
    line, into `lines` and on_line; standard error goes to the file `log`. `prefix` are words before
    the command: what runs it in another namespace, say."""

    def __init__(self, *arguments, prefix=()):
        self.prefix = list(prefix)
        self.arguments = list(map(str, arguments))
        self.lines = []
        self.changed = threading.Condition()
        self.log = pathlib.Path(tempfile.mkstemp(prefix="stderr-", dir=SCRATCH)[1])
        self.process = None

    def start(self):
        # Its own group, so that children can be ended with it.
        command = ["setpriv", "--pdeathsig", "KILL", *self.prefix, FENLU, *self.arguments]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=log,
                                            start_new_session=True)
        self.reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self.reader.start()
        _processes.append(self)
        return self

    def _read(self, stream):
        for data in stream:
            with self.changed:
                line = data.decode().rstrip("\n")
                self.lines.append(line)
                self.on_line(line)
                self.changed.notify_all()
        stream.close()
        with self.changed:
            self.changed.notify_all()

    def on_line(self, line):
        """Called with `changed` held."""

    def wait_for(self, condition, what, timeout=START_TIMEOUT):
        """Waits until condition() about the output holds; fails when the process ends before."""
        def settled():
            return condition() or not self.reader.is_alive()
        with self.changed:
            self.changed.wait_for(settled, timeout)
            if condition():
                return
        code = self.process.poll()
        raise AssertionError(f"fenlu {self.arguments[0]}: {what}: not within {timeout} s; "
                             f"exit code {code}; stderr:\n{self.log_tail()}")

    def log_tail(self):
        data = self.log.read_bytes() if self.log.exists() else b""
        return data[-LOG_TAIL_BYTES:].decode(errors="replace")

    @property
    def pid(self):
        return self.process.pid

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=STOP_TIMEOUT):
        code = self.process.wait(timeout)
        self.reader.join(timeout)
        if self in _processes:
            _processes.remove(self)
        return code

    def stop(self, timeout=STOP_TIMEOUT):
        """SIGTERM; returns the exit code (negative: the signal that ended it)."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self):
        """SIGKILL to the process and its children."""
        if self.process is None or self not in _processes:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # they have ended by themselves
        self.wait()

    def __enter__(self):
        return self if self.process is not None else self.start()

    def __exit__(self, kind, value, trace):
        if kind is not None and self in _processes:
            sys.stdout.write(f"--- stderr of fenlu {' '.join(self.arguments)}\n{self.log_tail()}")
        self.kill()


class Gateway(Process):
    """A command that prints `ready grpc=ADDR`."""

    def __init__(self, *arguments, prefix=()):
        super().__init__(*arguments, prefix=prefix)
        self.address = None

    def start(self, wait=True, timeout=START_TIMEOUT):
        self.address = None
        super().start()
        if wait:
            self.wait_for(lambda: self.address is not None, "ready line", timeout)
        return self

    def on_line(self, line):
        if line.startswith("ready grpc="):
            self.address = line.removeprefix("ready grpc=")

    def channel(self, credentials=None, **options):
        """A connection of its own; options are gRPC's with _ for the dots after "grpc."."""
        settings = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
        settings += [("grpc." + name, value) for name, value in options.items()]
        if credentials is not None:
            return grpc.secure_channel(self.address, credentials, settings)
        return grpc.insecure_channel(self.address, settings)

    def status(self, timeout_ms=3000):
        """`fenlu status --json`, parsed; None when it fails."""
        result = run_fenlu("status", "--target", self.address, "--json", "--timeout-ms", timeout_ms)
        return json.loads(result.stdout) if result.returncode == 0 else None


class Dev(Gateway):
    """`fenlu dev` at a free port, on a new folder unless `data` is given."""

    def __init__(self, *flags, data=None):
        self.data = data or scratch_path("dev")
        super().__init__("dev", "--data", self.data, "--grpc", "127.0.0.1:0", *flags)


class Playground(Gateway):
    """`fenlu playground` at a free port. nodes[ID] is the last `node` line of a server:
    {"pid", "peer", "data", "starts"}."""

    def __init__(self, *flags, replicas=3, data=None):
        self.data = data or scratch_path("playground")
        self.replicas = replicas
        self.nodes = {}
        # A port of our own choice: an API node that is started again must be found at the same.
        super().__init__("playground", "--data", self.data, "--replicas", replicas, "--grpc",
                         f"127.0.0.1:{free_port()}", *flags)

    def on_line(self, line):
        super().on_line(line)
        words = line.split(" ")
        if words[0] == "node":
            fields = dict(word.split("=", 1) for word in words[2:])
            starts = self.nodes.get(int(words[1]), {"starts": 0})["starts"] + 1
            self.nodes[int(words[1])] = {"pid": int(fields["pid"]), "peer": fields["peer"],
                                         "data": fields["data"], "starts": starts}

    def pids(self):
        """Process ids of the servers by node id."""
        with self.changed:
            return {id: node["pid"] for id, node in self.nodes.items()}

    def kill_node(self, id, number=signal.SIGKILL):
        """Sends a signal to a server; returns its process id."""
        pid = self.pids()[id]
        os.kill(pid, number)
        return pid

    def wait_restarted(self, id, old_pid, timeout=START_TIMEOUT):
        """Waits until the playground has started another process for the node."""
        self.wait_for(lambda: self.nodes[id]["pid"] != old_pid, f"restart of node {id}", timeout)

    def leader(self, timeout=START_TIMEOUT):
        """The id of the leader, once there is one."""
        return wait_until(lambda: (self.status() or {}).get("leader"), "a leader", timeout)

    def wait_all_caught_up(self, timeout=60):
        """Waits until all servers have applied the same index, all that is committed, with the same
        digest; returns the nodes of that status. Different digests at one index fail at once."""
        def caught_up():
            nodes = (self.status() or {}).get("nodes", [])
            digests = {}
            for node in nodes:
                if node["reachable"]:
                    digests.setdefault(node["applied_index"], set()).add(node["digest"])
            assert all(len(same) == 1 for same in digests.values()), f"digests differ: {nodes}"
            done = (len(nodes) == self.replicas and all(node["reachable"] for node in nodes)
                    and len(digests) == 1
                    and all(node["applied_index"] == node["commit_index"] for node in nodes))
            return nodes if done else None
        return wait_until(caught_up, "all nodes at one index", timeout)


# --- tests


class Skip(Exception):
    """Raised by a test, or by a start of a target, when something optional is missing."""


def _cases(functions, targets):
    """(name, function, target name or None): a function with a parameter `target` runs on each."""
    for name, function in list(functions.items()):
        if not name.startswith("test_") or not callable(function):
            continue
        if "target" in inspect.signature(function).parameters:
            for target in targets:
                yield f"{name}[{target}]", function, target
        else:
            yield name, function, None


def _run_case(name, function, target, targets, running):
    begin = time.monotonic()
    try:
        if target is None:
            function()
        else:
            if target not in running:
                running[target] = targets[target]().start()
            function(running[target])
    except Skip as why:
        print(f"skipped: {name}: {why}", flush=True)
        return "skipped"
    except Exception:  # a failure of any kind is the test's, and the others go on
        traceback.print_exc(file=sys.stdout)
        for process in _processes:
            print(f"--- stderr of fenlu {' '.join(process.arguments)}\n{process.log_tail()}")
        print(f"FAILED {name}", flush=True)
        return "failed"
    print(f"ok {name} ({time.monotonic() - begin:.2f} s)", flush=True)
    return "ok"


def main(functions, targets=None):
    """Runs the test_* functions, or those whose name contains an argument of the command line, and
    exits. Targets (name → a function that makes a process) start when first needed and serve all
    tests that take a `target`."""
    wanted, running, results = sys.argv[1:], {}, []
    for name, function, target in _cases(functions, targets or {}):
        if not wanted or any(word in name for word in wanted):
            results.append(_run_case(name, function, target, targets, running))
    for name, process in running.items():
        code = process.stop()
        if code != 0:
            print(f"FAILED {name}: exit code {code} at SIGTERM\n{process.log_tail()}")
            results.append("failed")
    counts = {word: results.count(word) for word in ("ok", "failed", "skipped")}
    print(f"{counts['ok']} ok, {counts['failed']} failed, {counts['skipped']} skipped")
    if counts["failed"] or not results:
        sys.exit(1)
    sys.exit(0 if counts["ok"] else SKIPPED)
