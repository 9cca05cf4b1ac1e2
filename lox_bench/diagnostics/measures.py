"""What is measured on one weight matrix, and what the measuring is told. Plain records."""

from dataclasses import dataclass

AUTO, FULL, TOP = "auto", "full", "top"
SPECTRA = (AUTO, FULL, TOP)
AFFORDABLE = 3e10  # multiplications of a whole spectrum, roughly: seconds on two cores

ALIGN, FT = "align", "ft"


@dataclass(frozen=True, slots=True)
class Settings:
    """``spectrum``: ``full``, ``top``, or ``auto`` (full where it takes seconds)."""

    k: int
    alpha: float
    spectrum: str = "auto"
    top: int = 64

    def whole(self, rows: int, columns: int) -> bool:
        """Whether to take all singular values of a matrix of this shape."""
        if self.spectrum == AUTO:
            small, large = sorted((rows, columns))
            return float(small) ** 2 * (large + 4 * small) <= AFFORDABLE
        return self.spectrum == FULL


@dataclass(frozen=True, slots=True)
class MatrixReport:
    """What was measured on one matrix; ``None``: it needs a fine-tuned model or a whole spectrum.

    ``delta`` is aligned - base, ``ft`` is fine-tuned - aligned; norms are Frobenius's. Overlaps
    compare the top-k subspaces of the two on the output side (left) and the input side (right);
    ``cosine`` is that of the two changes themselves, negative where fine-tuning undoes alignment.
    """

    tensor: str
    layer: int | None
    projection: str
    rows: int
    columns: int
    spectrum: str
    norm_aligned: float
    norm_delta: float
    relative_delta: float
    sigma_1: float
    energy_k: float
    stable_rank: float
    participation_ratio: float | None
    entropy_rank: float | None
    rank_90: int | None
    relative_step: float
    bf16_unchanged: float
    r_align: float
    r_ft: float | None = None
    r_ratio: float | None = None
    norm_ft: float | None = None
    cosine: float | None = None
    overlap_left: float | None = None
    overlap_right: float | None = None
    overlap_chance: float | None = None
    angle_smallest: float | None = None
    angle_largest: float | None = None

    @property
    def is_linear(self) -> bool:
        """Whether it is a linear layer of a block, as the paper's means take them."""
        return self.layer is not None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One matrix's report and the singular values it rests on."""

    report: MatrixReport
    spectra: dict[str, list[float]]  # "align", "ft" -> descending
