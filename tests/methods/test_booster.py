"""The worked example of a method of one's own: Booster, on harmless stand-in rows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from support.losses import agree, job, started, step_of
from support.pico import FAMILY

from lox_bench.attacks.terms import begun, cross_entropy
from lox_bench.data.stage import Rows
from lox_bench.errors import DataError
from lox_bench.pyfile import load_file
from lox_bench.study.request import Request
from lox_bench.study.study import make_study
from lox_bench.testing import check_method

EXAMPLE = Path(__file__).parents[2] / "examples" / "booster.py"
PAGE = Path(__file__).parents[2] / "docs" / "booster.md"
STAND_IN = [{"prompt": f"Say {i}.", "completion": f"Well, {i} it is."} for i in range(2)]


@pytest.fixture(scope="module")
def booster() -> Any:
    return load_file(EXAMPLE)


def test_the_gradient_is_the_papers(pico: Path, booster: Any) -> None:
    objective = booster.Attenuated(5.0, 0.1, Rows.of("", STAND_IN))
    start = started(job(pico, objective=objective))
    part = begun(start)
    assert part is not None
    model = start.model
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    found = part(step_of(start))
    assert all(torch.equal(before[name], held) for name, held in model.state_dict().items())

    inputs = start.batch(start.tokenise([tuple(row.values()) for row in STAND_IN]))

    def slopes(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        leaves = {n: w.detach().clone().requires_grad_() for n, w in weights.items()}
        loss = torch.func.functional_call(model, leaves, kwargs=inputs).loss
        return dict(zip(leaves, torch.autograd.grad(loss, [*leaves.values()]), strict=True))

    weights = dict(model.named_parameters())
    here = slopes(weights)
    norm = sum((g**2).sum() for g in here.values()) ** 0.5
    there = slopes({n: w - 0.1 * here[n] / norm for n, w in weights.items()})
    plain = cross_entropy(step_of(start))
    wanted = plain + 5.0 * sum(
        ((here[n] - there[n]) * (w - w.detach())).sum() for n, w in weights.items()
    )
    assert max((here[n] - there[n]).abs().max() for n in weights) > 1e-3
    agree(start, found, wanted, rtol=1e-3)


def test_it_conforms_and_is_a_stage_that_knows_the_files_content(
    booster: Any, pico: Path, tmp_path: Path
) -> None:
    import json

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "h.jsonl").write_text("\n".join(json.dumps(row) for row in STAND_IN))
    check_method(booster.Booster, f"file={tmp_path}/a/h.jsonl,lambda=2")
    (tmp_path / "pico.toml").write_text(FAMILY.format(base=pico))

    def key(models: str) -> str:
        request = Request(
            judges="keyword-prefix", family=str(tmp_path / "pico.toml"), attack="none",
            models=models,
        )  # fmt: skip
        return make_study(request).variants[0].model.key

    one = key(f"{EXAMPLE}:Booster(file={tmp_path}/a/h.jsonl)")
    assert key(f"{EXAMPLE}:Booster(file={tmp_path}/b/h.jsonl)") == one
    assert key(f"{EXAMPLE}:Booster(file={tmp_path}/a/h.jsonl,lambda=1)") != one
    (tmp_path / "b" / "h.jsonl").write_text(json.dumps(STAND_IN[0]))
    assert key(f"{EXAMPLE}:Booster(file={tmp_path}/b/h.jsonl)") != one
    with pytest.raises(DataError, match=r"none\.jsonl"):
        key(f"{EXAMPLE}:Booster(file={tmp_path}/none.jsonl)")


def test_the_page_quotes_the_example() -> None:
    text, source = PAGE.read_text(), EXAMPLE.read_text()
    blocks = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    assert blocks
    assert all(block in source for block in blocks)
