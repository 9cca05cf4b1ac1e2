"""`lox-bench cache` as a user meets it."""

import json
import os
import time
from pathlib import Path

import pytest
from support.run_folders import Command
from support.sample import RECORD, VARIANT
from support.toys import Dear, Toy, Weights, flip, make

from lox_bench.engine.store import Store
from lox_bench.results.record import StageRecord, save_record

TRAINED = Dear("trained")
ANSWERS = Toy("answers", (Weights("merged", (TRAINED,)),))
OTHER = Toy("other")


@pytest.fixture(name="store")
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    held = Store(tmp_path / "store")
    monkeypatch.setenv("LOX_BENCH_CACHE", str(held.root))
    make(held, ANSWERS, OTHER)
    (held.root / "requests").mkdir()
    (held.root / "requests" / "model.jsonl").write_text("paid for\n")
    return held


def rewrite(store: Store, stage: Toy, **changes: object) -> None:
    """Another time in a manifest, as an older lox-bench run would have written it."""
    from dataclasses import replace

    from lox_bench.engine.artifact import dump

    told = store.told(stage)
    assert told is not None
    (store.path_of(stage) / "manifest.json").write_text(dump(replace(told, **changes)))  # type: ignore[arg-type]


def test_size_says_how_much_of_what(store: Store, command: Command) -> None:
    (store.root / "tmp" / "toy-dead").mkdir()
    done = command("cache", "size")
    assert done.code == 0
    lines = {line.split()[0]: line.split() for line in done.out.splitlines() if line.strip()}
    assert lines["dear"][1:] == ["1", "5.2", "MB"]
    assert lines["weights"][1:3] == ["1", "1"]
    assert lines["toy"][1] == "2"
    assert "requests (replies of judges)" in done.out
    assert "(left by killed runs)" in done.out


@pytest.mark.usefixtures("store")
def test_list_is_complete_and_can_be_read_by_programs(command: Command) -> None:
    held = json.loads(command("cache", "list", "--json").out)
    assert {item["key"] for item in held} >= {TRAINED.key, ANSWERS.key, OTHER.key}
    (dear,) = json.loads(command("cache", "list", "--json", "--kind", "dear").out)
    assert (dear["key"], dear["freed"], dear["damaged"]) == (TRAINED.key, False, False)
    assert dear["bytes"] > 5e6
    shown = command("cache", "list", "--kind", "dear,weights").out
    assert TRAINED.key in shown
    assert ANSWERS.key not in shown
    assert "freed" in shown


def test_verify_names_what_is_damaged_and_drops_it(store: Store, command: Command) -> None:
    assert command("cache", "verify").code == 0
    flip(store.path_of(TRAINED) / "large")
    seen = command("cache", "verify", "--report-only")
    assert seen.code == 1
    assert f"dear/{TRAINED.key}: the content of large has changed" in seen.out
    assert (store.path_of(TRAINED) / "large").exists()
    assert command("cache", "verify").code == 1
    assert store.is_freed(TRAINED)
    last = command("cache", "verify")
    assert last.code == 0
    assert "4 artifacts read, 0 damaged" in last.out


def test_prune_deletes_nothing_unless_it_is_told_to(store: Store, command: Command) -> None:
    (store.root / "tmp" / "toy-dead").mkdir()
    shown = command("cache", "prune", "--kind", "dear")
    assert shown.code == 0
    assert f"dear/{TRAINED.key}" in shown.out
    assert "tmp/toy-dead" in shown.out
    assert "add --yes to delete" in shown.out
    assert store.find(TRAINED)
    assert (store.root / "tmp" / "toy-dead").exists()
    assert command("cache", "prune", "--kind", "dear", "--yes").code == 0
    assert not store.path_of(TRAINED).exists()
    assert not (store.root / "tmp" / "toy-dead").exists()
    assert store.find(ANSWERS)


def test_prune_without_a_condition_clears_leftovers_only(store: Store, command: Command) -> None:
    (store.root / "tmp" / "gone-toy-x-1").mkdir()
    assert "1 thing," in command("cache", "prune", "--yes").out
    assert all(store.path_of(stage).exists() for stage in (TRAINED, ANSWERS, OTHER))


def test_prune_by_age_and_kind_together(store: Store, command: Command) -> None:
    for stage in (TRAINED, OTHER):
        rewrite(store, stage, made="2026-01-01T00:00:00+00:00")
    shown = command("cache", "prune", "--older-than", "1d", "--kind", "toy", "--yes")
    assert f"toy/{OTHER.key}" in shown.out
    assert "1 thing," in shown.out
    assert store.path_of(TRAINED).exists()
    assert not store.path_of(OTHER).exists()
    assert store.find(ANSWERS)


def test_prune_keeps_what_runs_refer_to_and_what_that_rests_on(
    store: Store, command: Command, tmp_path: Path
) -> None:
    from dataclasses import replace

    runs = tmp_path / "runs"
    (runs / "one").mkdir(parents=True)
    stages = (StageRecord("toy", ANSWERS.key, 1.0, {}),)
    record = replace(RECORD, variants=(replace(VARIANT, stages=stages),))
    save_record(runs / "one", record)
    shown = command("cache", "prune", "--unreferenced", str(runs), "--yes")
    assert shown.out.splitlines()[0].startswith(f"toy/{OTHER.key}")
    assert "1 thing," in shown.out
    assert store.find(ANSWERS)
    assert store.find(TRAINED)

    made = {"key": TRAINED.key}
    save_record(runs / "one", replace(RECORD, variants=(replace(VARIANT, made=made),)))
    command("cache", "prune", "--unreferenced", str(runs), "--yes")
    assert not store.path_of(ANSWERS).exists()
    assert store.find(TRAINED)


def test_replies_that_were_paid_for_stay_unless_asked_for_by_name(
    store: Store, command: Command
) -> None:
    replies = store.root / "requests" / "model.jsonl"
    os.utime(replies, (time.time() - 9e6,) * 2)
    rewrite(store, OTHER, made="2026-01-01T00:00:00+00:00")
    assert "requests" not in command("cache", "prune", "--older-than", "1h", "--yes").out
    assert replies.exists()
    assert "requests/model.jsonl" in command("cache", "prune", "--kind", "requests").out
    assert replies.exists()
    young = command("cache", "prune", "--kind", "requests", "--older-than", "9999w", "--yes")
    assert "0 things" in young.out
    command("cache", "prune", "--kind", "requests", "--yes")
    assert not replies.exists()
    assert store.find(ANSWERS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--older-than", "30"], "--older-than 30: an age was wanted"),
        (["--older-than", "-3d"], "an age was wanted"),
        (["--kind", "atack"], "nothing called 'atack'; it holds dear, requests, toy, weights"),
        (["--unreferenced", "nowhere"], "--unreferenced nowhere: no such folder"),
        (["--unreferenced", "."], "there is no run in it"),
        (["--unreferenced", ".", "--kind", "requests"], "leave one of the two"),
    ],
)
def test_mistakes_are_one_line(
    store: Store,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    done = command("cache", "prune", *arguments, "--yes")
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
    assert len(list(store.folders())) == 4


def test_a_broken_record_stops_the_pruning(store: Store, command: Command, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "manifest.json").write_text("{")
    done = command("cache", "prune", "--unreferenced", str(tmp_path / "runs"), "--yes")
    assert done.code == 2
    assert "is no JSON" in done.err
    assert store.find(OTHER)


def test_what_judges_read_with_is_no_artifact_and_stays(store: Store, command: Command) -> None:
    encoder = store.root / "encoders" / "0123456789abcdef0123"
    encoder.mkdir(parents=True)
    (encoder / "model.bin").write_bytes(b"weights")
    done = command("cache", "verify", "--json")
    assert (done.code, json.loads(done.out)["damaged"]) == (0, [])
    command("cache", "prune", "--older-than", "0h", "--yes")
    assert (encoder / "model.bin").is_file()
    kinds = {
        item["kind"]: item for item in json.loads(command("cache", "size", "--json").out)["kinds"]
    }
    assert kinds["encoders"]["bytes"] == 7
