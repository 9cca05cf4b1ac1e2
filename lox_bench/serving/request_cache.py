"""Replies on disk, one JSON line each, so that no request is paid for twice.

A line is appended by a single write as soon as its reply is there: a killed process loses nothing
it had received, and several may append at once. A line torn by a full disk is skipped. Prompts are
kept as hashes only, keys and headers not at all.
"""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from lox_bench.codec import hash_of
from lox_bench.errors import StoreError
from lox_bench.serving.endpoint import Chat, Endpoint
from lox_bench.serving.replies import Reply


def request_key(endpoint: Endpoint, chat: Chat) -> str:
    """SHA-256 of everything a reply depends on: model, where it runs, turns, parameters."""
    asked = {
        "backend": endpoint.backend,
        "base_url": endpoint.base_url,
        "model": endpoint.model,
        "identity": endpoint.identity,
        "turns": [list(turn) for turn in chat.turns],
        "seed": chat.seed,
        "max_tokens": chat.max_tokens,
        "temperature": chat.temperature,
    }
    text = json.dumps(asked, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


class RequestCache:
    """The replies of one model at one place."""

    def __init__(self, folder: Path, endpoint: Endpoint) -> None:
        """Read what is there.

        Raises:
            StoreError: the folder cannot be made or the file not be read.
        """
        place = {
            "url": endpoint.base_url,
            "model": endpoint.model,
            "identity": endpoint.identity,
        }
        self.file = folder / f"{hash_of(place)}.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held = self.file.read_bytes() if self.file.exists() else b""
        except OSError as error:
            raise StoreError(f"the request cache {self.file}: {error.strerror}") from error
        self._replies = dict(_read(held))
        self._torn = bool(held) and not held.endswith(b"\n")

    def find(self, key: str) -> Reply | None:
        """The reply to the request of this key, if it was ever received."""
        return self._replies.get(key)

    def keep(self, key: str, reply: Reply) -> None:
        """Store a reply before anything is done with it; a later one of the same key replaces it.

        Raises:
            StoreError: the disk is full or the file cannot be written.
        """
        line = json.dumps({"key": key, **asdict(reply)}, ensure_ascii=False) + "\n"
        data = ("\n" if self._torn else "").encode() + line.encode("utf-8", "replace")
        try:
            handle = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                written = os.write(handle, data)
            finally:
                os.close(handle)
        except OSError as error:
            raise StoreError(f"the request cache {self.file}: {error.strerror}") from error
        if written != len(data):
            self._torn = True
            raise StoreError(f"the request cache {self.file}: the disk is full")
        self._torn = False
        self._replies[key] = reply


def _read(held: bytes) -> list[tuple[str, Reply]]:
    replies = []
    for line in held.split(b"\n"):
        with suppress(ValueError, TypeError, KeyError, AttributeError):
            plain = json.loads(line)
            replies.append((plain.pop("key"), Reply(**plain)))
    return replies
