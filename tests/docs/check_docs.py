#!/usr/bin/python3
"""What the documents say exists, and what exists they say: flags, metrics, log events, links.

usage: check_docs.py FENLU SOURCE_DIR
"""
import pathlib
import re
import subprocess
import sys

COMMANDS = ["dev", "playground", "format", "server", "api", "status", "admin", "import", "bench", "watch", "audit", "trial-balance", "script"]
# Named in every command's help and explained once.
COMMON = {"--help", "--config"}


def read(path):
    return path.read_text(encoding="utf-8")


def flags_of_program(fenlu):
    flags = set()
    for command in COMMANDS:
        text = subprocess.run([fenlu, "help", command], check=True, capture_output=True,
                              text=True).stdout
        found = set(re.findall(r"^  (--[a-z-]+)", text, re.M))
        if not found:
            raise SystemExit(f"fenlu help {command} names no flag")
        flags |= found
    return flags


def metrics_of_sources(root):
    names = set()
    for folder in ("base", "raft", "ledger", "api", "tools"):
        for path in (root / folder).rglob("*.c"):
            names |= set(re.findall(r'"(fenlu_[a-z_]+)"', read(path)))
    return names


def events_of_sources(root):
    names = set()
    for folder in ("raft", "ledger", "api", "tools"):
        for path in (root / folder).rglob("*.c"):
            calls = re.findall(r"(?:log_line|note_full|note_room)\((.*?)(?:\bLOG_(?:UINT|INT|TEXT|END)\b|;)",
                               read(path), re.S)
            for call in calls:
                names |= set(re.findall(r'"([a-z_]+)"', call))
    return names


def events_of_docs(operating):
    section = operating.split("## Log lines", 1)[1].split("\n## ", 1)[0]
    first_cells = re.findall(r"^\| (`[^|]*) \|", section, re.M)
    story = section.split("Those that tell the story:", 1)[1]
    named = set(re.findall(r"`([a-z_]+)`", "\n".join([*first_cells, story])))
    return named - {"torn_entries"}  # a field


def differences(kind, documented, existing):
    problems = [f"{kind} {name} is not documented" for name in sorted(existing - documented)]
    problems += [f"{kind} {name} is documented but does not exist"
                 for name in sorted(documented - existing)]
    return problems


def broken_links(root):
    problems = []
    for path in [*root.glob("*.md"), *(root / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)\)", read(path)):
            if not target.startswith("http") and not (path.parent / target).exists():
                problems.append(f"{path.relative_to(root)}: broken link {target}")
    return problems


def main():
    fenlu, root = sys.argv[1], pathlib.Path(sys.argv[2])
    operating = read(root / "docs" / "operating.md")
    documented_flags = set(re.findall(r"`(--[a-z-]+)", operating)) | COMMON
    documented_metrics = set(re.findall(r"`(fenlu_[a-z_]+)", operating))
    metrics = metrics_of_sources(root)
    if len(metrics) < 10:
        raise SystemExit("hardly any metric found in the sources: the pattern is wrong")
    problems = differences("flag", documented_flags, flags_of_program(fenlu) | COMMON)
    problems += differences("metric", documented_metrics, metrics)
    events = events_of_sources(root)
    if len(events) < 10:
        raise SystemExit("hardly any log event found in the sources: the pattern is wrong")
    problems += differences("log event", events_of_docs(operating), events)
    problems += broken_links(root)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


sys.exit(main())
