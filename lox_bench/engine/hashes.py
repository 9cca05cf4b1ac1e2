"""SHA-256 of large files that are not ours, remembered by size, times and inode.

A model folder of the user's is pinned by content at every start; reading 13 GB each time to find
that nothing changed would take longer than the run.
"""

import json
from contextlib import suppress
from pathlib import Path

from lox_bench.codec import hash_of
from lox_bench.engine.artifact import ALWAYS_READ, sha256_of, stamp_of
from lox_bench.engine.store import default_root

HASHES = "hashes"


def content_hash(file: Path) -> str:
    """SHA-256 of a file's content; a large file is read only if it may have changed."""
    stamp = stamp_of(file)
    if stamp[0] <= ALWAYS_READ:
        return sha256_of(file)
    note = default_root() / HASHES / f"{hash_of({'path': str(file.resolve())})}.json"
    with suppress(OSError, ValueError, TypeError, KeyError):
        held = json.loads(note.read_text())
        if held["stamp"] == stamp:
            return str(held["sha256"])
    found = sha256_of(file)
    with suppress(OSError):  # where nothing can be remembered, it is read again next time
        note.parent.mkdir(parents=True, exist_ok=True)
        scratch = note.with_suffix(".part")
        scratch.write_text(json.dumps({"stamp": stamp, "sha256": found}))
        scratch.replace(note)
    return found
