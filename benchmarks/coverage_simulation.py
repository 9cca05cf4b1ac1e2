"""Simulate what the statistics promise: coverage, size, power.

Writes the tables of docs/simulations.md. Answers are drawn from a logistic model: each prompt has
a hardness that both models share (standard deviation tau on the logit scale) and one of each
model (tau/2); seeds are independent draws given the prompt. The true difference is that over the
population of prompts.

    python benchmarks/coverage_simulation.py --runs 2000 --out docs/simulations.md
"""

import argparse
import time
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from lox_bench.results.text_table import TextTable, markdown
from lox_bench.stats.mcnemar import mcnemar
from lox_bench.stats.paired import bootstrap, interval
from lox_bench.stats.pairs import Pairs
from lox_bench.stats.power import detectable

MARK = "<!-- tables -->"
ALPHA = 0.05
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(61)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True)
class World:
    """Two models on a population of prompts."""

    n: int
    seeds: int
    rate_a: float
    rate_b: float
    tau: float
    seed_sd: float = 0.0  # of a shift of each model's logits, anew for each seed


@lru_cache
def intercept(rate: float, sd: float) -> float:
    """The logit at which the mean rate over prompts is ``rate``."""
    return float(brentq(lambda x: _WEIGHTS @ expit(x + sd * _NODES) - rate, -40, 40))


def draw(world: World, rng: np.random.Generator) -> Pairs:
    """One run of both models."""
    own = world.tau / 2
    total = float(np.sqrt(world.tau**2 + own**2 + world.seed_sd**2))
    shared = rng.normal(0, world.tau, (world.n, 1))
    hits = []
    for rate in (world.rate_a, world.rate_b):
        logit = intercept(rate, total) + shared + rng.normal(0, own, (world.n, 1))
        logit = logit + rng.normal(0, world.seed_sd, world.seeds)
        hits.append(rng.random((world.n, world.seeds)) < expit(logit))
    a, b = hits
    return Pairs(
        only_b=(b & ~a).mean(axis=1),
        only_a=(a & ~b).mean(axis=1),
        both=(a & b).mean(axis=1),
        repeats=np.full(world.n, float(world.seeds)),
        seeds=world.seeds,
        by_seed=tuple((b.mean(axis=0) - a.mean(axis=0)).tolist()),
    )


def covers(found: tuple[float, float], truth: float) -> bool:
    """Whether an interval holds the truth, rounding apart."""
    return found[0] - 1e-9 <= truth <= found[1] + 1e-9


def percentile(pairs: Pairs, rng: np.random.Generator, resamples: int = 999) -> tuple[float, float]:
    """The plain percentile bootstrap over prompts, for comparison only."""
    values = pairs.differences
    means = values[rng.integers(0, pairs.n, (resamples, pairs.n))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def coverage(runs: int) -> TextTable:
    """Coverage of the 95 % score interval, and size of the test where the models are equal."""
    head = ("n", "seeds", "rates", "tau", "score", "width", "percentile", "p < 0.05")
    rates = ((0.02, 0.02), (0.1, 0.1), (0.5, 0.5), (0.1, 0.02), (0.6, 0.2))
    rows = []
    for n, seeds, (a, b), tau in product((40, 100, 300), (1, 3, 5), rates, (0.5, 2.0)):
        world, rng = World(n, seeds, a, b, tau), np.random.default_rng([n, seeds, int(100 * b)])
        held, plain, width, rejected = 0, 0, 0.0, 0
        for _ in range(runs):
            pairs = draw(world, rng)
            found = interval(pairs)
            held += covers(found, b - a)
            plain += covers(percentile(pairs, rng, 299), b - a)
            width += found[1] - found[0]
            rejected += mcnemar(pairs) < ALPHA
        size = f"{rejected / runs:.3f}" if a == b else "-"
        rows.append((f"{n}", f"{seeds}", f"{a} → {b}", f"{tau}", f"{held / runs:.3f}",
                     f"{width / runs:.3f}", f"{plain / runs:.3f}", size))  # fmt: skip
        report(rows[-1])
    return TextTable("Coverage of the paired 95 % interval", head, tuple(rows))


def bootstraps(runs: int) -> TextTable:
    """BCa as `compare --interval bootstrap` makes it, with fewer resamples, beside score."""
    head = ("n", "seeds", "rates", "score", "BCa", "percentile")
    rows = []
    for n, seeds, (a, b) in product((40, 100), (1, 3), ((0.02, 0.02), (0.1, 0.1), (0.6, 0.2))):
        world, rng = World(n, seeds, a, b, 2.0), np.random.default_rng([n, seeds, 7])
        held = np.zeros(3)
        for _ in range(runs):
            pairs = draw(world, rng)
            found = (interval(pairs), bootstrap(pairs, resamples=999), percentile(pairs, rng))
            held += [covers(item, b - a) for item in found]
        rows.append((f"{n}", f"{seeds}", f"{a} → {b}", *(f"{share:.3f}" for share in held / runs)))
        report(rows[-1])
    return TextTable("Score interval against cluster bootstraps (tau 2)", head, tuple(rows))


def new_seeds(runs: int) -> TextTable:
    """What the interval does not promise: other seeds."""
    head = ("n", "seeds", "rates", "SD of a rate over seeds", "coverage")
    rows = []
    for seeds, sd in product((1, 3, 5), (0.0, 0.2, 0.5)):
        world, rng = World(100, seeds, 0.4, 0.4, 1.0, sd), np.random.default_rng([seeds, 11])
        held = sum(covers(interval(draw(world, rng)), 0.0) for _ in range(runs))
        spread = rate_spread(world)
        rows.append(("100", f"{seeds}", "0.4 → 0.4", f"{spread:.3f}", f"{held / runs:.3f}"))
        report(rows[-1])
    return TextTable("Coverage where each seed shifts each model at random", head, tuple(rows))


def rate_spread(world: World) -> float:
    """Standard deviation over seeds of the mean rate of all prompts."""
    prompts = float(np.hypot(world.tau, world.tau / 2))
    centre = intercept(world.rate_a, float(np.hypot(prompts, world.seed_sd)))
    rates = expit(centre + prompts * _NODES[:, None] + world.seed_sd * _NODES).T @ _WEIGHTS
    return float(np.sqrt(_WEIGHTS @ (rates - _WEIGHTS @ rates) ** 2))


def power(runs: int) -> TextTable:
    """Rejections at the smallest detectable difference; 0.80 is promised."""
    head = ("n", "churn", "smallest detectable Δ", "found")
    rows = []
    for n, churn in product((50, 100, 300), (0.0, 0.05, 0.15)):
        delta, rng = detectable(n, churn), np.random.default_rng([n, int(100 * churn)])
        chances = (churn + delta, churn, 1 - 2 * churn - delta)
        found = 0
        for only_b, only_a, _ in rng.multinomial(n, chances, runs):
            signs = np.zeros((2, n))
            signs[0, :only_b], signs[1, only_b : only_b + only_a] = 1, 1
            found += mcnemar(Pairs(signs[0], signs[1], np.zeros(n), np.ones(n))) < ALPHA
        rows.append((f"{n}", f"{churn}", f"{delta:.3f}", f"{found / runs:.3f}"))
        report(rows[-1])
    return TextTable("Power at the smallest detectable difference", head, tuple(rows))


def report(row: tuple[str, ...]) -> None:
    """Show that it is alive."""
    print(time.strftime("%H:%M:%S"), *row, flush=True)


PARTS = {
    "coverage": coverage,
    "bootstrap": bootstraps,
    "seeds": new_seeds,
    "power": power,
}


def main() -> None:
    """Run the chosen parts; replace the tables of the file, keep its prose."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--parts", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--out", type=Path, default=Path("docs/simulations.md"))
    options = parser.parse_args()
    tables = "\n".join(markdown(PARTS[name](options.runs)) for name in options.parts)
    prose = options.out.read_text(encoding="utf-8").split(MARK)[0] if options.out.exists() else ""
    options.out.write_text(f"{prose}{MARK}\n\n{tables}", encoding="utf-8")


if __name__ == "__main__":
    main()
