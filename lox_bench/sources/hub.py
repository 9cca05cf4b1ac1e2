"""Files of a repository of the Hugging Face hub: from its cache, else downloaded.

The hub's own client tries a hub out of reach again and again, for minutes and repository by
repository; here it is asked once, quickly, whether it answers.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from lox_bench.errors import SourceError

_PATIENCE_S: Final = 10.0


def snapshot(
    repo: str,
    revision: str | None = None,
    *,
    patterns: Sequence[str] | None = None,
    dataset: bool = False,
) -> Path:
    """The folder of the hub's cache that holds a repository's files.

    Args:
        repo: ``owner/name``.
        revision: a branch, tag or commit; ``None``: the newest.
        patterns: shell-style, of the files wanted; ``None``: all.
        dataset: whether it is a repository of data.

    Raises:
        SourceError: they are neither here nor to be had; the message is a word of the reason.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    fault = hub_fault()
    try:
        return Path(
            snapshot_download(
                repo,
                repo_type="dataset" if dataset else None,
                revision=revision,
                allow_patterns=None if patterns is None else list(patterns),
                etag_timeout=_PATIENCE_S,
                local_files_only=bool(fault),
            )
        )
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise SourceError(fault or type(error).__name__) from error


@cache
def hub_fault() -> str:
    """Why the hub does not answer, in a word, asked once a process; empty if it does."""
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=_PATIENCE_S)
    except Exception as error:  # noqa: BLE001 - whatever it is, the hub is out of reach
        return type(error).__name__
    return ""
