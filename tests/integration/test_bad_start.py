"""Starts that must fail: wrong, spoiled and missing folders, ports in use, flags and config files
that cannot be meant. Each ends at once with one clear line, an exit code that help documents (1 could
not start, 2 bad usage), and everything as it was."""

import os
import pathlib
import resource
import shutil
import socket
import struct
import subprocess

from fenlu_test import (FENLU, Dev, Gateway, Ledger, Playground, account, free_port, ledger_pb2,
                        main, run_fenlu, scratch_path, statuses, transfer, wait_until)
from own_cluster import CLUSTER, OTHER_CLUSTER, format_node, member_list

COPIES = 4  # of the superblock
BLOCK = 4096
VERSION_AT = 8
MARK = bytes(range(101, 117))  # found again in the log, in the other order of bytes
CREATED = ledger_pb2.TRANSFER_STATUS_CREATED


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def contents(folder):
    """Every file and its bytes, to see that nothing changed."""
    return {str(path): path.read_bytes() if path.is_file() else None
            for path in sorted(pathlib.Path(folder).rglob("*"))}


def must_fail(code, words, *arguments, **options):
    result = run_fenlu(*arguments, timeout=20, **options)
    assert result.returncode == code, (arguments, result)
    assert result.stdout == "", (arguments, result.stdout)
    assert len(result.stderr.splitlines()) == 1, (arguments, result.stderr)
    for word in [words] if isinstance(words, str) else words:
        assert word in result.stderr, (arguments, word, result.stderr)


def one_node(name):
    return format_node(scratch_path(name), 1, member_list([free_port()]))


def made_node(name):
    """A node of one that has run, with a transfer; returns its folder."""
    data = one_node(name)
    with Gateway("server", "--data", data, "--grpc", "127.0.0.1:0").start() as server:
        with server.channel() as channel:
            ledger = Ledger(channel)
            ledger.create_accounts([account(1), account(2)])
            first = transfer(1, 1, 2, 5, user_data_128=MARK)
            assert statuses(ledger.create_transfers([first])) == [CREATED]
            ledger.create_accounts([account(3)])  # something acknowledged stands behind it
        assert server.stop() == 0
    return data


def check_made_node(data):
    with Gateway("server", "--data", data, "--grpc", "127.0.0.1:0").start() as server:
        with server.channel() as channel:
            assert len(Ledger(channel).lookup_transfers([1])) == 1
        assert server.stop() == 0


# --- the machine

def test_too_few_files_may_be_open():
    data = one_node("files")
    before = contents(data)

    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 1024))

    must_fail(1, ["1024 files", "LimitNOFILE"], "server", "--data", data, preexec_fn=few)
    assert contents(data) == before


def test_a_low_soft_limit_is_raised():
    def low():
        resource.setrlimit(resource.RLIMIT_NOFILE,
                           (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

    data = one_node("soft")
    server = subprocess.Popen([FENLU, "server", "--data", data], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, preexec_fn=low)
    try:
        assert server.stdout.readline().startswith("ready")
        soft, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        assert soft == hard, (soft, hard)
    finally:
        server.terminate()
        assert server.wait(timeout=20) == 0
        server.stdout.close()


# --- folders


def test_a_server_never_formats():
    missing = scratch_path("missing")
    must_fail(1, [missing, "fenlu format"], "server", "--data", missing)
    assert not os.path.exists(missing)
    empty = scratch_path("empty")
    os.mkdir(empty)
    must_fail(1, [empty, "fenlu format", "fenlu admin member replace"], "server", "--data", empty)
    assert not contents(empty)
    other = scratch_path("other")
    os.mkdir(other)
    pathlib.Path(other, "letter.txt").write_text("Dear Sir")
    before = contents(other)
    must_fail(1, [other, "not a data folder"], "server", "--data", other)
    must_fail(1, [other, "not empty"], "format", "--data", other, "--cluster", CLUSTER, "--id", 1,
              "--members", "1=127.0.0.1:7000")
    assert contents(other) == before


def test_a_lock_that_was_tidied_away():
    """The folder is not taken for a lost disk: the message says how the lock comes back."""
    data = one_node("tidied")
    os.remove(os.path.join(data, "lock"))
    before = contents(data)
    must_fail(1, [os.path.join(data, "lock"), "is missing", "touch"], "server", "--data", data)
    assert contents(data) == before


def test_a_path_that_is_a_file_or_cannot_be_made():
    file = scratch_path("file")
    pathlib.Path(file).write_text("text")
    for command in (["server"], ["dev", "--grpc", "127.0.0.1:0"],
                    ["playground", "--grpc", f"127.0.0.1:{free_port()}"]):
        must_fail(1, file, *command, "--data", file)
    must_fail(1, file, "format", "--data", file + "/below", "--cluster", CLUSTER, "--id", 1,
              "--members", "1=127.0.0.1:7000")
    assert pathlib.Path(file).read_text() == "text"
    for command in (["dev", "--grpc", "127.0.0.1:0"],
                    ["playground", "--grpc", f"127.0.0.1:{free_port()}"]):
        must_fail(1, "/proc/fenlu", *command, "--data", "/proc/fenlu")  # even root may not
    long = "/tmp/" + "x" * 5000
    must_fail(1, "longer than", "server", "--data", long)


def test_a_formatted_folder_is_not_formatted_again():
    data = made_node("node")
    before = contents(data)
    must_fail(1, [data, "formatted already"], "format", "--data", data, "--cluster", OTHER_CLUSTER,
              "--id", 1, "--members", "1=127.0.0.1:7000")
    assert contents(data) == before
    check_made_node(data)


def test_a_folder_in_use():
    with Dev() as dev, dev.channel() as channel:
        for command in (["server"], ["dev", "--grpc", "127.0.0.1:0"]):
            must_fail(1, [dev.data, "in use by another process"], *command, "--data", dev.data)
        assert len(Ledger(channel).create_accounts([account(1)]).results) == 1


def patch_superblock(path, offset, data, copies=range(COPIES)):
    """Writes into copies of the superblock and makes their checksums right again."""
    blocks = bytearray(pathlib.Path(path).read_bytes())
    for copy in copies:
        block = blocks[copy * BLOCK:(copy + 1) * BLOCK]
        block[offset:offset + len(data)] = data
        block[-4:] = struct.pack("<I", crc32c(block[:-4]))
        blocks[copy * BLOCK:(copy + 1) * BLOCK] = block
    pathlib.Path(path).write_bytes(blocks)


def test_a_folder_of_a_newer_release():
    data = made_node("node")
    superblock = pathlib.Path(data, "superblock")
    sound = superblock.read_bytes()
    patch_superblock(superblock, 0, sound[:8])
    assert superblock.read_bytes() == sound, "this test's checksum is Fenlu's"
    for copies in (range(COPIES), [2]):
        superblock.write_bytes(sound)
        patch_superblock(superblock, VERSION_AT, struct.pack("<I", 3), copies)
        before = contents(data)
        must_fail(1, [str(superblock), "newer release"], "server", "--data", data)
        assert contents(data) == before
    superblock.write_bytes(sound)
    check_made_node(data)


def test_a_damaged_superblock_is_repaired_or_refused():
    data = made_node("node")
    superblock = pathlib.Path(data, "superblock")
    sound = superblock.read_bytes()
    superblock.write_bytes(bytes(3 * BLOCK) + sound[3 * BLOCK:])
    check_made_node(data)
    superblock.write_bytes(bytes(COPIES * BLOCK))
    must_fail(1, [str(superblock), "damaged"], "server", "--data", data)
    assert superblock.read_bytes() == bytes(COPIES * BLOCK)


def test_a_damaged_log_is_refused():
    data = made_node("node")
    [segment] = [path for path in sorted(pathlib.Path(data, "log").iterdir())
                 if path.name.endswith("1.segment")]
    sound = segment.read_bytes()
    at = sound.index(MARK[::-1])
    spoiled = sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1:]
    segment.write_bytes(spoiled)
    result = run_fenlu("server", "--data", data, timeout=20)
    assert result.returncode == 1, result
    assert str(segment) in result.stderr and "damaged" in result.stderr, result.stderr
    assert segment.read_bytes() == spoiled, "what is left is kept"
    segment.write_bytes(sound)
    check_made_node(data)


def test_a_store_that_is_lost_or_damaged():
    old, new = made_node("old"), made_node("new")
    shutil.rmtree(pathlib.Path(old, "db"))
    check_made_node(old)  # the log alone makes it again
    [manifest] = list(pathlib.Path(new, "db").glob("MANIFEST-*"))
    manifest.write_bytes(b"garbage" * 100)
    result = run_fenlu("server", "--data", new, timeout=20)
    assert result.returncode == 1 and str(pathlib.Path(new, "db")) in result.stderr, result


def test_the_folder_of_another_node():
    """node2's folder copied over node1's: it knows whose it is."""
    data = scratch_path("playground")
    with Playground(data=data) as playground, playground.channel() as channel:
        ledger = Ledger(channel)
        ledger.create_accounts([account(1), account(2)])
        assert statuses(ledger.create_transfers([transfer(1, 1, 2, 5)])) == [CREATED]
        playground.wait_all_caught_up()
        assert playground.stop() == 0
    shutil.move(f"{data}/node1", f"{data}/kept")
    shutil.copytree(f"{data}/node2", f"{data}/node1")
    must_fail(1, [f"{data}/node1", "node 2"], "playground", "--data", data, "--grpc",
              f"127.0.0.1:{free_port()}")
    # Two servers on copies of one folder cannot both have its address.
    with Gateway("server", "--data", f"{data}/node2").start(wait=False) as server:
        wait_until(lambda: "event=opened" in server.log_tail(), "node 2 runs")
        result = run_fenlu("server", "--data", f"{data}/node1", timeout=20)
        assert result.returncode == 1 and "in use" in result.stderr, result
        assert server.stop() == 0
    shutil.rmtree(f"{data}/node1")
    shutil.move(f"{data}/kept", f"{data}/node1")
    with Playground(data=data) as playground, playground.channel() as channel:
        assert len(Ledger(channel).lookup_transfers([1])) == 1
        nodes = playground.wait_all_caught_up()
        assert {node["transfers"] for node in nodes} == {1}


# --- ports


def test_ports_in_use():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        address = f"127.0.0.1:{port}"
        members = member_list([free_port()])
        data = format_node(scratch_path("node"), 1, member_list([port]))
        failures = [
            ["server", "--data", data],
            ["server", "--data", one_node("grpc"), "--grpc", address],
            ["server", "--data", one_node("metrics"), "--metrics", address],
            ["dev", "--data", scratch_path("dev"), "--grpc", address],
            ["dev", "--data", scratch_path("dev"), "--grpc", "127.0.0.1:0", "--metrics", address],
            ["api", "--members", members, "--grpc", address],
            ["api", "--members", members, "--grpc", "127.0.0.1:0", "--metrics", address],
        ]
        for arguments in failures:
            result = run_fenlu(*arguments, timeout=20)
            assert result.returncode == 1, (arguments, result)
            assert address in result.stderr and "in use" in result.stderr, (arguments, result)
            assert "ready" not in result.stdout, (arguments, result)


# --- flags


def test_bad_flags():
    data = one_node("node")
    before = contents(data)
    server = ["server", "--data", data]
    fmt = ["format", "--data", scratch_path("new"), "--id", 1]
    one = ["--members", "1=127.0.0.1:7000"]
    cases = [
        (["--frobnicate"], "frobnicate"),
        (["frobnicate"], "frobnicate"),
        (["server"], "--data"),
        ([*server, "--frobnicate"], "unknown flag"),
        ([*server, "--grpc"], "needs a value"),
        ([*server, "extra"], "unexpected argument extra"),
        ([*server, "--listen", "nowhere"], "HOST:PORT"),
        ([*server, "--cache-mib", "7"], "8 to"),
        ([*server, "--cache-mib", "-1"], "expected a number"),
        ([*server, "--cache-mib", "9999999999999999999999"], "expected a number"),
        ([*server, "--cache-mib", "256x"], "expected a number"),
        ([*server, "--election-timeout-ms", "0"], "expected a number"),
        ([*server, "--heartbeat-ms", "300"], "heartbeat"),
        ([*server, "--log-format", "xml"], "logfmt, json"),
        ([*server, "--log-level", "loud"], "debug, info"),
        ([*server, "--grpc", "nowhere"], "nowhere"),
        ([*server, "--grpc", "127.0.0.1:99999"], "99999"),
        ([*server, "--metrics", "127.0.0.1"], "127.0.0.1"),
        ([*server, "--tls-cert", "/nonexistent.pem"], "tls"),
        ([*server, "--grpc", "127.0.0.1:0", "--tls-cert", "/nonexistent.pem"], "tls"),
        ([*fmt, *one], "--cluster"),
        ([*fmt, *one, "--cluster", "not-a-uuid"], "not a UUID"),
        ([*fmt, *one, "--cluster", "00000000-0000-0000-0000-000000000000"], "not all zero"),
        ([*fmt, *one, "--cluster", CLUSTER + "0"], "not a UUID"),
        ([*fmt, "--cluster", CLUSTER, "--members", "2=127.0.0.1:7000"], "--id 1 is not among"),
        ([*fmt, "--cluster", CLUSTER, "--members", ""], "no members"),
        ([*fmt, "--cluster", CLUSTER, "--members", "1=127.0.0.1"], "127.0.0.1"),
        ([*fmt, "--cluster", CLUSTER, "--members", "0=127.0.0.1:7000"], "id from 1"),
        ([*fmt, "--cluster", CLUSTER, "--members", "1=a:1,1=b:2"], "twice"),
        ([*fmt, "--cluster", CLUSTER, "--members",
          ",".join(f"{id}=127.0.0.1:{7000 + id}" for id in range(1, 100))], "more than"),
        (["api", "--members", "rubbish", "--grpc", "127.0.0.1:0"], "rubbish"),
        (["api", "--members", "1=127.0.0.1:7000"], "--grpc"),
        (["playground", "--data", scratch_path("p"), "--replicas", "0"], "expected a number"),
        (["playground", "--data", scratch_path("p"), "--grpc", "here"], "here"),
        (["status"], "--target"),
        (["status", "--target", "here"], "here"),
        (["import", "--target", "127.0.0.1:1"], "FILE"),
        (["bench", "--target", "127.0.0.1:1", "--batch", "8191"], "8190"),
        (["bench", "--target", "127.0.0.1:1", "--ids", "odd"], "time, random"),
        (["help", "frobnicate"], "frobnicate"),
    ]
    for arguments, word in cases:
        must_fail(2, word, *arguments)
    assert contents(data) == before
    assert not os.path.exists(fmt[2])


def test_bad_config_files():
    data = one_node("node")
    before = contents(data)
    config = pathlib.Path(scratch_path("config"))
    cases = [
        ("frobnicate = 1\n", "frobnicate"),
        ("cache-mib = 7\n", "cache-mib"),
        ("[server]\ncache-mib = 256\n", "server"),
        ("this is no line\n", "line 1"),
        ("log-level = loud\n", "debug, info"),
        ("with-parent = perhaps\n", "true or false"),
    ]
    for text, word in cases:
        config.write_text(text)
        must_fail(2, word, "server", "--data", data, "--config", config)
    must_fail(2, "/nonexistent", "server", "--data", data, "--config", "/nonexistent")
    assert contents(data) == before


def test_status_of_nobody():
    must_fail(1, "127.0.0.1", "status", "--target", f"127.0.0.1:{free_port()}",
              "--timeout-ms", 500)


if __name__ == "__main__":
    main(globals())
