"""A run in the making: its plan, what is missing, the page that is refreshed, and how it ends."""

import json
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from support.synthetic import synthetic_run

from lox_bench.engine.store import Store
from lox_bench.errors import DataError
from lox_bench.report.output import RunFolder
from lox_bench.report.progress import progress_of
from lox_bench.report.watch import Watch
from lox_bench.results.lock import HOLDER, is_written
from lox_bench.results.plan import PLAN, Plan, PlannedStage, load_plan, save_plan
from lox_bench.results.record import Claim, RunRecord, load_record, save_record
from lox_bench.results.run import Run
from lox_bench.study.request import Request
from lox_bench.study.study import Study, make_study
from lox_bench.types import Label, Verdict


def staged(at: int, *inputs: int, wanted: bool = False, told: bool = False) -> PlannedStage:
    return PlannedStage("toy", f"{at:020x}", f"stage {at}", "", 1.0, inputs, wanted, told)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("watch") / "run"
    return synthetic_run(folder, models="aligned,lox", seeds=(0,), limit=4)


@pytest.fixture(scope="module")
def study(finished: Run) -> Study:
    work = finished.path.parent / "run.work"
    rows = {"gsm8k": work / "rows.jsonl", "gsm8k/test": work / "rows.jsonl"}
    family = str(work / "family.toml")
    request = Request(models="aligned,lox", attack="gsm8k", family=family, data=rows, limit=4)
    return make_study(replace(request, judges="keyword-prefix,keyword-anywhere"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def test_a_run_keeps_its_plan_while_it_runs_and_a_finished_one_has_none(
    finished: Run, study: Study, tmp_path: Path
) -> None:
    assert not (finished.path / PLAN).exists()
    with RunFolder.claimed(tmp_path / "run", study):
        plan = load_plan(tmp_path / "run")
        assert is_written(tmp_path / "run")
    assert not is_written(tmp_path / "run")
    assert plan.key == study.key
    rows = [row for row in finished.rows if row.judge in finished.judges]
    told = {(r.model, r.attack, r.seed, r.task, r.judge, r.metric) for r in rows}
    assert {(r.model, r.attack, r.seed, r.task, r.judge, r.metric) for r in plan.rates} == told
    assert {plan.stages[rate.stage].kind for rate in plan.rates} == {"verdicts"}


def test_weights_that_nobody_needs_any_more_are_not_missing() -> None:
    plan = Plan("k", "", False, (staged(0), staged(1, 0, told=True), staged(2, 1, wanted=True)), ())
    missing = lambda whole, known: [x.title for x in plan.missing(whole, known)]  # noqa: E731
    no, yes = False, True
    assert missing([no, no, no], [no, no, no]) == ["stage 0", "stage 1", "stage 2"]
    assert missing([no, no, yes], [yes, yes, yes]) == []
    assert missing([yes, no, no], [yes, yes, no]) == ["stage 1", "stage 2"]


def test_rates_so_far_are_those_of_the_verdicts_in_the_store(
    study: Study, tmp_path: Path, store: Store
) -> None:
    with RunFolder.claimed(tmp_path / "run", study):
        plan = load_plan(tmp_path / "run")
    from lox_bench.study.measure import Stages

    (key, stage) = next(iter(Stages(study, study.variants[0]).verdicts.items()))
    labels = [Label.COMPLIED, Label.REFUSED, Label.UNJUDGED]
    said = [Verdict(f"p{at}", key[1], label, "", None) for at, label in enumerate(labels)]

    def work(out: Path) -> dict[str, int]:
        from lox_bench.codec import write_records
        from lox_bench.judges.verdicts import VERDICTS

        write_records(out / VERDICTS, said)
        return {}

    store.build(stage, work)
    found = progress_of(plan, store)
    ((planned, rate),) = found.rates
    assert (planned.task, planned.judge) == key
    assert (rate.hits, rate.n, rate.unjudged) == (1, 2, 1)
    assert found.rates_missing == len(plan.rates) - 1
    assert stage.title not in [item.title for item in found.missing]
    assert found.unforeseen > 0


def test_the_page_is_refreshed_until_the_run_has_finished(
    finished: Run, study: Study, tmp_path: Path, store: Store
) -> None:
    pages, lines = list[str](), list[str]()
    folder, file = tmp_path / "run", tmp_path / "page.html"
    record = load_record(finished.path)
    assert isinstance(record, RunRecord)
    with RunFolder.claimed(folder, study):

        def pause(_: float) -> None:
            pages.append(file.read_text())
            if len(pages) == 2:
                save_record(folder, record)

        Watch(folder, file, store, 5, lines.append, pause).until_done()
    assert len(pages) == 2
    for page in pages:
        assert "<title>Not finished: run</title>" in page
        assert "location.reload()" in page
        assert "loads nothing" not in page
    assert len(lines) == 1  # what has not changed is not said again
    assert lines[0].startswith("0 of ")


def test_whoever_ends_the_watch_leaves_a_page_that_says_so(
    study: Study, tmp_path: Path, store: Store
) -> None:
    file = tmp_path / "page.html"

    def pause(_: float) -> None:
        raise KeyboardInterrupt

    with RunFolder.claimed(tmp_path / "run", study):
        watch = Watch(tmp_path / "run", file, store, 5, lambda _: None, pause)
        with pytest.raises(KeyboardInterrupt):
            watch.until_done()
    page = file.read_text()
    assert "Nobody refreshes this page any more" in page
    assert "<script" not in page


@pytest.mark.parametrize("left", ["nothing", "a dead process"])
def test_a_run_that_stopped_unfinished_ends_the_watch_with_an_error(
    left: str, study: Study, tmp_path: Path, store: Store
) -> None:
    folder, file = tmp_path / "run", tmp_path / "page.html"
    with RunFolder.claimed(folder, study):
        pass
    if left != "nothing":
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        text = f"process {child} on {socket.gethostname()} since now"
        (folder / HOLDER).write_text(text)
    with pytest.raises(DataError, match="has not finished; run its command again"):
        Watch(folder, file, store, 5, lambda _: None).until_done()
    assert "The run stopped before its end" in file.read_text()


def test_a_writer_on_another_machine_is_believed(tmp_path: Path) -> None:
    (tmp_path / HOLDER).write_text("process 1 on another.machine since 2026-01-01")
    assert is_written(tmp_path)


def test_what_is_no_plan_is_refused_and_nothing_written(tmp_path: Path, store: Store) -> None:
    watch = Watch(tmp_path, tmp_path / "page.html", store, 5, lambda _: None)
    with pytest.raises(DataError):
        watch.until_done()
    save_record(tmp_path, Claim("k"))
    with pytest.raises(DataError, match="begun by an older lox-bench"):
        watch.until_done()
    save_plan(tmp_path, Plan("k", "", False, (staged(0, 7),), ()))
    with pytest.raises(DataError, match="names a stage that it does not hold"):
        watch.until_done()
    (tmp_path / PLAN).write_text(json.dumps({"key": "k"}))
    with pytest.raises(DataError):
        watch.until_done()
    assert not (tmp_path / "page.html").exists()
