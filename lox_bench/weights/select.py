"""Which tensors of a model are hardened, and to which rank: settings and name patterns. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from lox_bench.errors import UsageError, did_you_mean
from lox_bench.weights.ranks import Rank, parse_rank

_MOST_ALPHA = 100.0
MATRIX_DIMS = 2  # fewer (norms, biases) are never extrapolated
DTYPES = ("bfloat16", "float16", "float32")
PRECISIONS = ("float32", "float64")


@dataclass(frozen=True, slots=True)
class Settings:
    """How to harden a checkpoint.

    ``rank`` is for every matrix that no pattern of ``overrides`` matches; of several that match,
    the last counts. Patterns are shell-style globs on tensor names. ``dtype`` is the type of the
    result (``None``: each tensor keeps its own), ``precision`` that of the arithmetic.
    """

    rank: Rank
    alpha: float
    overrides: tuple[tuple[str, Rank], ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    dtype: str | None = None
    precision: str = "float32"
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Refuse what cannot mean anything.

        Raises:
            UsageError: a value is out of range.
        """
        if isinstance(self.rank, int) and self.rank < 1:
            raise UsageError(f"k must be at least 1, not {self.rank}")
        if not abs(self.alpha) <= _MOST_ALPHA:
            raise UsageError(f"alpha must lie within {_MOST_ALPHA} of zero, not at {self.alpha}")
        for name, value, known in (
            ("dtype", self.dtype or DTYPES[0], DTYPES),
            ("precision", self.precision, PRECISIONS),
        ):
            if value not in known:
                raise UsageError(f"{name} must be one of {', '.join(known)}, not {value!r}")


def parse_ranks(texts: Collection[str], default: Rank) -> tuple[Rank, tuple[tuple[str, Rank], ...]]:
    """Read ``--k`` options: ``RANK`` for all matrices, ``PATTERN=RANK`` for those it matches.

    Raises:
        UsageError: a rank has no meaning, or two are given for all matrices.
    """
    general: list[Rank] = []
    overrides: list[tuple[str, Rank]] = []
    for text in texts:
        pattern, equals, rank = text.rpartition("=")
        if equals:
            overrides.append((pattern, parse_rank(rank)))
        else:
            general.append(parse_rank(text))
    if len(general) > 1:
        raise UsageError("k is given twice for all tensors; write PATTERN=K for some of them")
    return (general[0] if general else default), tuple(overrides)


def choose(settings: Settings, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Rank]:
    """The rank of every tensor that is to be hardened; the others keep their aligned values.

    Args:
        settings: whose patterns and ranks decide.
        shapes: of all tensors that could be, by name; those of fewer than two dimensions stay.

    Raises:
        UsageError: a pattern matches no matrix, or nothing is left to harden.
    """
    matrices = [name for name, shape in shapes.items() if len(shape) >= MATRIX_DIMS]
    ranked = [pattern for pattern, _ in settings.overrides]
    for pattern in (*settings.include, *settings.exclude, *ranked):
        if not any(fnmatchcase(name, pattern) for name in matrices):
            raise UsageError(
                f"the pattern {pattern!r} matches none of the {len(matrices)} matrices, such as "
                f"{', '.join(matrices[:2])}{did_you_mean(pattern, matrices)}"
            )
    chosen = {
        name: _rank_of(name, settings)
        for name in matrices
        if (not settings.include or _matches(name, settings.include))
        and not _matches(name, settings.exclude)
    }
    if not chosen:
        raise UsageError("include and exclude patterns leave no matrix to harden")
    return chosen


def require_ranks(ranks: Mapping[str, Rank], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse a rank that no matrix has; one that only the smaller ones lack is all of theirs.

    Raises:
        UsageError: there is one.
    """
    widest = max(min(shapes[name][-MATRIX_DIMS:]) for name in ranks)
    for rank in ranks.values():
        if isinstance(rank, int) and rank > widest:
            raise UsageError(
                f"k = {rank}, but no matrix has more than {widest} directions; write k=full if "
                "all of them are meant"
            )


def _matches(name: str, patterns: Collection[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _rank_of(name: str, settings: Settings) -> Rank:
    fitting = [rank for pattern, rank in settings.overrides if fnmatchcase(name, pattern)]
    return fitting[-1] if fitting else settings.rank
