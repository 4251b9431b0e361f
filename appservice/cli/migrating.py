"""How `inglenook migrate` speaks with a person: the new file on standard output, what is left to do beside it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from appservice.operations.files import replace_file
from policies.files import read_file
from policies.migrate import migrated
from policies.versions import CURRENT

OK, FAILED, BAD_INPUT = 0, 1, 2


def migrate_file(policy: Path, out: Console, err: Console, *, write: bool) -> int:
    """Print, or write, a policy file in the newest version of the language; return the exit status."""
    read = read_file(policy)
    found = migrated(read.data, str(policy)) if read.data is not None else None
    findings = read.findings if found is None else found.findings
    if found is None or found.text is None:
        for finding in findings:
            err.print(Text(str(finding)))
        if not findings:
            err.print(Text(f"{policy} is written in version {CURRENT} of the language, the newest."))
        return BAD_INPUT if any(finding.severity == "error" for finding in findings) else OK
    if write:
        try:
            replace_file(policy, found.text)
        except OSError as error:
            err.print(Text(f"inglenook: {policy} cannot be written ({error.strerror})"))
            return FAILED
        err.print(Text(f"{policy} is now written in version {CURRENT}, and means what it meant."))
    else:
        out.file.write(found.text)
    for finding in findings:
        err.print(Text(str(finding)))
    if findings:
        err.print(Text("It loads when this is filled in. What is in force stays in force meanwhile."))
    return OK
