"""`fenlu import`: files that cannot be meant post nothing, rejected rows are named, and an import that
is killed again and again ends with every row in the ledger once."""

import csv
import pathlib
import random
import signal
import time

from fenlu_test import (Dev, Ledger, Process, account, id_number, main, run_fenlu, scratch_path, whole)

HEADER = "id,debit_account_id,credit_account_id,amount,ledger,code"
ROWS = 200_000
ACCOUNTS = 50
KILLS_AFTER = (0.2, 1.4, 0.1, 1.4)  # seconds; it notes how far it came each second


def csv_file(text):
    path = scratch_path("rows.csv")
    pathlib.Path(path).write_text(text)
    return path


def run_import(dev, path, *flags):
    return run_fenlu("import", "--target", dev.address, *flags, path, timeout=120)


def state(dev):
    [node] = dev.status()["nodes"]
    return node["digest"], node["accounts"], node["transfers"]


def make_accounts(channel, count):
    Ledger(channel).create_accounts([account(id) for id in range(1, count + 1)])


def test_files_that_cannot_be_meant_post_nothing():
    good = "1,1,2,5,1,1"
    cases = [
        ("", ["empty"]),
        (f"{HEADER},colour\n{good},red\n", ["colour"]),
        ("id,debit_account_id,credit_account_id,ledger,code\n1,1,2,1,1\n", ["amount", "missing"]),
        (f"{HEADER}\n{good}\n2,1,2\n", [":3:", "3 cells"]),
        (f"{HEADER}\n{good}\n2,1,2,5,1,1,9\n", [":3:"]),
        (f"{HEADER}\n{good}\nx,1,2,5,1,1\n", [":3:", "id", "x"]),
        (f"{HEADER}\n{good}\n2,1,2,-5,1,1\n", [":3:", "amount", "-5"]),
        (f"{HEADER}\n{good}\n2,1,2,5.00,1,1\n", [":3:", "amount", "5.00"]),
        (f"{HEADER}\n{good}\n2,1,2,{2**128},1,1\n", [":3:", "amount"]),
        (f"{HEADER}\n{good}\n2,1,2,5,1,65536\n", [":3:", "code", "65535"]),
        (f"{HEADER},flags\n{good},lonely\n", [":2:", "flags", "lonely"]),
        (f"{HEADER}\n{good}\n\"2,1,2,5,1,1\n", ["quoted"]),
        (f"{HEADER}\n{good}\n{'7' * 100_000}\n", [":3:"]),
        (f"{HEADER},flags\n" + "".join(f"{id},1,2,5,1,1,linked\n" for id in range(1, 12))
         + "12,1,2,5,1,1,\n", ["chain", "10"]),
    ]
    with Dev() as dev, dev.channel() as channel:
        make_accounts(channel, 2)
        before = state(dev)
        for text, words in cases:
            path = csv_file(text)
            result = run_import(dev, path, "--batch", 10)
            assert result.returncode in (1, 2), (text[:200], result)
            for word in [path, *words]:
                assert word in result.stderr, (text[:200], word, result.stderr)
            assert state(dev) == before, text[:200]
        for path, word in (("/nonexistent.csv", "/nonexistent.csv"), ("/proc", "/proc")):
            result = run_import(dev, path)
            assert result.returncode in (1, 2) and word in result.stderr, result
        assert state(dev) == before


def test_rejected_rows_are_named_with_their_status():
    rows = [HEADER, "1,1,2,5,1,1", "2,1,1,5,1,1", "3,1,99,5,1,1", "1,1,2,5,1,1", "1,1,2,6,1,1",
            "4,1,2,5,0,1"]
    rejected = {3: "accounts_must_be_different", 4: "credit_account_not_found",
                6: "exists_with_different_amount", 7: "ledger_must_not_be_zero"}
    with Dev() as dev, dev.channel() as channel:
        make_accounts(channel, 2)
        path = csv_file("\n".join(rows) + "\n")
        result = run_import(dev, path, "--in-flight", 1)
        assert result.returncode == 1, result
        for row, status in rejected.items():
            assert f"{path}:{row}: {status}" in result.stderr, (row, result.stderr)
        assert "created=1 exists=1 rejected=4" in result.stdout, result.stdout
        rejects = scratch_path("rejects.csv")
        result = run_import(dev, path, "--rejects", rejects)
        assert result.returncode == 1, result
        with open(rejects, encoding="utf-8") as file:
            names = {int(row["row"]): row["status"] for row in csv.DictReader(file)}
        # An id that failed for want of an account answers that it has failed.
        assert names == {**rejected, 4: "id_already_failed"}, names


def make_rows(dice):
    rows = [HEADER]
    debits, credits = [0] * (ACCOUNTS + 1), [0] * (ACCOUNTS + 1)
    for id in range(1, ROWS + 1):
        debit, credit = dice.sample(range(1, ACCOUNTS + 1), 2)
        amount = dice.randint(1, 10**6)
        debits[debit] += amount
        credits[credit] += amount
        rows.append(f"{id},{debit},{credit},{amount},1,1")
    return "\n".join(rows) + "\n", debits, credits


def kill_after(dev, path, seconds):
    """Starts an import in small calls and kills it; True when it was under way."""
    run = Process("import", "--target", dev.address, "--batch", 5, "--in-flight", 1, path).start()
    time.sleep(seconds)
    run.signal(signal.SIGKILL)
    return run.wait() == -signal.SIGKILL


def test_an_import_that_is_killed_resumes_and_doubles_nothing():
    dice = random.Random(5)
    text, debits, credits = make_rows(dice)
    path = csv_file(text)
    with Dev() as dev, dev.channel() as channel:
        make_accounts(channel, ACCOUNTS)
        for seconds in KILLS_AFTER:
            assert kill_after(dev, path, seconds), "the import was over too soon for this test"
        assert 0 < dev.status()["nodes"][0]["transfers"] < ROWS
        result = run_import(dev, path)
        assert result.returncode == 0, result
        assert "resumed_after_row=" in result.stdout, result.stdout
        assert "resumed_after_row=0" not in result.stdout, result.stdout
        assert dev.status()["nodes"][0]["transfers"] == ROWS
        for entry in Ledger(channel).lookup_accounts(range(1, ACCOUNTS + 1)):
            id = id_number(entry.id)
            assert whole(entry, "debits_posted") == debits[id], entry
            assert whole(entry, "credits_posted") == credits[id], entry
        before = state(dev)
        result = run_import(dev, path)  # once more: every row is there
        assert result.returncode == 0 and f"created=0 exists={ROWS}" in result.stdout, result
        assert state(dev)[2] == before[2]


if __name__ == "__main__":
    main(globals())
