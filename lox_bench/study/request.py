"""What a user asks, still as text: from flags, or from a study file in TOML."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lox_bench.errors import UsageError
from lox_bench.judges.choice import Elsewhere
from lox_bench.ranges import MOST, MOST_SEED

SPLITS = ("eval", "dev")
DTYPES = ("auto", "float32", "bfloat16", "float16")
MOST_SAMPLES = 1000
MOST_TEMPERATURE = 10.0


@dataclass(frozen=True, slots=True)
class Request:
    """A study of one family; see the help texts of ``lox-bench run`` for each field.

    ``seeds`` holds one pair (alignment, attack) a repetition.
    """

    models: str = "aligned,lox"
    attack: str = "gsm8k"
    family: str = "smollm2-135m"
    prompts: str = "harmful,lookalike"
    utility: str = ""
    judges: str = "keyword,offline"
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    seeds: tuple[tuple[int, int], ...] = ((0, 0),)
    limit: int | None = None
    max_steps: int | None = None
    split: str = "eval"
    data: Mapping[str, Path] = field(default_factory=dict)
    strict_data: bool = False
    attack_search: int | None = None
    accuracy_slack: float = 5.0
    eval_every: int | None = None
    accelerate: str = ""
    base: str = ""
    aligned: str = ""
    checkpointing: bool = False
    defence_search: int | None = None
    max_over_refusal: float = 10.0
    max_accuracy_loss: float = 5.0
    dtype: str = "auto"
    batch_size: int = 50
    backend: str = "hf"
    samples: int = 1
    temperature: float = 0.0

    @property
    def searches(self) -> tuple[tuple[str, int | None], ...]:
        """The options that ask for a search, and their trials."""
        return (("--attack-search", self.attack_search), ("--defence-search", self.defence_search))

    def check(self) -> None:
        """Refuse numbers that cannot be meant.

        Raises:
            UsageError: one is out of range.
        """
        for name, value in (
            ("--limit", self.limit),
            ("--max-steps", self.max_steps),
            *self.searches,
            ("--eval-every", self.eval_every),
            ("--batch-size", self.batch_size),
        ):
            if value is not None and not 1 <= value <= MOST:
                raise UsageError(f"{name} must be 1 to {MOST}, not {value}")
        if len(set(self.seeds)) != len(self.seeds) or not self.seeds:
            raise UsageError("--seeds wants distinct whole numbers, at least one")
        for seed in (seed for pair in self.seeds for seed in pair):
            if not 0 <= seed <= MOST_SEED:
                raise UsageError(f"a seed lies between 0 and {MOST_SEED}, not at {seed}")
        self._check_sampling()
        if self.split not in SPLITS:
            raise UsageError(f"--split must be one of {', '.join(SPLITS)}, not {self.split!r}")
        if self.dtype not in DTYPES:
            raise UsageError(f"--dtype must be one of {', '.join(DTYPES)}, not {self.dtype!r}")

    def _check_sampling(self) -> None:
        if not 1 <= self.samples <= MOST_SAMPLES:
            raise UsageError(f"--samples must be 1 to {MOST_SAMPLES}, not {self.samples}")
        if not 0 <= self.temperature <= MOST_TEMPERATURE:
            raise UsageError(
                f"--temperature must be 0 to {MOST_TEMPERATURE:g}, not {self.temperature:g}"
            )
        if self.samples > 1 and not self.temperature:
            raise UsageError(
                f"--samples {self.samples}: at temperature 0 all samples are one; give "
                "--temperature, for instance 1"
            )


def paired_seeds(align: tuple[int, ...], attack: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """One (alignment, attack) pair a repetition: lists of equal length, or one seed for all.

    Raises:
        UsageError: the lists do not fit together, or a pair is named twice.
    """
    if len(align) != len(attack) and 1 not in {len(align), len(attack)}:
        raise UsageError(
            f"--align-seeds names {len(align)} seeds and --attack-seeds {len(attack)}: as many of "
            "each are wanted, or one of either"
        )
    count = max(len(align), len(attack))
    aligns = align * count if len(align) == 1 else align
    attacks = attack * count if len(attack) == 1 else attack
    pairs = tuple(zip(aligns, attacks, strict=True))
    if len(set(pairs)) != len(pairs):
        raise UsageError(
            "--seeds wants distinct repetitions; of the pairs (alignment, attack) "
            f"{', '.join(map(str, pairs))} one comes twice"
        )
    return pairs


def shown_seeds(pairs: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    """What the column ``seed`` says of each repetition: the attack's seed where it tells apart."""
    attacks = tuple(attack for _, attack in pairs)
    if len(set(attacks)) == len(pairs):
        return attacks
    aligns = tuple(align for align, _ in pairs)
    return aligns if len(set(aligns)) == len(pairs) else tuple(range(len(pairs)))
