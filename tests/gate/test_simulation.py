"""The gate's error rates, by simulation through its own code."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from lox_bench.gate.check import Outcome

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gate_simulation.py"


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gate_simulation", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_an_honest_rerun_by_one_seed_is_seldom_called_regressed(simulation: ModuleType) -> None:
    assert simulation.simulate(0.0, 1, 30)[Outcome.REGRESSED] <= 0.1


def test_a_large_harm_is_found(simulation: ModuleType) -> None:
    assert simulation.simulate(0.4, 3, 10)[Outcome.REGRESSED] >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_false_alarms_stay_below_one_in_twenty(simulation: ModuleType, seeds: int) -> None:
    assert simulation.simulate(0.0, seeds, 300)[Outcome.REGRESSED] <= 0.05
