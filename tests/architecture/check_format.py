"""Every .c and .h file looks as clang-format would write it. Exits 77 (skipped) without it."""

import argparse
import os
import shutil
import subprocess
import sys

import tree

VERSION = "14"


def program():
    """clang-format of Debian 12: another version would format otherwise."""
    for name in ("clang-format-" + VERSION, "clang-format"):
        path = shutil.which(name)
        if path:
            text = subprocess.run([path, "--version"], capture_output=True, text=True,
                                  check=False).stdout
            if f"version {VERSION}." in text:
                return path
    return None


def check(path, root):
    files = [p for p in tree.project_files(root) if p.endswith((".c", ".h"))]
    if not files:
        return 0
    return subprocess.run([path, "--dry-run", "-Werror", "--style=file", *files], cwd=root,
                          check=False).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    options = parser.parse_args()
    path = program()
    if path is None:
        print(f"skipped: clang-format {VERSION} is not installed")
        return 77
    if check(path, os.path.abspath(options.root)) != 0:
        print("run: clang-format -i FILE…")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
