"""What is diagnosed: two or three checkpoints, named as folders or as a family's recipes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lox_bench.backends.template import TOKENIZER_TEMPLATE, Template, load_template
from lox_bench.codec import hash_of, read_records, write_records
from lox_bench.data.rows import RowSet
from lox_bench.diagnostics.measures import Diagnosis, MatrixReport, Settings
from lox_bench.diagnostics.tables import csv_of
from lox_bench.engine.store import Store
from lox_bench.errors import UsageError
from lox_bench.files import write_text
from lox_bench.results.run import NO_ATTACK
from lox_bench.sources.identity import identify
from lox_bench.study.materialise import Display, Materialiser
from lox_bench.study.plan import Request, make_plan
from lox_bench.study.variants import Recipe, Source, key_of
from lox_bench.types import Progress

DIAGNOSE_VERSION = 2

REPORTS = "matrices.jsonl"
SPECTRA = "spectra.csv"


@dataclass(frozen=True, slots=True)
class Subject:
    """Recipes of base, aligned and perhaps fine-tuned model, and what making them takes."""

    title: str
    models: Mapping[str, Recipe]
    template: Template
    attack_data: Mapping[str, RowSet]


@dataclass(frozen=True, slots=True)
class Sigma:
    """One singular value; ``change`` is ``align`` (aligned - base) or ``ft``, ``index`` from 1."""

    tensor: str
    change: str
    index: int
    sigma: float


def subject_of_folders(base: str, aligned: str, finetuned: str | None) -> Subject:
    """Checkpoints by path, hub id or wheel."""
    uris = {"base": base, "aligned": aligned, **({"finetuned": finetuned} if finetuned else {})}
    models = {name: Source(uri, identify(uri), "bfloat16") for name, uri in uris.items()}
    title = Path(finetuned or aligned).name
    return Subject(title, models, load_template(TOKENIZER_TEMPLATE), {})


def subject_of_family(request: Request) -> Subject:
    """A family's base and aligned model for one seed, and the aligned one after an attack."""
    plan = make_plan(replace(request, models="base,aligned"))
    cells = {(cell.model, cell.attack): cell.recipe for cell in plan.cells}
    attacks = [attack for _, attack in cells if attack != NO_ATTACK]
    if len(set(attacks)) > 1:
        raise UsageError(
            f"--attack {request.attack!r} names several attacks; diagnose looks at one"
        )
    models = {name: cells[name, NO_ATTACK] for name in ("base", "aligned")}
    if attacks:
        models["finetuned"] = cells["aligned", attacks[0]]
    title = "-".join([plan.family.name, *attacks[:1], f"seed{request.seeds[0]}"])
    return Subject(title, models, load_template(plan.family.template), plan.attack_data)


def diagnose_subject(subject: Subject, settings: Settings, store: Store, display: Display) -> Path:
    """The artifact with every matrix's report and spectrum, built once per question."""
    maker = Materialiser(store, subject.template, subject.attack_data, display)
    folders = [maker.checkpoint(recipe, name) for name, recipe in subject.models.items()]

    def work(out: Path, progress: Progress) -> Mapping[str, Any]:
        from lox_bench.diagnostics.diagnose import diagnose

        found = list(diagnose(folders, settings, progress))
        write_records(out / REPORTS, [item.report for item in found])
        write_text(out / SPECTRA, csv_of(Sigma, _sigmas(found)))
        return {"matrices": len(found)}

    return maker.build("diagnose", question(subject, settings), "measure the weights", work)


def question(subject: Subject, settings: Settings) -> Mapping[str, Any]:
    """Everything the answer depends on, as plain data."""
    return {
        "stage": "diagnose",
        "version": DIAGNOSE_VERSION,
        "models": {name: key_of(recipe) for name, recipe in subject.models.items()},
        **asdict(settings),
    }


def question_key(subject: Subject, settings: Settings) -> str:
    """Key of the artifact that holds the answer."""
    return hash_of(question(subject, settings))


def read_reports(artifact: Path) -> list[MatrixReport]:
    """What ``diagnose_subject`` measured."""
    return read_records(artifact / REPORTS, MatrixReport)


def _sigmas(found: Sequence[Diagnosis]) -> list[Sigma]:
    return [
        Sigma(item.report.tensor, change, index, value)
        for item in found
        for change, values in item.spectra.items()
        for index, value in enumerate(values, start=1)
    ]
