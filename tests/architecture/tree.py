"""The files of the project, and C text without what a rule should not see."""

import os
import re
import subprocess

SKIPPED_FOLDERS = {".git", "build", "node_modules", "__pycache__"}


def project_files(root):
    """Paths relative to root, sorted: what git tracks or would track, else a walk."""
    try:
        # Only when root itself is a checkout: a folder inside one has no list of its own.
        if os.path.exists(os.path.join(root, ".git")):
            listed = subprocess.run(
                ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                check=True, capture_output=True).stdout.decode()
            return sorted({p for p in listed.split("\0")
                           if p and os.path.isfile(os.path.join(root, p))})
    except (OSError, subprocess.CalledProcessError):
        pass
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if f not in SKIPPED_FOLDERS]
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.read()


_TOKEN = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)


def strip(text):
    """C text with comments blanked and literals emptied; line numbers stay. Include lines keep
    their names."""
    def blank(match):
        token = match.group(0)
        if token[0] == '"':
            start = text.rfind("\n", 0, match.start()) + 1
            if re.match(r"\s*#\s*include\b", text[start:match.start()]):
                return token
            return '""'
        if token[0] == "'":
            return "0"
        return "\n" * token.count("\n") or " "
    return _TOKEN.sub(blank, text)


def includes(stripped):
    """(line number, quoted, name) of every #include."""
    for number, line in enumerate(stripped.split("\n"), 1):
        match = re.match(r'\s*#\s*include\s*(?:"([^"]*)"|<([^>]*)>)', line)
        if match:
            yield number, match.group(1) is not None, match.group(1) or match.group(2)
