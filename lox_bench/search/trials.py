"""Optuna's TPE as a search that can be killed: studies in a file of the run's folder.

Each trial's sampler is seeded by the number of trials before it, so a killed search goes on with
the trials it would have made; what they train and answer are stages of the store like any other.

TPE: Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from lox_bench.types import Progress

STARTUP_TRIALS: Final = 5  # random ones, the start first, before TPE models


@dataclass(frozen=True, slots=True)
class Dimension:
    """One number that is looked for; both ends are tried."""

    low: float
    high: float
    whole: bool
    log: bool

    def distribution(self) -> Any:
        """As Optuna has it."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)


@dataclass(frozen=True, slots=True)
class Listed:
    """One of some values, which have no order."""

    values: tuple[float | str, ...]

    def distribution(self) -> Any:
        """As Optuna has it."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)


@dataclass(frozen=True, slots=True)
class Told:
    """What a trial showed.

    ``excess`` says by how much it breaks each constraint, at most 0 where it keeps it; ``facts`` go
    into the study as they are; ``shown`` is for the eye.
    """

    value: float
    excess: Mapping[str, float]
    facts: Mapping[str, Any]
    shown: str


Params = Mapping[str, Any]  # numbers, or the values of a list
Earlier = Sequence[Mapping[str, Any]]  # the facts of all trials before, in order
Attempt = Callable[[Params, Earlier], Told]


@dataclass(frozen=True, slots=True)
class Trials:
    """One study; ``start`` is its first trial, if there is one."""

    file: Path
    name: str
    space: Mapping[str, Dimension | Listed]
    start: Params
    trials: int
    seed: int
    direction: Literal["maximize", "minimize"]

    def run(self, attempt: Attempt, progress: Progress) -> list[Params]:
        """Complete the study, going on where an earlier process stopped; its points in order."""
        with _database(self.file) as storage:
            study, shown = self._open(storage), ""
            while len(done := _completed(study)) < self.trials:
                progress.step(len(done), self.trials, shown)
                study.sampler = self._sampler(len(done))
                shown = self._next(study, done, attempt)
            progress.step(self.trials, self.trials, shown)
        return [trial.params for trial in done[: self.trials]]

    def _next(self, study: Any, done: Sequence[Any], attempt: Attempt) -> str:
        trial = study.ask({name: held.distribution() for name, held in self.space.items()})
        told = attempt(trial.params, [earlier.user_attrs for earlier in done])
        for name, value in told.facts.items():
            trial.set_user_attr(name, value)
        for name, value in told.excess.items():
            trial.set_constraint(name, value)
        study.tell(trial, told.value)
        return told.shown

    def _open(self, storage: Any) -> Any:
        """The study, the trial of a killed process closed, the start in the queue."""
        import optuna

        study = optuna.create_study(
            storage=storage,
            study_name=self.name,
            direction=self.direction,
            load_if_exists=True,
        )
        states = optuna.trial.TrialState
        for stale in study.get_trials(states=[states.RUNNING]):
            study.tell(stale.number, state=states.FAIL)
        fresh = not study.get_trials(states=[states.COMPLETE, states.WAITING])
        if fresh and self.start:
            study.enqueue_trial(dict(self.start))
        return study

    def _sampler(self, number: int) -> Any:
        """TPE seeded for trial ``number``, so that it proposes the same in any process."""
        from optuna.samplers import TPESampler

        digest = hashlib.sha256(f"{self.name} {self.seed} {number}".encode()).digest()
        return TPESampler(seed=int.from_bytes(digest[:4]), n_startup_trials=STARTUP_TRIALS)


@contextmanager
def _database(file: Path) -> Iterator[Any]:
    """The file as optuna's storage, closed at the end: optuna itself leaves that to chance."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(f"sqlite:///{file}")
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _completed(study: Any) -> list[Any]:
    from optuna.trial import TrialState

    return list(study.get_trials(deepcopy=False, states=[TrialState.COMPLETE]))
