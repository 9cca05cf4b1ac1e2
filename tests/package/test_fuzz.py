"""Anything at all, given to any reader of files or replies: a value or one clear line, no more."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.sample import RECORD, ROW

from lox_bench.attacks.spec import AttackSpec
from lox_bench.codec import from_plain, parse, to_plain
from lox_bench.data.stage import parse_prompts
from lox_bench.errors import LoxBenchError
from lox_bench.grammar import parse_calls
from lox_bench.judges.defects import find_defect
from lox_bench.judges.opening import Words, refusal_in
from lox_bench.judges.parsers import PARSERS, read_reply
from lox_bench.judges.reasoning import without_reasoning
from lox_bench.results.record import RunRecord
from lox_bench.results.row import read_csv, to_csv
from lox_bench.sources.layout import weight_map
from lox_bench.sources.uri import parse_source
from lox_bench.strict_json import parse_json
from lox_bench.strict_toml import read_toml
from lox_bench.study.family import FamilySpec

pytestmark = pytest.mark.slow
MANY = settings(max_examples=400, deadline=5000, suppress_health_check=list(HealthCheck))

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
plain = st.recursive(
    scalars,
    lambda held: (
        st.lists(held, max_size=4) | st.dictionaries(st.text(max_size=8), held, max_size=4)
    ),
    max_leaves=12,
)


def total(read: Callable[[], Any]) -> None:
    """Call a reader; a LoxBenchError is as good as a value."""
    with suppress(LoxBenchError):
        read()


@st.composite
def mutated(draw: st.DrawFn, whole: Any) -> Any:
    """A valid document with something wrong at a place or two."""
    copy = json.loads(json.dumps(whole))
    for _ in range(draw(st.integers(1, 3))):
        place: Any = copy
        while isinstance(place, dict | list) and place:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = draw(st.sampled_from(keys))
            if not isinstance(place[key], dict | list) or draw(st.booleans()):
                place[key] = draw(plain)
                break
            place = place[key]
    return copy


@pytest.mark.fault(24, inputs=400)
@MANY
@given(mutated(to_plain(RECORD)))
def test_manifests(value: Any) -> None:
    total(lambda: from_plain(RunRecord, value, where="manifest.json"))


@pytest.mark.fault(28, inputs=400)
@MANY
@given(st.sampled_from([FamilySpec, AttackSpec]), plain)
def test_specs(cls: type, value: Any) -> None:
    if isinstance(value, dict):
        total(lambda: parse(cls, value, where="x.toml"))


@pytest.mark.fault(26, inputs=400)
@MANY
@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_json_and_rows(text: str) -> None:
    total(lambda: parse_json(text, where="x"))
    total(lambda: parse_prompts(text, "x.jsonl"))
    total(lambda: parse_calls(text))
    total(lambda: parse_source(text))


@pytest.mark.fault(24, inputs=400)
@MANY
@given(st.text(), st.integers(0, 2000), st.integers(0, 50))
def test_leaderboards(
    tmp_path_factory: pytest.TempPathFactory, text: str, at: int, cut: int
) -> None:
    file = tmp_path_factory.mktemp("fuzz") / "rows.csv"
    whole = to_csv([ROW, ROW])
    file.write_text(whole[:at] + text + whole[at + cut :], encoding="utf-8", errors="replace")
    total(lambda: read_csv(file))


@pytest.mark.fault(26, inputs=400)
@MANY
@given(st.binary(max_size=300))
def test_toml_and_indices(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    (folder / "x.toml").write_bytes(data)
    (folder / "model.safetensors.index.json").write_bytes(data)
    total(lambda: read_toml(folder / "x.toml"))
    total(lambda: weight_map(folder))


@pytest.mark.fault(14, inputs=400)
@MANY
@given(st.sampled_from(sorted(PARSERS)), st.text(), st.text(), st.booleans())
def test_replies_and_answers(parser: str, reply: str, answer: str, cut: bool) -> None:
    read_reply(PARSERS[parser], reply, answer, cut=cut)
    kept, reasoning = without_reasoning(reply)
    assert len(kept) + len(reasoning) <= len(reply) + 1
    find_defect(answer, reply)
    refusal_in(reply, Words(("i cannot", "no * way"), ("wait",)))
