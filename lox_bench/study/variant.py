"""The model under test, a value: family, methods, attack, seeds; and the fold that makes it."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from lox_bench.alignment.stage import Align, own_answers
from lox_bench.attacks.own_rows import OwnRows
from lox_bench.attacks.points import AttackPoint
from lox_bench.attacks.scale import scaled
from lox_bench.attacks.stage import Attack, AttackRows, Snapshot
from lox_bench.backends.backend import Backend
from lox_bench.backends.served import Served
from lox_bench.backends.template import Template, load_template
from lox_bench.data.prompts import load_prompts
from lox_bench.data.rows import preference_rows
from lox_bench.data.spec import DataSpec
from lox_bench.engine.stage import Stage
from lox_bench.errors import UsageError
from lox_bench.methods.method import Models, Place
from lox_bench.methods.stage import Merge, hardened, repaired
from lox_bench.results.run import NO_ATTACK, VariantName
from lox_bench.sources.adapter_config import adapter_rank, is_over_aligned
from lox_bench.sources.layout import is_adapter
from lox_bench.sources.stage import Source
from lox_bench.sources.uri import PathSource, parse_source
from lox_bench.study.during import references, served_under, trained_under, trained_with
from lox_bench.study.family import FamilySpec
from lox_bench.study.lessons import lessons
from lox_bench.training.spec import Launch, SftSpec

_OWN_BATCH = 64  # instructions decoded together: part of the key, whatever the study batches


@dataclass(frozen=True, slots=True)
class Seeds:
    """What each random choice starts from; ``method`` is for methods that draw."""

    align: int = 0
    attack: int = 0
    method: int = 0


@dataclass(frozen=True)
class Family:
    """A family under one alignment seed: base and aligned model, and what they are used with."""

    spec: FamilySpec
    seed: int = 0
    max_steps: int | None = None
    backend: Backend = field(default_factory=Backend)
    launch: Launch = field(default_factory=Launch)

    @cached_property
    def template(self) -> Template:
        """How a user message becomes a prompt."""
        return load_template(self.spec.template)

    @cached_property
    def base(self) -> Source:
        """The model before alignment."""
        return self.source(self.spec.base)

    @cached_property
    def aligned(self) -> Stage:
        """The released aligned checkpoint, or DPO from the base."""
        dpo = self.spec.align.dpo
        if dpo is None:
            return self.source(self.spec.align.source)
        if dpo.data is None:
            sets = tuple(load_prompts(name) for name in (dpo.harmful, dpo.benign))
            data: Any = own_answers(self.base, sets, dpo, self.template, self.backend)
        else:
            data = preference_rows(dpo.data)
        return Align(
            base=self.base,
            data=data,
            dpo=dpo,
            template=self.template,
            seed=self.seed,
            max_steps=self.max_steps,
            dtype=self.spec.dtype,
            checkpointing=self.launch.checkpointing,
        )

    def own_rows(self, data: DataSpec) -> OwnRows:
        """What the base itself answers to the instructions that ``data`` names."""
        prompts = load_prompts(data.own_answers)
        batched = replace(self.backend, batch_size=_OWN_BATCH)
        return OwnRows(self.base, prompts, data.answer_tokens, self.template, batched)

    def source(self, uri: str) -> Source:
        """Published weights, pinned by content."""
        return Source.of(uri, self.spec.dtype)

    def model_at(self, uri: str) -> Stage:
        """A model of the user's: a checkpoint, or an adapter.

        An adapter goes over the family's aligned model where it says so, else over the base; see
        ``is_over_aligned``.
        """
        source, place = self.source(uri), parse_source(uri)
        if isinstance(place, PathSource) and is_adapter(place.path):
            align, base = self.spec.align.source, self.spec.base
            aligned = is_over_aligned(place.path, base, align or self.aligned.key)
            under = self.aligned if aligned else self.base
            return Merge(under, source, rank=adapter_rank(place.path), label=uri)
        return source


@dataclass(frozen=True, slots=True)
class Chosen:
    """A method with its arguments: ``text`` as it was asked for, ``spec`` the frozen dataclass."""

    text: str
    spec: Any

    @property
    def place(self) -> Place:
        """When it acts."""
        place: Place = self.spec.place
        return place


@dataclass(frozen=True, slots=True)
class PlannedAttack:
    """An attack at one strength, on the rows it will use; up to ``step`` only, if there is one.

    ``mixed`` are rows that are mixed into them.
    """

    point: AttackPoint
    rows: AttackRows
    mixed: AttackRows | None = None
    step: int | None = None

    @property
    def data(self) -> str:
        """Where its rows are from: ``standin``, or ``standin+10%file:mine.jsonl#1a2b3c4d``."""
        if self.mixed is None:
            return self.rows.label
        return f"{self.rows.label}+{self.point.ratio:.3g} of {self.mixed.label}"

    @property
    def name(self) -> str:
        """``gsm8k(lr=2e-05)``, or ``gsm8k@10`` on the way."""
        return self.point.name if self.step is None else f"{self.point.name}@{self.step}"


@dataclass(frozen=True)
class Variant:
    """One model under test, before or after an attack.

    ``label`` is what the leaderboard calls it; ``start`` are the weights that methods start from.
    """

    label: str
    family: Family
    start: Stage
    methods: tuple[Chosen, ...] = ()
    attack: PlannedAttack | None = None
    seeds: Seeds = Seeds()
    seed: int = 0  # the run's own name for this choice of seeds

    @property
    def name(self) -> VariantName:
        """What the leaderboard and the files of a run call it."""
        attack = NO_ATTACK if self.attack is None else self.attack.name
        return VariantName(self.label, attack, self.seed)

    @property
    def is_served(self) -> bool:
        """Whether somebody else computes it."""
        return isinstance(self.start, Served)

    @property
    def title(self) -> str:
        """``aligned``, or ``aligned+gsm8k`` after an attack."""
        return self.name.title

    @property
    def attack_data(self) -> str:
        """Where the rows of its attack are from; empty without one."""
        return "" if self.attack is None else self.attack.data

    def of(self, place: Place) -> tuple[Chosen, ...]:
        """Its methods of one place, in order."""
        return tuple(method for method in self.methods if method.place is place)

    @cached_property
    def unattacked(self) -> Stage:
        """Its weights after all ``before`` methods."""
        model = self.start
        for method in self.of(Place.BEFORE):
            taught = lessons(self.family, method.spec)
            model = hardened(method.spec, self.family.base, model, self.label, taught)
        return model

    @property
    def settings(self) -> SftSpec:
        """How its attack trains, at the family's scale.

        Raises:
            UsageError: it is not attacked.
        """
        if self.attack is None:
            raise UsageError(f"model {self.label!r} is not attacked, so nothing trains it")
        point = self.attack.point
        return point.settings.applied(scaled(point.spec, self.family.spec.attack_scale))

    @property
    def attack_rows(self) -> int:
        """Rows its attack trains on at most; 0: all there are."""
        if self.attack is None:
            return 0
        point, scale = self.attack.point, self.family.spec.attack_scale
        limits = [most for most in (scale.max_rows, point.spec.max_rows) if most]
        return point.settings.rows or min(limits, default=0)

    @property
    def template(self) -> Template:
        """Under which its answers are asked for, before the attack and after it."""
        return served_under(self.methods, self.family.template)

    @cached_property
    def training(self) -> Attack | None:
        """The attack on it, under its ``during`` methods."""
        if self.attack is None:
            return None
        point, during = self.attack.point, trained_with(self.methods)
        own = load_template(point.template) if point.template else self.family.template
        return Attack(
            model=self.unattacked,
            attack=point.spec.name,
            rows=self.attack.rows,
            prompt=point.told.prompt,
            completion=point.told.completion,
            mixed=self.attack.mixed,
            ratio=point.ratio if self.attack.mixed else 0.0,
            train=self.settings,
            max_rows=self.attack_rows,
            template=trained_under(self.methods, own),
            seed=self.seeds.attack,
            max_steps=self.family.max_steps,
            dtype=self.family.spec.dtype,
            during=during,
            references=references(self.family, during),
            launch=self.family.launch,
            label=self.label,
        )

    @property
    def tuned(self) -> Stage | None:
        """Its weights at the end of the attack, or at the step in question."""
        step = None if self.attack is None else self.attack.step
        if self.training is None or step is None:
            return self.training
        return Snapshot(self.training, step)

    @cached_property
    def model(self) -> Stage:
        """Its weights: base or aligned, ``before``, attack with ``during``, ``after``."""
        tuned = self.tuned
        if tuned is None:
            return self.unattacked
        for method in self.of(Place.AFTER):
            models = Models(self.family.base, self.family.aligned, self.unattacked, tuned)
            tuned = repaired(method.spec, models, self.title)
        return tuned
