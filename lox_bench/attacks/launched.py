"""An attack trained in several processes, which accelerate starts: on several GPUs, or sharded.

Each makes the same job from the stage and trains on its share of every batch; the first saves.
``python -m lox_bench.attacks.launched JOB`` is one of them.
"""

import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lox_bench.errors import LoxBenchError, UsageError
from lox_bench.types import Progress

if TYPE_CHECKING:
    from lox_bench.attacks.stage import Attack
    from lox_bench.engine.context import Inputs

_JOB, _CONFIG, _STEPS, _FACTS, _SAID, _REFUSED = (
    "job.pickle", "accelerate.yaml", "steps.jsonl", "facts.json", "said.txt", "refused.txt",
)  # fmt: skip
_EVERY_S: Final = 0.2
_SHOWN: Final = 300  # characters of what a failed process said last


@dataclass(frozen=True, slots=True)
class Work:
    """What a process is handed: the stage, the folders of its inputs by key, and where to.

    LoRA adapters as they are go to ``adapter``, if that is given.
    """

    stage: "Attack"
    places: Mapping[str, Path]
    out: Path
    adapter: Path | None

    def __getitem__(self, stage: Any) -> Path:
        """The folder of an input, as ``Inputs`` has it."""
        return self.places[stage.key]


def in_processes(
    stage: "Attack", inputs: "Inputs", into: tuple[Path, Path | None], progress: Progress
) -> Mapping[str, Any]:
    """Train ``stage`` under its accelerate configuration; returns the facts.

    ``into``: the folder of the model, and perhaps one for LoRA adapters as they are.

    Raises:
        UsageError: the processes found fault with the request.
        LoxBenchError: one of them failed; what it said last is in the message.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        places = {item.key: inputs[item] for item in stage.inputs}
        (place / _JOB).write_bytes(pickle.dumps(Work(stage, places, *into)))
        (place / _CONFIG).write_text(stage.launch.config.text if stage.launch.config else "")
        with (place / _SAID).open("w") as said:
            process = subprocess.Popen(_command(place), stdout=said, stderr=subprocess.STDOUT)
            try:
                _follow(process, place / _STEPS, progress)
            finally:
                process.terminate()
                process.wait()
        if process.returncode or not (place / _FACTS).is_file():
            raise _failure(place)
        facts: dict[str, Any] = json.loads((place / _FACTS).read_text())
        return facts


def _command(place: Path) -> list[str]:
    launcher = ["-m", "accelerate.commands.launch", "--config_file", str(place / _CONFIG)]
    port = ["--main_process_port", "0"]  # a free one: several runs share a machine
    return [sys.executable, *launcher, *port, "-m", "lox_bench.attacks.launched", str(place / _JOB)]


def _follow(process: "subprocess.Popen[bytes]", steps: Path, progress: Progress) -> None:
    seen = 0
    while True:
        ended = process.poll() is not None
        lines = steps.read_text().splitlines() if steps.is_file() else []
        for line in lines[seen:]:
            progress.step(**json.loads(line))
        seen = len(lines)
        if ended:
            return
        time.sleep(_EVERY_S)


def _failure(place: Path) -> LoxBenchError:
    refused = place / _REFUSED
    if refused.is_file():
        return UsageError(refused.read_text())
    said = [line for line in (place / _SAID).read_text().splitlines() if line.strip()]
    errors = [line for line in said if "Error" in line and "ChildFailedError" not in line]
    last = (errors or said or ["nothing was said"])[0 if errors else -1]
    return LoxBenchError(f"--accelerate: a training process failed: {last.strip()[:_SHOWN]}")


class _Written:
    """Progress as lines of a file, written by the first process alone."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def step(self, done: int, total: int, detail: str = "") -> None:
        """Add a line."""
        if os.environ.get("RANK", "0") == "0":
            with self._file.open("a") as file:
                file.write(json.dumps({"done": done, "total": total, "detail": detail}) + "\n")


def work(job: Path) -> None:
    """Be one of the processes.

    Raises:
        SystemExit: the request cannot be carried out; the first process leaves the reason.
    """
    from lox_bench.attacks.sft import attack
    from lox_bench.training.spec import Training

    held: Work = pickle.loads(job.read_bytes())  # noqa: S301 - written by in_processes
    stage, is_first = held.stage, os.environ.get("RANK", "0") == "0"
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    training = Training(
        held.out, stage.seed, stage.limit, stage.dtype, _Written(job.with_name(_STEPS)),
        stage.launch, held.adapter,
    )  # fmt: skip
    try:
        if processes != stage.launch.processes:
            raise UsageError(
                f"--accelerate: {stage.launch.processes} processes were asked for, and accelerate "
                f"started {processes}"
            )
        made: Any = held  # it has what a job needs of the inputs
        sft = stage.job(made)
        facts = {**attack(sft, training), "rows": len(sft.rows)}
    except LoxBenchError as error:
        if is_first:
            job.with_name(_REFUSED).write_text(str(error))
        sys.exit(error.exit_code)
    if is_first:
        job.with_name(_FACTS).write_text(json.dumps(facts))


if __name__ == "__main__":
    work(Path(sys.argv[1]))
