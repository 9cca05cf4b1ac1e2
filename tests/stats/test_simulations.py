"""What docs/simulations.md reports, held to: coverage and size."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from lox_bench.stats.mcnemar import mcnemar
from lox_bench.stats.paired import interval

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "coverage_simulation.py"
RUNS = 2000
WORLDS = [  # n, seeds, rate a, rate b, tau: enough discordant prompts for the nominal coverage
    (40, 1, 0.5, 0.5, 0.5),
    (40, 3, 0.6, 0.2, 2.0),
    (100, 1, 0.1, 0.1, 2.0),
    (100, 1, 0.6, 0.2, 0.5),
    (100, 3, 0.5, 0.5, 2.0),
    (100, 3, 0.1, 0.02, 0.5),
    (100, 5, 0.1, 0.1, 2.0),
    (300, 1, 0.1, 0.02, 2.0),
    (300, 3, 0.1, 0.02, 2.0),
    (300, 5, 0.5, 0.5, 0.5),
]


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("coverage_simulation", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_the_95_percent_interval_covers_in_93_to_97_percent(
    simulation: ModuleType, world: tuple
) -> None:
    rng, held, rejected = np.random.default_rng(1), 0, 0
    drawn_from = simulation.World(*world)
    for _ in range(RUNS):
        pairs = simulation.draw(drawn_from, rng)
        held += simulation.covers(interval(pairs), world[3] - world[2])
        rejected += mcnemar(pairs) < 0.05
    assert 0.93 <= held / RUNS <= 0.97
    if world[2] == world[3]:
        assert rejected / RUNS < 0.06
