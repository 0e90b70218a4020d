"""The calls of Fenlu through Node's gRPC client (node/clients.js), on `fenlu dev` and on a
playground. Skipped when node or npm is missing, or npm cannot be reached."""

import functools
import shutil
import subprocess

import fenlu_test as ft

SOURCE = ft.pathlib.Path(__file__).resolve().parent / "node"
INSTALL_TIMEOUT = 90
RUN_TIMEOUT = 90

# What npm says when it is the network, and not the packages, that is wrong.
UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH",
               "ENETUNREACH", "ERR_SOCKET_TIMEOUT", "FETCH_ERROR", "E502", "E503", "E504",
               # A machine that does not trust what answers for the registry.
               "SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
               "UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "CERT_HAS_EXPIRED")


@functools.cache
def installed():
    """A folder with clients.js and its packages, or a text that says why there is none."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            return None, f"{program} is not installed"
    folder = ft.SCRATCH / "node"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("node_modules"),
                    dirs_exist_ok=True)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline",
               "--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=20000"]
    try:
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False,
                                timeout=INSTALL_TIMEOUT)
    except subprocess.TimeoutExpired:
        return None, f"npm ci did not end within {INSTALL_TIMEOUT} s"
    if result.returncode == 0:
        return folder, None
    for line in result.stderr.splitlines():
        if any(word in line for word in UNREACHABLE):
            return None, f"npm cannot be reached: {line}"
    raise AssertionError(f"npm ci failed:\n{result.stdout}{result.stderr}")


def test_clients_of_node(target):
    folder, reason = installed()
    if folder is None:
        raise ft.Skip(reason)
    result = subprocess.run(["node", "clients.js", target.address, str(ft.ROOT / "api/proto")],
                            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, timeout=RUN_TIMEOUT, check=False)
    print(result.stdout, end="")
    assert result.returncode == 0, f"node ended with {result.returncode}"
    assert result.stdout.count("\nok ") + result.stdout.startswith("ok ") >= 11, "cases are missing"


if __name__ == "__main__":
    ft.main(globals(), {"dev": ft.Dev, "playground": ft.Playground})
