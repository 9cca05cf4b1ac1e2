"""Which processes train an attack: ``--accelerate fsdp(processes=4)``, or a configuration file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lox_bench.engine.stage import Text
from lox_bench.errors import UnknownNameError, UsageError
from lox_bench.grammar import Call, parse_call
from lox_bench.registry import packaged_file
from lox_bench.training.spec import Launch

_PROCESSES: Final = "processes"
_FOLDER: Final = "accelerate"
_SHARDED: Final = "FSDP"
_KNOWN: Final = ("MULTI_GPU", "MULTI_CPU", "MULTI_XPU", "MULTI_NPU", _SHARDED)
_MOST: Final = 1024


def read_launch(text: str) -> Launch:
    """What ``--accelerate`` means: a configuration of ours by name, or an accelerate YAML file.

    Without ``processes`` there are as many as the file says, else as there are GPUs.

    Raises:
        UnknownNameError: there is none of that name.
        UsageError: it cannot be read, is for several machines, or not for several processes.
    """
    call = parse_call(text)
    plain = _plain(call)
    processes = _processes(call, plain)
    kind = str(plain.get("distributed_type", ""))
    if kind not in _KNOWN:
        raise UsageError(
            f"--accelerate {text}: distributed_type must be one of {', '.join(_KNOWN)}, "
            f"not {kind or 'absent'}"
        )
    if plain.get("num_machines", 1) != 1:
        raise UsageError(
            f"--accelerate {text}: one machine was wanted, not {plain['num_machines']}"
        )
    import yaml

    told = yaml.safe_dump({**plain, "num_processes": processes}, sort_keys=True)
    return Launch(Text(told), processes, sharded=kind == _SHARDED)


def _plain(call: Call) -> Mapping[str, Any]:
    import yaml

    file = Path(call.name).expanduser()
    if file.suffix not in {".yaml", ".yml"}:
        folder = packaged_file(_FOLDER)
        if not (folder / f"{call.name}.yaml").is_file():
            known = [entry.name.removesuffix(".yaml") for entry in folder.iterdir()]
            raise UnknownNameError("accelerate configuration", call.name, [*known, "FILE.yaml"])
        held: Any = yaml.safe_load((folder / f"{call.name}.yaml").read_text(encoding="utf-8"))
    else:
        try:
            held = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            reason = str(error).partition("\n")[0]
            raise UsageError(f"--accelerate {file}: cannot be read ({reason})") from error
    if not isinstance(held, dict):
        raise UsageError(f"--accelerate {call.name}: a table of accelerate's settings was wanted")
    return held


def _processes(call: Call, plain: Mapping[str, Any]) -> int:
    unknown = next((name for name in call.args if name != _PROCESSES), None)
    if unknown or call.target is not None:
        raise UsageError(f"--accelerate {call}: it takes {_PROCESSES}=N and nothing else")
    said = call.args.get(_PROCESSES, plain.get("num_processes"))
    if said is None:
        import torch

        said = torch.cuda.device_count()
    if not str(said).isdecimal() or not 1 < int(str(said)[:5]) <= _MOST:
        raise UsageError(
            f"--accelerate {call}: {said} processes; at least 2 were wanted: "
            f"{call.name}({_PROCESSES}=2)"
        )
    return int(said)
