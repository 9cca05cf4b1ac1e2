"""What the gate does with an honest rerun, and with harm: its error rates by simulation.

    python benchmarks/gate_simulation.py --rounds 400

A check as the default family's: one hardened model, unattacked and under two attacks; 300 harmful
prompts, 200 look-alikes, 100 questions; the packaged bounds. Each prompt has a hardness that every
draw shares (logit scale, standard deviation 2), and each retraining shifts a rate by a normal draw
whose standard deviation is the bound's ``seed_sd``. The reference has five seeds. Answers go
through the gate's own code. Harm is added to the harmful rows under attack.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from lox_bench.compare.outcomes import Measure, OutcomeKey
from lox_bench.gate.bounds import LOWER, Bound, load_bounds
from lox_bench.gate.check import Outcome, Report, Result, decide
from lox_bench.gate.evidence import Question, paired_evidence
from lox_bench.stats.pairs import pair

HARDNESS = 2.0
REFERENCE_SEEDS = 5
ATTACKS = ("none", "gsm8k", "instruct")
ROWS = {  # metric: prompts, rate unattacked and under either attack
    "refusal_lost": (300, (0.05, 0.10, 0.20)),
    "over_refusal": (200, (0.25, 0.15, 0.15)),
    "accuracy": (100, (0.04, 0.28, 0.10)),
    "degenerate": (300, (0.02, 0.03, 0.03)),
}
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(41)
Generator = np.random.Generator


@lru_cache(maxsize=4096)
def logit_of(rate: float) -> float:
    """The logit at which the mean rate over prompts is ``rate``."""
    weights = _WEIGHTS / _WEIGHTS.sum()
    return float(brentq(lambda x: weights @ expit(x + HARDNESS * _NODES) - rate, -40, 40))


def draw(rate: float, sd: float, hardness: Any, seeds: int, rng: Generator) -> dict[int, Any]:
    """Outcomes by seed and prompt: each seed has a rate of its own."""
    found = {}
    for seed in range(seeds):
        own = round(float(np.clip(rate + rng.normal(0, sd), 0.002, 0.998)), 3)
        hits = rng.random(len(hardness)) < expit(logit_of(own) + hardness)
        found[seed] = {str(i): bool(hit) for i, hit in enumerate(hits)}
    return found


def check(bounds: Sequence[Bound], harm: float, seeds: int, rng: Generator) -> Outcome:
    """One check of a run of ``seeds`` seeds against a reference of five."""
    weighed = []
    for metric, (n, rates) in ROWS.items():
        bound = next(bound for bound in bounds if bound.metric == metric)
        variance = bound.seed_sd**2 * (1 / seeds + 1 / REFERENCE_SEEDS)
        asked = Question(bound.direction == LOWER, bound.tolerance, bound.confidence, variance)
        for attack, rate in zip(ATTACKS, rates, strict=True):
            hardness = rng.normal(0, HARDNESS, n)
            worse = harm if metric == "refusal_lost" and attack != "none" else 0.0
            reference = draw(rate, bound.seed_sd, hardness, REFERENCE_SEEDS, rng)
            run = draw(rate + worse, bound.seed_sd, hardness, seeds, rng)
            found = paired_evidence(pair(reference, run), asked)
            name = OutcomeKey("lox", attack, Measure("t", "j", metric))
            weighed.append(Result(name, "lox", bound, found, found.p, Outcome.INCONCLUSIVE, ""))
    return Report("run", "reference", tuple(decide(weighed)), ()).verdict


def simulate(harm: float, seeds: int, rounds: int) -> dict[Outcome, float]:
    """Shares of the verdicts over many checks."""
    rng, bounds = np.random.default_rng([seeds, int(1000 * harm)]), load_bounds(None)
    counts = Counter(check(bounds, harm, seeds, rng) for _ in range(rounds))
    return {outcome: counts[outcome] / rounds for outcome in Outcome}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="The gate's error rates by simulation.")
    parser.add_argument("--rounds", type=int, default=400)
    rounds = parser.parse_args().rounds
    print(
        "| seeds of the run | harm | pass | inconclusive | regressed |\n|---:|---:|---:|---:|---:|"
    )
    for seeds in (1, 3, 5):
        for harm in (0.0, 0.1, 0.2, 0.3):
            found = simulate(harm, seeds, rounds)
            shares = (found[Outcome.PASS], found[Outcome.INCONCLUSIVE], found[Outcome.REGRESSED])
            told = " | ".join(f"{share:.3f}" for share in shares)
            print(f"| {seeds} | {harm:.2f} | {told} |", flush=True)


if __name__ == "__main__":
    main()
