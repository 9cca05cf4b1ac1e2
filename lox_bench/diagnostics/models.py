"""What is diagnosed: two or three checkpoints, named as folders or as a family's variants."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lox_bench.attacks.stage import AttackRows
from lox_bench.codec import read_records
from lox_bench.diagnostics.measures import MatrixReport, Settings
from lox_bench.diagnostics.stage import REPORTS, Diagnose
from lox_bench.engine.stage import Stage
from lox_bench.errors import UsageError
from lox_bench.sources.stage import Source
from lox_bench.study.request import Request
from lox_bench.study.study import make_study


@dataclass(frozen=True, slots=True)
class Models:
    """Base, aligned and perhaps fine-tuned model, by those names."""

    title: str
    models: Mapping[str, Stage]
    attack_data: Mapping[str, AttackRows] = field(default_factory=dict)

    def question(self, settings: Settings) -> Diagnose:
        """The stage that measures them."""
        return Diagnose(tuple(self.models.values()), settings)


def models_of_folders(base: str, aligned: str, finetuned: str | None) -> Models:
    """Checkpoints by path, hub id or wheel."""
    uris = {"base": base, "aligned": aligned, **({"finetuned": finetuned} if finetuned else {})}
    models = {name: Source.of(uri, "bfloat16") for name, uri in uris.items()}
    return Models(Path(finetuned or aligned).name, models)


def models_of_family(request: Request) -> Models:
    """A family's base and aligned model for one seed, and the aligned one after an attack."""
    study = make_study(replace(request, models="base,aligned"))
    attacked = [variant for variant in study.variants if variant.attack is not None]
    names = list(dict.fromkeys(variant.name.attack for variant in attacked))
    if len(names) > 1:
        raise UsageError(
            f"--attack {request.attack!r} names several attacks; diagnose looks at one"
        )
    models = {item.label: item.model for item in study.variants if item.attack is None}
    if attacked:
        models["finetuned"] = next(v.model for v in attacked if v.label == "aligned")
    title = "-".join([study.family.name, *names, f"seed{study.variants[0].seed}"])
    return Models(title, models, study.attack_data)


def read_reports(artifact: Path) -> list[MatrixReport]:
    """What a ``Diagnose`` stage measured."""
    return read_records(artifact / REPORTS, MatrixReport)
