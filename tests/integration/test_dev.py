"""`fenlu dev` as a process: TLS, metrics, draining at SIGTERM, and data that outlives it."""

import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

import grpc

import fenlu_test as ft
from fenlu_test import (Dev, Ledger, account, failure, health_pb2, ledger_pb2, make_accounts,
                        new_ids, statuses, transfer)

CREATED = ft.transfers_are("CREATED")


def post_one(ledger):
    """Two accounts and a transfer; returns the transfer's id."""
    debit, credit = make_accounts(ledger, 2)
    [id] = new_ids(1)
    assert statuses(ledger.create_transfers([transfer(id, debit, credit, 5)])) == CREATED
    return id


# --- TLS


class Authority:
    """A certificate authority in a folder of its own, by the openssl command."""

    def __init__(self, name):
        self.folder = tempfile.mkdtemp(prefix="tls-", dir=ft.SCRATCH)
        self.certificate, self.key = self._make(name, "basicConstraints=critical,CA:TRUE", None)

    def _make(self, name, extension, issuer):
        certificate = os.path.join(self.folder, name + ".pem")
        key = os.path.join(self.folder, name + ".key")
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                   "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                   "-addext", extension, "-keyout", key, "-out", certificate]
        if issuer is not None:
            command += ["-CA", issuer.certificate, "-CAkey", issuer.key]
        subprocess.run(command, check=True, capture_output=True)
        return certificate, key

    def server(self):
        return self._make("server", "subjectAltName=IP:127.0.0.1", self)

    def client(self):
        return self._make("client", "extendedKeyUsage=clientAuth", self)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def refused(dev, credentials):
    """Whether no call gets through with these credentials."""
    with dev.channel(credentials) as channel:
        error = failure(Ledger(channel).create_accounts, [account(new_ids(1)[0])], timeout=5)
        return error.code() is grpc.StatusCode.UNAVAILABLE


def test_tls():
    authority, stranger = Authority("authority"), Authority("stranger")
    certificate, key = authority.server()
    with Dev("--tls-cert", certificate, "--tls-key", key) as dev:
        trusting = grpc.ssl_channel_credentials(read(authority.certificate))
        with dev.channel(trusting) as channel:
            post_one(Ledger(channel))
        assert refused(dev, grpc.ssl_channel_credentials(read(stranger.certificate)))
        assert refused(dev, None), "h2c without TLS got through"
        shown = subprocess.run(
            ["openssl", "s_client", "-connect", dev.address, "-alpn", "h2", "-CAfile",
             authority.certificate, "-verify_return_error"],
            input="", capture_output=True, text=True, check=False,
            errors="replace").stdout  # behind its report: whatever HTTP/2 the server has sent
        assert "ALPN protocol: h2" in shown and "Verify return code: 0" in shown, shown
        status = ft.run_fenlu("status", "--target", dev.address, "--json", "--tls-ca",
                              authority.certificate)
        assert status.returncode == 0, status
        status = ft.run_fenlu("status", "--target", dev.address, "--json", "--tls-ca",
                              stranger.certificate, "--timeout-ms", 1000)
        assert status.returncode == 1 and status.stderr, status
        with dev.channel(trusting) as channel:
            post_one(Ledger(channel))  # those that were refused have left it well
        assert dev.stop() == 0


def test_tls_with_client_certificates():
    authority, stranger = Authority("authority"), Authority("stranger")
    certificate, key = authority.server()
    with Dev("--tls-cert", certificate, "--tls-key", key,
             "--tls-client-ca", authority.certificate) as dev:
        root = read(authority.certificate)

        def showing(issuer):
            client_certificate, client_key = issuer.client()
            return grpc.ssl_channel_credentials(root, read(client_key), read(client_certificate))

        with dev.channel(showing(authority)) as channel:
            post_one(Ledger(channel))
        assert refused(dev, grpc.ssl_channel_credentials(root)), "no certificate, and got through"
        assert refused(dev, showing(stranger)), "a stranger's certificate got through"


def test_tls_files_that_are_wrong_stop_the_start():
    certificate, key = Authority("authority").server()
    _, other_key = Authority("other").server()
    common = ("dev", "--data", ft.scratch_path("dev"), "--grpc", "127.0.0.1:0")
    for flags, code in ((("--tls-cert", certificate), 2),
                        (("--tls-cert", certificate, "--tls-key", other_key), 1),
                        (("--tls-cert", "/no/such/file", "--tls-key", key), 1)):
        result = ft.run_fenlu(*common, *flags, timeout=20)
        assert result.returncode == code, (flags, result)
        assert re.search(r"tls|certificate|key|/no/such/file", result.stderr, re.I), result


# --- metrics


def scrape(address):
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return answer.read().decode()


def values(text):
    """Name with labels → number; checks that each family has a HELP and a TYPE before it."""
    found, typed, helped = {}, {}, set()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            helped.add(line.split(" ")[2])
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name in helped and name not in typed, line
            assert kind in ("counter", "gauge", "histogram", "summary"), line
            typed[name] = kind
        else:
            name, number = line.rsplit(" ", 1)
            family = name.split("{")[0]
            base = re.sub(r"_(bucket|sum|count)$", "", family)
            assert family in typed or typed.get(base) in ("histogram", "summary"), line
            assert name not in found, f"twice: {line}"
            found[name] = float(number)
    return found


def test_metrics():
    metrics = f"127.0.0.1:{ft.free_port()}"
    calls = 'fenlu_api_requests_total{method="CreateTransfers",code="%s"}'
    with Dev("--metrics", metrics) as dev, dev.channel() as channel:
        ledger = Ledger(channel)
        before = values(scrape(metrics))
        for _ in range(3):
            post_one(ledger)
        failure(ledger.create_transfers, [ledger_pb2.Transfer(id=b"short")])
        after = values(scrape(metrics))
        assert after[calls % "OK"] - before[calls % "OK"] == 3
        assert after[calls % "INVALID_ARGUMENT"] - before[calls % "INVALID_ARGUMENT"] == 1
        took = 'fenlu_api_request_seconds_count{method="CreateTransfers"}'
        assert after[took] - before[took] == 4
        assert after["fenlu_events_applied_total"] - before["fenlu_events_applied_total"] == 9
        assert after["fenlu_applied_index"] > before["fenlu_applied_index"]
        assert after["fenlu_log_flush_seconds_count"] > before["fenlu_log_flush_seconds_count"]
        assert after["fenlu_disk_free_bytes"] > 0
        for path, code in (("/", 404), ("/metrics/x", 404)):
            try:
                urllib.request.urlopen(f"http://{metrics}{path}", timeout=5)
                raise AssertionError(f"{path} must not be there")
            except urllib.error.HTTPError as error:
                assert error.code == code, (path, error)
        assert dev.stop() == 0


# --- the end, and the next start


def test_a_restart_keeps_what_was_answered():
    with Dev() as dev:
        ids = []
        with dev.channel() as channel:
            ids.append(post_one(Ledger(channel)))
        assert dev.stop() == 0
        dev.start()
        with dev.channel() as channel:
            assert len(Ledger(channel).lookup_transfers(ids)) == 1, "lost at SIGTERM"
            ids.append(post_one(Ledger(channel)))
            before = dev.status()["nodes"][0]
        dev.kill()
        dev.start()
        with dev.channel() as channel:
            assert len(Ledger(channel).lookup_transfers(ids)) == 2, "lost at SIGKILL"
            after = dev.status()["nodes"][0]
        assert after["transfers"] == before["transfers"] == 2
        assert after["accounts"] == before["accounts"] == 4


def test_two_processes_never_share_a_folder():
    with Dev() as dev:
        result = ft.run_fenlu("dev", "--data", dev.data, "--grpc", "127.0.0.1:0", timeout=20)
        assert result.returncode == 1 and "process" in result.stderr, result
        with dev.channel() as channel:
            post_one(Ledger(channel))


class Load(threading.Thread):
    """Posts single transfers, several calls under way, until a call fails."""

    def __init__(self, channel, debit, credit):
        super().__init__(daemon=True)
        self.ledger = Ledger(channel)
        self.accounts = debit, credit
        self.posted, self.failed = [], []
        self.going = threading.Event()

    def _send(self, id):
        request = ledger_pb2.CreateTransfersRequest(transfers=[transfer(id, *self.accounts, 1)])
        return id, self.ledger.CreateTransfers.future(request, timeout=10)

    def run(self):
        under_way = [self._send(new_ids(1)[0]) for _ in range(32)]
        while under_way:
            id, future = under_way.pop(0)
            if future.exception() is not None:
                self.failed.append(future.exception())
                continue
            assert statuses(future.result()) == CREATED
            self.posted.append(id)
            self.going.set()
            if not self.failed:
                under_way.append(self._send(new_ids(1)[0]))


def test_sigterm_drains():
    with Dev() as dev:
        with dev.channel() as channel:
            debit, credit = make_accounts(Ledger(channel), 2)
            watch = channel.unary_stream(
                "/grpc.health.v1.Health/Watch",
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )(health_pb2.HealthCheckRequest(), timeout=20)
            assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
            load = Load(channel, debit, credit)
            load.start()
            assert load.going.wait(10)
            begin = time.monotonic()
            dev.signal(signal.SIGTERM)
            assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
            assert dev.wait() == 0
            took = time.monotonic() - begin
            load.join(20)
            assert not load.is_alive()
        assert took < 10, f"the drain took {took:.1f} s"
        codes = {error.code() for error in load.failed}
        assert codes == {grpc.StatusCode.UNAVAILABLE}, load.failed
        dev.start()
        with dev.channel() as channel:
            ledger = Ledger(channel)
            for start in range(0, len(load.posted), 8190):
                ids = load.posted[start:start + 8190]
                assert len(ledger.lookup_transfers(ids)) == len(ids), "acknowledged and lost"
            moved = ledger.lookup_accounts([debit])[0].debits_posted
            assert len(load.posted) <= moved <= len(load.posted) + len(load.failed), moved


def test_an_idle_connection_does_not_hold_up_the_end():
    with Dev() as dev, socket.create_connection(dev.address.rsplit(":", 1), timeout=5):
        begin = time.monotonic()
        assert dev.stop() == 0
        assert time.monotonic() - begin < 10


if __name__ == "__main__":
    ft.main(globals())
