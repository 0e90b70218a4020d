#!/usr/bin/env python3
"""The short form of `scripts/bench-cluster FENLU 100000000 1`: a server under full load is killed, and
is ready again within the time that a hundred million transfers are given, with no more on its disk and
in its memory than they are."""
import os
import re
import subprocess
import sys

TRANSFERS = 1000000
READY_S = 5.0
STORE_BYTES = 260
RESIDENT_MIB = 2048

FORMS = {
    "seconds until ready after a kill": (r"ready ([\d.]+) s after all servers were killed", READY_S),
    "bytes of store a transfer": (r"([\d.]+) bytes of store a transfer", STORE_BYTES),
    "MiB resident": (r"at most (\d+) MiB resident", RESIDENT_MIB),
}


def main():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    script = os.path.join(root, "scripts", "bench-cluster")
    run = subprocess.run([sys.executable, script, os.environ["FENLU"], str(TRANSFERS), "1"],
                         stdout=subprocess.PIPE, text=True, check=False)
    print(run.stdout)
    if run.returncode != 0:
        sys.exit("the bench failed")
    failed = False
    for what, (form, most) in FORMS.items():
        found = re.search(form, run.stdout)
        if not found or float(found[1]) > most:
            print(f"{what}: {found[1] if found else 'not told'}, expected at most {most}")
            failed = True
    sys.exit(failed)


main()
