"""What the pure archives leave undefined must be on the list: no I/O, clock, thread, allocator.

A symbol that another of the given archives defines is fine. Exits 1 when one is not."""

import argparse
import re
import subprocess
import sys

# libx.a:member.o:0000000000000000 T name   or   libx.a:member.o:                 U name
LINE = re.compile(r"^.*?:?(?P<object>[^:]+):(?P<value>[0-9a-f]*)\s+(?P<kind>[A-Za-z]) (?P<name>\S+)$")


class AllowList:
    def __init__(self, text):
        self.names, self.prefixes = set(), []
        for line in text.split("\n"):
            entry = line.split("#")[0].strip()
            if entry.endswith("*"):
                self.prefixes.append(entry[:-1])
            elif entry:
                self.names.add(entry)

    def allows(self, member, name):
        return (name in self.names or f"{member}:{name}" in self.names
                or any(name.startswith(prefix) for prefix in self.prefixes))


def symbols(nm, archive):
    """(object, kind, name) of every symbol."""
    listed = subprocess.run([nm, "--print-file-name", archive], check=True, capture_output=True,
                            text=True).stdout
    found = []
    for line in listed.split("\n"):
        match = LINE.match(line)
        if match:
            found.append((match["object"], match["kind"], match["name"]))
    return found


def violations(nm, archives, allow):
    listed = {archive: symbols(nm, archive) for archive in archives}
    defined = {name for found in listed.values() for _, kind, name in found if kind not in "Uwv"}
    return [f"{archive}: {member} needs {name}"
            for archive, found in listed.items() for member, kind, name in found
            if kind in "Uwv" and name not in defined and not allow.allows(member, name)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--allow", required=True)
    parser.add_argument("archives", nargs="+")
    options = parser.parse_args()
    with open(options.allow, encoding="utf-8") as file:
        found = violations(options.nm, options.archives, AllowList(file.read()))
    print("\n".join(found))
    print(f"{len(options.archives)} pure archives, {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
