"""Turn a recipe into a checkpoint folder: each stage built once per key, its inputs first.

This is the one place that knows which code realises which kind of recipe.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lox_bench.attacks.snapshot import FACTS, Shelf
from lox_bench.backends.template import Template
from lox_bench.codec import hash_of, write_records
from lox_bench.data.prompts import PromptSet, load_prompts
from lox_bench.data.rows import RowSet, choose_rows
from lox_bench.engine.store import Store
from lox_bench.errors import DataError
from lox_bench.provenance import environment
from lox_bench.sources.uri import PathSource, parse_source
from lox_bench.study.derive import Work, derivation
from lox_bench.study.recipes import preference_rows
from lox_bench.study.variants import (
    EPHEMERAL,
    Aligned,
    Attacked,
    Hardened,
    Recipe,
    Snapshot,
    Source,
    describe,
    key_of,
)
from lox_bench.types import Progress


class Display(Protocol):
    """Where the pipeline shows its stages; the command line draws bars, tests stay silent."""

    def stage(self, title: str) -> AbstractContextManager[Progress]:
        """Announce a stage that is about to be built."""


@dataclass(frozen=True, slots=True)
class Materialiser:
    """Builds the checkpoints of recipes in a store, or finds them there."""

    store: Store
    template: Template
    attack_rows: Mapping[str, RowSet]
    display: Display
    wanted: Mapping[str, Sequence[Snapshot]] = field(default_factory=dict)  # by key of the attack

    def checkpoint(self, recipe: Recipe, title: str) -> Path:
        """The folder of the recipe's weights, in hub layout; ``title`` names it in displays."""
        found = self.store.find(recipe.stage, key_of(recipe))
        if found is not None:
            return found
        if isinstance(recipe, Source):
            return self._source(recipe, title)
        if isinstance(recipe, Aligned):
            return self._aligned(recipe)
        if isinstance(recipe, Hardened):
            return self._hardened(recipe, title)
        if isinstance(recipe, Attacked | Snapshot):
            return self._fine_tuned(recipe, title)
        return self.build(recipe.stage, describe(recipe), f"make {title}", derivation(recipe, self))

    @contextmanager
    def weights(self, recipe: Recipe, title: str) -> Iterator[Path]:
        """The recipe's folder while the block lasts; an ephemeral one is not kept after it."""
        stage, key = recipe.stage, key_of(recipe)
        if not isinstance(recipe, EPHEMERAL) or self.store.find(stage, key):
            yield self.checkpoint(recipe, title)
            return
        work = derivation(recipe, self)
        with self.store.scratch(stage, key) as folder:
            with self.display.stage(f"make {title}") as progress:
                work(folder, progress)
            yield folder

    def origin(self, recipe: Recipe, title: str) -> Path:
        """The artifact that tells how the recipe's model came about.

        It is the checkpoint, or for a snapshot the facts that outlive its weights.
        """
        if not isinstance(recipe, Snapshot):
            return self.checkpoint(recipe, title)
        known = self.store.find(FACTS, key_of(recipe))
        if known is not None:
            return known
        self.checkpoint(recipe, title)
        return self.store.root / FACTS / key_of(recipe)

    def release(self, recipe: Recipe) -> None:
        """Drop weights that nobody needs once the model has been measured."""
        if isinstance(recipe, Snapshot):
            self.store.remove(recipe.stage, key_of(recipe))

    def build(self, stage: str, recipe: Mapping[str, Any], title: str, work: Work) -> Path:
        """Build one artifact under a progress display; its manifest tells where it was made."""

        def builder(out: Path) -> Mapping[str, Any]:
            with self.display.stage(title) as progress:
                return {**work(out, progress), **environment()}

        return self.store.build(stage, hash_of(recipe), recipe, builder)

    def _source(self, recipe: Source, title: str) -> Path:
        source = parse_source(recipe.uri)
        if isinstance(source, PathSource):
            return source.path  # used where it lies: its content is pinned by its hash

        def work(out: Path, _: Progress) -> Mapping[str, Any]:
            from lox_bench.sources.fetch import fetch

            fetch(source, out, dtype=recipe.dtype)
            return {"uri": recipe.uri}

        return self.build(recipe.stage, describe(recipe), f"fetch {title}", work)

    def _aligned(self, recipe: Aligned) -> Path:
        base, dpo = self.checkpoint(recipe.base, "base"), recipe.dpo
        answers = self._answers(recipe, base) if dpo.data is None else None

        def work(out: Path, progress: Progress) -> Mapping[str, Any]:
            from lox_bench.alignment.dpo import align
            from lox_bench.alignment.pairs import dialogue_pairs, on_policy_pairs, read_answers
            from lox_bench.training.run import TrainingJob

            if answers is None:
                pairs = dialogue_pairs(preference_rows(dpo).rows, dpo, seed=recipe.seed)
            else:
                pairs = on_policy_pairs(read_answers(answers), dpo, seed=recipe.seed)
            job = TrainingJob(
                base, out, self.template, recipe.seed, recipe.max_steps, recipe.dtype, progress
            )
            return align(job, pairs, dpo)

        return self.build(recipe.stage, describe(recipe), "align (DPO)", work)

    def _answers(self, recipe: Aligned, base: Path) -> Path:
        """The base's own answers, shared by all seeds of one alignment."""
        dpo = recipe.dpo
        described = {
            "stage": "pairs",
            "version": 1,
            "base": key_of(recipe.base),
            "data": recipe.data,
            "answer_tokens": dpo.answer_tokens,
            "template": recipe.template,
        }

        def work(out: Path, progress: Progress) -> Mapping[str, Any]:
            from lox_bench.alignment.pairs import ANSWERS, ask

            answers = ask(base, self.template, _pinned_prompts(recipe), dpo.answer_tokens, progress)
            write_records(out / ANSWERS, answers)
            return {"answers": len(answers)}

        return self.build("pairs", described, "preference pairs", work)

    def _hardened(self, recipe: Hardened, title: str) -> Path:
        base = self.checkpoint(recipe.base, "base")
        aligned = self.checkpoint(recipe.aligned, "aligned")

        def work(out: Path, progress: Progress) -> Mapping[str, Any]:
            from lox_bench.weights.report import facts
            from lox_bench.weights.select import Settings
            from lox_bench.weights.transform import harden_checkpoint

            settings = Settings(rank=recipe.k, alpha=recipe.alpha)
            return facts(harden_checkpoint(base, aligned, out, settings, progress))

        return self.build(recipe.stage, describe(recipe), f"harden {title}", work)

    def _fine_tuned(self, recipe: Attacked | Snapshot, title: str) -> Path:
        if isinstance(recipe, Snapshot):
            return self._snapshot(recipe, title)
        wanted = self._missing(recipe, 0)
        shelf = Shelf(self.store, wanted) if wanted else None
        work = self._fine_tuning(recipe, title, shelf)
        return self.build(recipe.stage, describe(recipe), _attack_title(recipe, title), work)

    def _snapshot(self, recipe: Snapshot, title: str) -> Path:
        """Train again up to the last snapshot that is missing: the same steps, bit for bit.

        Needed when the attack was stored before anyone asked for snapshots, or when one whose
        weights are gone is to be measured once more. Earlier steps than this one are not kept.
        """
        shelf = Shelf(self.store, self._missing(recipe.attacked, recipe.step), stop=True)
        work = self._fine_tuning(recipe.attacked, title, shelf)
        again = _attack_title(recipe.attacked, f"{title} again")
        scratch = self.store.scratch("replay", key_of(recipe))
        with scratch as folder, self.display.stage(again) as progress:
            work(folder, progress)
        return self.store.root / recipe.stage / key_of(recipe)

    def _missing(self, recipe: Attacked, first: int) -> list[Snapshot]:
        """Wanted snapshots of an attack from step ``first`` on whose weights are not there."""
        return [
            snapshot
            for snapshot in self.wanted.get(key_of(recipe), ())
            if snapshot.step >= first and not self.store.find(snapshot.stage, key_of(snapshot))
        ]

    def _fine_tuning(self, recipe: Attacked, title: str, shelf: Shelf | None) -> Work:
        source = self.checkpoint(recipe.model, title)
        chosen = choose_rows(
            self.attack_rows[recipe.attack].rows, recipe.max_rows, seed=recipe.seed
        )
        rows = [
            (recipe.prompt.format_map(row), recipe.completion.format_map(row)) for row in chosen
        ]

        def work(out: Path, progress: Progress) -> Mapping[str, Any]:
            from lox_bench.attacks.sft import attack
            from lox_bench.training.run import TrainingJob

            job = TrainingJob(
                source, out, self.template, recipe.seed, recipe.max_steps, recipe.dtype, progress
            )
            if shelf is not None:
                shelf.check_room(source)
            return {**attack(job, rows, recipe.train, shelf), "rows": len(rows)}

        return work


def _attack_title(recipe: Attacked, title: str) -> str:
    lr, epochs = recipe.train.learning_rate, recipe.train.epochs
    return f"attack {title} ({recipe.attack}, lr {lr:.3g}, epochs {epochs:g})"


def _pinned_prompts(recipe: Aligned) -> list[PromptSet]:
    sets = [load_prompts(name) for name, _ in recipe.data]
    for held, (name, sha256) in zip(sets, recipe.data, strict=True):
        if held.sha256 != sha256:
            raise DataError(f"prompt set {name} changed while the run was under way; run again")
    return sets
