"""The means of a diagnosis for the terminal."""

from collections.abc import Sequence

from lox_bench.diagnostics.summary import LINEAR, Mean
from lox_bench.results.text_table import TextTable

_SAID = {
    "r_align": "R_align: ||P_k dW|| / ||dW||",
    "r_ft": "R_ft: the same after fine-tuning",
    "r_ratio": "R_ft / R_align",
    "energy_k": "energy in the top k",
    "stable_rank": "stable rank ||dW||_F^2 / s_1^2",
    "participation_ratio": "participation ratio",
    "entropy_rank": "effective rank exp(entropy)",
    "rank_90": "directions for 90 % of the energy",
    "relative_delta": "||dW|| / ||W||",
    "relative_step": "||LoX step|| / ||W||",
    "cosine": "cosine of dW and fine-tuning",
    "overlap_left": "top-k overlap, output side",
    "overlap_right": "top-k overlap, input side",
    "overlap_chance": "top-k overlap by chance, output",
    "bf16_unchanged": "entries that bfloat16 rounds back",
}


def diagnosis_table(means: Sequence[Mean], title: str) -> TextTable:
    """Means over the linear layers, with spread, extremes and n."""
    rows = tuple(
        (_SAID.get(mean.measure, mean.measure), *_numbers(mean))
        for mean in means
        if mean.group == LINEAR
    )
    note = "over the linear layers of the blocks; dW = aligned - base"
    return TextTable(title, ("measure", "mean", "sd", "lowest", "highest", "n"), rows, note,
                     numbers=1)  # fmt: skip


def _numbers(mean: Mean) -> tuple[str, ...]:
    shown = (mean.mean, mean.sd, mean.lowest, mean.highest)
    return (*(f"{number:.4g}" for number in shown), str(mean.n))
