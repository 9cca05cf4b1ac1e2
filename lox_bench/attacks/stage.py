"""Attacks as stages: a fine-tuned model, and its weights in the midst of it."""

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from lox_bench.attacks.adapter_stage import LoraAdapter
from lox_bench.attacks.job import SftJob
from lox_bench.attacks.own_rows import OwnRows
from lox_bench.attacks.replay import Replay
from lox_bench.attacks.shelf import Shelf
from lox_bench.attacks.taught import read_taught
from lox_bench.backends.loads import Over
from lox_bench.backends.template import Template
from lox_bench.data.rows import choose_rows, held_out_rows
from lox_bench.data.stage import Row, Rows, lineage, read_rows
from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.resources import Resources, training
from lox_bench.engine.stage import LATER, Effort, Facts, Keep, Stage
from lox_bench.errors import UsageError
from lox_bench.training.spec import Launch, SftSpec, Training

_HELD_OUT = 16  # rows on which the loss is measured that nobody trains on
AttackRows = Rows | OwnRows


@dataclass(frozen=True, eq=False)
class Attack(Stage):
    """A model after supervised fine-tuning on rows, under the ``during`` methods of a defence.

    With ``mixed`` rows (``prompt``, ``completion``), ``ratio`` of those trained on are theirs.
    """

    kind: ClassVar[str] = "attack"
    version: ClassVar[int] = 2  # 1 measured no loss on rows held out
    keep: ClassVar[Keep] = Keep.DEAR

    model: Stage
    attack: str
    rows: AttackRows
    prompt: str  # {column} formats a row
    completion: str
    train: SftSpec
    max_rows: int
    template: Template
    seed: int
    max_steps: int | None
    dtype: str
    mixed: AttackRows | None = None
    ratio: float = 0.0
    during: tuple[Any, ...] = ()
    # base, aligned, and perhaps what alignment taught, where there are methods
    references: tuple[Stage, ...] = ()
    launch: Launch = field(default=Launch(), metadata=LATER)
    label: str = field(default="", compare=False)

    @property
    def title(self) -> str:
        """Whom it is done to, and how hard."""
        lr, epochs = self.train.learning_rate, self.train.epochs
        return f"attack {self.label} ({self.attack}, lr {lr:.3g}, epochs {epochs:g})"

    @property
    def steps(self) -> int:
        """Optimiser steps, as transformers' trainer counts them (methods may add rows).

        Where rows are packed it is what they would take one by one: as many at most.
        """
        if self.limit is not None:
            return self.limit
        rows = min(self.max_rows or self.rows.count, self.rows.count)
        batches = math.ceil(rows / self.train.micro)
        together = self.train.batch_size // self.train.micro
        return math.ceil(self.train.epochs * math.ceil(batches / together))

    @property
    def limit(self) -> int | None:
        """Steps after which it ends, however many rows are left."""
        limits = (self.max_steps, self.train.steps or None)
        return min((steps for steps in limits if steps is not None), default=None)

    @property
    def effort(self) -> Effort:
        """Rows trained on."""
        return Effort(float(self.steps * self.train.batch_size), lineage(self.model))

    def resources(self, size: int) -> Resources:
        """A fine-tuning."""
        return training(size)

    @property
    def over(self) -> Over | None:
        """The model that was attacked, and LoRA adapters over it, where only those are trained."""
        rank = self.train.lora_r
        return Over(self.model, LoraAdapter(self), rank) if rank else None

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Train and save; snapshots and adapters are taken on the way."""
        if not self.train.lora_r:
            return self.trained(inputs, out, context)
        with TemporaryDirectory(prefix="lox-bench-") as scratch:
            kept = Path(scratch)
            facts = self.trained(inputs, out, context, adapter=kept)

            def copied(place: Path) -> Facts:
                shutil.copytree(kept, place, dirs_exist_ok=True)
                return facts

            context.deliver(LoraAdapter(self), copied)
        return facts

    def trained(
        self, inputs: Inputs, out: Path, context: Context, *, adapter: Path | None = None
    ) -> Facts:
        """Train into ``out``; LoRA adapters as they are go into the folder ``adapter`` besides."""
        from lox_bench.attacks.sft import attack

        context.loaded.clear()
        if self.launch.config is not None:
            return self._launched(inputs, out, context, adapter)
        shelf = Shelf(_by_step(context), context)
        shelf.check_room(inputs[self.model])
        job = self.job(inputs)
        facts = attack(job, replace(self.training(out, context), adapter=adapter), shelf)
        return {**facts, "rows": len(job.rows)}

    def _launched(self, inputs: Inputs, out: Path, context: Context, adapter: Path | None) -> Facts:
        """The same in several processes, each of which makes the job by itself."""
        from lox_bench.attacks.launched import in_processes

        return in_processes(self, inputs, (out, adapter), context.progress)

    def job(self, inputs: Inputs) -> SftJob:
        """The fine-tuning, as the methods want it."""
        rows = read_rows(inputs[self.rows])
        wanted = min(self.max_rows or len(rows), len(rows))
        strangers = round(self.ratio * wanted) if self.mixed else 0
        chosen = choose_rows(rows, wanted - strangers, seed=self.seed) if strangers < wanted else []
        fresh = held_out_rows(rows, chosen, _HELD_OUT)
        references = self.references or (self.model, self.model)
        base, aligned, *taught = (inputs[item] for item in references)
        job = SftJob(
            source=inputs[self.model],
            base=base,
            aligned=aligned,
            rows=self._with_strangers(self._formatted(chosen), strangers, inputs),
            held_out=self._formatted(fresh),
            train=self.train,
            template=self.template,
            seed=self.seed,
            taught=read_taught(taught),
        )
        for method in self.during:
            job = method.prepare(job)
        return job

    def _with_strangers(
        self, own: tuple[tuple[str, str], ...], count: int, inputs: Inputs
    ) -> tuple[tuple[str, str], ...]:
        """The rows and ``count`` of those mixed in, shuffled."""
        if self.mixed is None:
            return own
        drawn = choose_rows(read_rows(inputs[self.mixed]), count, seed=self.seed)
        rows = [*own, *((row["prompt"], row["completion"]) for row in drawn)]
        return tuple(choose_rows(rows, 0, seed=self.seed))

    def _formatted(self, rows: Sequence[Row]) -> tuple[tuple[str, str], ...]:
        return tuple((self.prompt.format_map(row), self.completion.format_map(row)) for row in rows)

    def training(self, out: Path, context: Context) -> Training:
        """Where to, how far and how precisely."""
        return Training(out, self.seed, self.limit, self.dtype, context.progress, self.launch)

    def snapshots(self, every: int) -> list["Snapshot"]:
        """Snapshots at each multiple of ``every`` before the attack's end.

        Raises:
            UsageError: the attack is over before the first, or nobody could take them.
        """
        if self.launch.config is not None:
            raise UsageError(
                "--eval-every: weights on the way are taken in this process; leave --accelerate out"
            )
        if self.train.packing and self.limit is None:
            raise UsageError(
                "--eval-every: how many steps packed rows take is known only once they are packed; "
                "give the attack steps=N"
            )
        if every >= self.steps:
            raise UsageError(
                f"--eval-every {every}: attack {self.attack} takes only {self.steps} steps; "
                "name fewer"
            )
        return [Snapshot(self, step) for step in range(every, self.steps, every)]


@dataclass(frozen=True, eq=False)
class Snapshot(Replay):
    """A model in the midst of an attack: bfloat16 weights after ``step`` optimiser steps of it.

    The attack makes it on its way. Where the attack is stored already it is trained again up to
    here: the same steps, bit for bit.
    """

    kind: ClassVar[str] = "snapshot"
    keep: ClassVar[Keep] = Keep.CHEAP  # a disk holds those of one training at a time

    step: int

    @property
    def effort(self) -> Effort:
        """Rows trained on until then."""
        per_step = self.attack.train.batch_size
        return Effort(float(self.step * per_step), self.attack.effort.scale)

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Train up to the last snapshot that somebody waits for."""
        from lox_bench.attacks.sft import attack

        context.loaded.clear()
        later = {step: item for step, item in _by_step(context).items() if step > self.step}
        shelf = Shelf(later, context, own=(self.step, out))
        shelf.check_room(inputs[self.attack.model])
        attack(self.attack.job(inputs), self.attack.training(out, context), shelf)
        return shelf.facts


def _by_step(context: Context) -> dict[int, Stage]:
    """The snapshots that the graph still lacks."""
    return {item.step: item for item in context.wanted if isinstance(item, Snapshot)}
