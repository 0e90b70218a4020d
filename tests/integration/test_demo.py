"""The demo at a small size: it ends well and leaves nothing behind; it says so when it cannot; its
input depends on the seed alone; and its audit finds what is wrong.
"""

import filecmp
import os
import pathlib
import re
import signal
import subprocess

import grpc

from fenlu_test import (FENLU, ROOT, Ledger, ledger_pb2, main, run_fenlu, scratch_path,
                        statuses, transfer, wait_until)

PYTHON = "/usr/bin/python3"
SIZE = ("--transfers", "20000", "--accounts", "2000")
OK_LINE = re.compile(r"demo: ok posted=\d{5} refused=\d+ accounts=2000 posting_seconds=[\d.]+ "
                     r"failover_seconds=[\d.]+ lost=0 doubled=0 total_seconds=[\d.]+")
RULE = "debits_must_not_exceed_credits"


def run_demo(*arguments, fenlu=FENLU):
    """Runs ./demo with a temporary folder of its own; returns the process and that folder."""
    folder = scratch_path("demo")
    os.mkdir(folder)
    environment = {**os.environ, "FENLU": str(fenlu), "TMPDIR": folder}
    return subprocess.run([ROOT / "demo", *arguments], capture_output=True, text=True, timeout=120,
                          check=False, env=environment), pathlib.Path(folder)


def last_line(done):
    return (done.stdout + done.stderr).splitlines()[-1]


def gone(pid):
    """The process has ended (or is one that only waits to be collected)."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_it_ends_well_and_leaves_nothing():
    done, folder = run_demo(*SIZE)
    assert done.returncode == 0, done
    assert OK_LINE.fullmatch(last_line(done)), done
    assert "SIGKILL to the leader" in done.stdout, done.stdout
    assert not list(folder.iterdir()), list(folder.iterdir())


def test_it_says_that_it_failed_and_keeps_the_logs():
    done, folder = run_demo(*SIZE, fenlu="/bin/false")
    assert done.returncode == 1, done
    assert re.fullmatch(r"demo: FAILED: the playground ended; logs and data stay in \S+",
                        last_line(done)), done
    assert (pathlib.Path(last_line(done).split()[-1]) / "playground.log").exists()
    assert len(list(folder.iterdir())) == 1


def test_bad_usage():
    for arguments in (["--frobnicate"], ["--transfers"], ["--transfers", "x"], ["--seed", "-1"],
                      ["--transfers", "10"]):
        done, _ = run_demo(*arguments)
        assert done.returncode == 2 and last_line(done).startswith("demo: "), (arguments, done)


def test_the_input_depends_on_the_seed_alone():
    folders = [pathlib.Path(scratch_path("input")) for _ in range(3)]
    for folder, seed, hashing in zip(folders, (7, 7, 8), ("1", "2", "1")):
        folder.mkdir()
        subprocess.run([PYTHON, ROOT / "scripts/demo/generate.py", "--folder", folder, "--seed",
                        str(seed), *SIZE], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "PYTHONHASHSEED": hashing})
    for name in ("accounts.csv", "transfers.csv"):
        assert filecmp.cmp(folders[0] / name, folders[1] / name, shallow=False), name
    assert not filecmp.cmp(folders[0] / name, folders[2] / name, shallow=False)


class Kept:
    """A cluster that ./demo --keep left."""

    def __enter__(self):
        done, self.scratch = run_demo("--keep", *SIZE)
        assert done.returncode == 0 and OK_LINE.fullmatch(last_line(done)), done
        self.target = re.search(r"^  look .* --target (\S+)$", done.stdout, re.MULTILINE)[1]
        pid, folder = re.search(r"^  stop   kill (\d+); rm -r (\S+)$", done.stdout,
                                re.MULTILINE).groups()
        self.pid, self.folder = int(pid), pathlib.Path(folder)
        return self

    def __exit__(self, kind, value, trace):
        os.kill(self.pid, signal.SIGTERM)
        wait_until(lambda: gone(self.pid), "the end of the playground")

    def servers(self):
        words = [line.split() for line in (self.folder / "nodes").read_text().splitlines()]
        return [int(word[2].removeprefix("pid=")) for word in words if word[0] == "node"]

    def audit(self, edit=None):
        """Audits a copy of the input after edit(lines by file name)."""
        folder = pathlib.Path(scratch_path("audit"))
        folder.mkdir()
        lines = {name: (self.folder / name).read_text().splitlines()
                 for name in ("accounts.csv", "transfers.csv", "rejects.csv")}
        if edit is not None:
            edit(lines)
        for name, text in lines.items():
            (folder / name).write_text("\n".join(text) + "\n")
        return subprocess.run([PYTHON, ROOT / "scripts/demo/audit.py", "--target", self.target,
                               "--folder", folder], capture_output=True, text=True, timeout=60,
                              check=False)


def is_top_up(line):
    return line.split(",")[5] == "1" and line.split(",")[7] == ""


def other_amount(lines):
    """The first top-up was one more: a field, two balances and the sums differ."""
    at = next(at for at, line in enumerate(lines["transfers.csv"]) if is_top_up(line))
    cells = lines["transfers.csv"][at].split(",")
    cells[3] = str(int(cells[3]) + 1)
    lines["transfers.csv"][at] = ",".join(cells)


def one_more(lines):
    """A row that the ledger never saw: as if it had been acknowledged and lost."""
    cells = next(line for line in lines["transfers.csv"] if is_top_up(line)).split(",")
    lines["transfers.csv"].append(",".join(["0x77", *cells[1:]]))


def one_less(lines):
    """The first top-up is not in the input, the second is twice: the ledger has one too many."""
    first, second = [at for at, line in enumerate(lines["transfers.csv"]) if is_top_up(line)][:2]
    lines["transfers.csv"][first] = lines["transfers.csv"][second]


def refused_not_told(lines):
    rejects = lines["rejects.csv"]
    del rejects[next(at for at, line in enumerate(rejects) if line.endswith(",exceeds_credits"))]


def refused_otherwise(lines):
    lines["rejects.csv"] = [line.replace(",exceeds_credits", ",exceeds_debits")
                            for line in lines["rejects.csv"]]


def no_limits(lines):
    """Rules that the ledger did not follow."""
    lines["accounts.csv"] = [line.replace(RULE, "") for line in lines["accounts.csv"]]


def import_again(kept):
    """Posts the input once more: nothing new, and the same rows are refused, chains included."""
    rejects = kept.folder / "rejects-again.csv"
    done = run_fenlu("import", "--target", kept.target, "--in-flight", 1, "--rejects", rejects,
                     kept.folder / "transfers.csv")
    assert done.returncode == 1 and " created=0 " in done.stdout, done
    refused = [[line.rsplit(",", 1)[0] for line in path.read_text().splitlines()]
               for path in (kept.folder / "rejects.csv", rejects)]
    assert refused[0] == refused[1], (len(refused[0]), len(refused[1]))
    done = kept.audit()
    assert done.returncode == 0, done


def test_the_audit_finds_what_is_wrong():
    with Kept() as kept:
        servers = kept.servers()
        good = kept.audit()
        assert good.returncode == 0 and "audit: posted=" in good.stdout, good
        for edit, words in ((other_amount, "differs from its row"), (one_more, "but lost"),
                            (one_less, r"account 156\d+: debits"), (no_limits, "is right"),
                            (refused_not_told, "acknowledged, but exceeds_credits is right"),
                            (refused_otherwise, "exceeds_debits, but exceeds_credits is right")):
            done = kept.audit(edit)
            assert done.returncode == 1 and re.search(words, done.stderr), (edit.__name__, done)
            assert "audit: posted=" not in done.stdout, (edit.__name__, done)
        import_again(kept)
        # A transfer behind the input's back.
        with grpc.insecure_channel(kept.target, [("grpc.enable_http_proxy", 0)]) as channel:
            extra = transfer(78, 156000001, 156000004, 5, ledger=156)
            answer = Ledger(channel).create_transfers([extra])
            assert statuses(answer) == [ledger_pb2.TRANSFER_STATUS_CREATED], answer
        done = kept.audit()
        assert done.returncode == 1, done
        assert "account 156000004: debits" in done.stderr and "node 1: " in done.stderr, done
    wait_until(lambda: all(gone(pid) for pid in servers), "the end of the servers")


def test_an_interrupted_demo_leaves_nothing():
    folder = pathlib.Path(scratch_path("demo"))
    folder.mkdir()
    demo = subprocess.Popen([ROOT / "demo", *SIZE], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env={**os.environ, "FENLU": FENLU, "TMPDIR": str(folder)})
    try:
        nodes = wait_until(lambda: [path for path in folder.glob("*/nodes")
                                    if "ready" in path.read_text()], "a cluster")[0]
        pids = [int(pid) for pid in re.findall(r"pid=(\d+)", nodes.read_text())]
        assert len(pids) >= 3, pids
        demo.send_signal(signal.SIGTERM)
        demo.communicate(timeout=60)
        assert demo.returncode == 143, demo.returncode
    finally:
        demo.kill()
    wait_until(lambda: all(gone(pid) for pid in pids), "the end of the servers")
    assert not list(folder.iterdir()), list(folder.iterdir())


if __name__ == "__main__":
    main(globals())
