"""What a store holds, to compare one with another."""

from lox_bench.engine.store import Store

_ABOUT = {"manifest.json", ".verified.json"}  # times, and what was read


def contents(store: Store) -> dict[str, bytes]:
    """Every file of every artifact but what tells when and how it was made."""
    files = (file for folder in store.folders() for file in sorted(folder.rglob("*")))
    return {
        str(file.relative_to(store.root)): file.read_bytes()
        for file in files
        if file.is_file() and file.name not in _ABOUT
    }
