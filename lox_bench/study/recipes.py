"""The recipes a family gives: its base, its aligned model, and attacks scaled to its size."""

from dataclasses import dataclass, replace
from functools import cached_property

from lox_bench.alignment.spec import DpoSpec
from lox_bench.attacks.points import AttackSettings
from lox_bench.attacks.spec import AttackScale, AttackSpec
from lox_bench.backends.template import load_template
from lox_bench.codec import hash_of
from lox_bench.data.prompts import load_prompts
from lox_bench.data.rows import RowSet, resolve_rows
from lox_bench.data.spec import DataSpec
from lox_bench.sources.identity import identify
from lox_bench.study.family import FamilySpec
from lox_bench.study.variants import (
    Aligned,
    Attacked,
    Control,
    Hardened,
    Recipe,
    Source,
    Truncated,
)
from lox_bench.training.spec import TrainSpec


@dataclass(frozen=True)
class FamilyRecipes:
    """Recipes of one family under one seed; ``max_steps`` cuts trainings short."""

    family: FamilySpec
    seed: int = 0
    max_steps: int | None = None

    @cached_property
    def template(self) -> str:
        """Key of the chat template: part of every recipe that trains."""
        template = load_template(self.family.template)
        return hash_of({"name": template.name, "text": template.text})

    def source(self, uri: str) -> Source:
        """Published weights, pinned by content."""
        return Source(uri=uri, identity=identify(uri), dtype=self.family.dtype)

    @cached_property
    def base(self) -> Source:
        """The model before alignment."""
        return self.source(self.family.base)

    @cached_property
    def aligned(self) -> Recipe:
        """The released aligned checkpoint, or DPO from the base."""
        spec = self.family.align
        if spec.dpo is None:
            return self.source(spec.source)
        return Aligned(
            base=self.base,
            dpo=spec.dpo,
            data=_pinned(spec.dpo),
            template=self.template,
            seed=self.seed,
            max_steps=self.max_steps,
            dtype=self.family.dtype,
        )

    def hardened(self, k: int | None, alpha: float) -> Hardened:
        """The aligned model pushed along its own alignment (LoX)."""
        return Hardened(base=self.base, aligned=self.aligned, k=k, alpha=alpha)

    def control(self, rule: str, k: int | None, alpha: float, *, seed: int = 0) -> Control:
        """The aligned model pushed elsewhere: what LoX is compared with."""
        return Control(self.base, self.aligned, rule=rule, k=k, alpha=alpha, seed=seed)

    def truncated(self, rank: int) -> Truncated:
        """The base with the top of its alignment only."""
        return Truncated(self.base, self.aligned, rank=rank)

    def attacked(
        self,
        model: Recipe,
        spec: AttackSpec,
        rows: RowSet,
        settings: AttackSettings = AttackSettings(),  # noqa: B008 - a frozen value
    ) -> Attacked:
        """A model after supervised fine-tuning, scaled to this family unless ``settings`` say."""
        scale = self.family.attack_scale
        return Attacked(
            model=model,
            attack=spec.name,
            prompt=spec.prompt,
            completion=spec.completion,
            train=settings.applied(scaled(spec.train, scale)),
            data=rows.label,
            data_sha256=rows.sha256,
            max_rows=settings.rows or scale.max_rows or spec.max_rows,
            template=self.template,
            seed=self.seed,
            max_steps=self.max_steps,
            dtype=self.family.dtype,
        )


def _pinned(dpo: DpoSpec) -> tuple[tuple[str, str], ...]:
    """Name and hash of everything the preference pairs rest on."""
    if dpo.data is not None:
        rows = preference_rows(dpo)
        return ((rows.label, rows.sha256),)
    return tuple((name, load_prompts(name).sha256) for name in (dpo.harmful, dpo.benign))


def preference_rows(dpo: DpoSpec) -> RowSet:
    """The preference set a family names.

    Raises:
        DataError: it is not within reach; nothing stands in for it.
    """
    data = dpo.data or DataSpec()
    return resolve_rows(data, None, columns=("chosen", "rejected"), strict=True)


def scaled(train: TrainSpec, scale: AttackScale) -> TrainSpec:
    """An attack's training settings at a family's scale."""
    return replace(
        train,
        learning_rate=train.learning_rate * scale.learning_rate,
        epochs=scale.epochs or train.epochs,
        batch_size=scale.batch_size or train.batch_size,
        micro_batch_size=scale.micro_batch_size or train.micro_batch_size,
        warmup_steps=train.warmup_steps if scale.warmup_steps < 0 else scale.warmup_steps,
    )
