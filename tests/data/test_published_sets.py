"""Published prompt sets: pinned, counted, read as their files are; or one line says why not."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lox_bench.data import published
from lox_bench.data.prompts import load_task, load_tasks, prompts_of
from lox_bench.data.published import PublishedSet, published_prompts
from lox_bench.errors import DataError, SourceError, SpecError, UnknownNameError
from lox_bench.names import Name
from lox_bench.registry import Kind, entries, packaged_file
from lox_bench.sources import members
from lox_bench.sources.uri import WebSource, parse_pinned

SETS = [
    spec for entry in entries(Kind.TASKS) if (spec := load_task(entry.full)).published is not None
]


def made(**changes: Any) -> PublishedSet:
    known = {"form": "csv", "rows": 2, "licence": "l", "citation": "c", "page": "https://p",
             "column": "goal"}  # fmt: skip
    return PublishedSet(**{**known, **changes})


@pytest.mark.parametrize("spec", SETS, ids=lambda spec: spec.name)
def test_every_set_says_what_it_is_and_where_it_is(spec: Any) -> None:
    held = spec.published
    assert held.page.startswith("https://")
    assert held.licence
    assert "arXiv" in held.citation
    assert bool(held.files) != bool(held.gated)
    assert all(parse_pinned(uri).sha256 for uri in held.files)
    assert (spec.metric, spec.counts) in {("asr", "complied"), ("over_refusal", "refused")}


TRAPS = [
    ("csv", "Index,Goal,Behavior\n1,Do x,l\n2,Do y,l\n", {}, ["Do x", "Do y"]),
    ("csv", 'goal\n"two\nlines"\nplain\n', {}, ["two\nlines", "plain"]),
    ("csv", "\ufeffgoal\na\nb\n", {}, ["a", "b"]),
    ("csv", "goal,label\na,safe\nb,unsafe\nc,safe\n", {"where": "label", "among": ("safe",)},
     ["a", "c"]),
    ("lines", "a\n\nb", {}, ["a", "b"]),
    ("jsonl", '{"goal": "a"}\n{"goal": "b"}\n', {}, ["a", "b"]),
    ("values", "seeds:\n- value: a\n- value: >\n    b\n", {}, ["a", "b"]),
    ("csv", "goal,hazard\na,cse\nb,hte\nc,Child abuse\n", {"rows": 3, "hazard_column": "hazard"},
     ["b"]),
    ("csv", "goal\na\nb\n", {"first": 1}, ["a"]),
    ("nested", '{"Theft": {"x": ["a"], "y": []}, "Child Abuse": {"x": ["b"]}}', {}, ["a"]),
    ("jsonl", '{"turns": ["a"], "style": "base"}\n{"turns": ["b"], "style": "slang"}\n',
     {"column": "turns", "where": "style", "among": ("base",), "rows": 1}, ["a"]),
    ("lines", "a\nb\nc", {"rows": 0}, ["a", "b", "c"]),
]  # fmt: skip


@pytest.mark.parametrize(("form", "text", "changes", "wanted"), TRAPS)
def test_each_form_is_read_with_its_traps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, text: str, changes: Any, wanted: Any
) -> None:
    monkeypatch.setenv("LOX_BENCH_CACHE", str(tmp_path))
    digest = hashlib.sha256(text.encode()).hexdigest()
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / digest).write_bytes(text.encode())
    held = made(form=form, files=(f"https://x/y#sha256={digest}",), **changes)
    prompts = published_prompts(Name("x"), held, None).prompts
    assert [prompt.text for prompt in prompts] == wanted
    assert len({prompt.id for prompt in prompts}) == len(wanted)


@pytest.mark.parametrize(
    ("text", "said"),
    [("goal\na\n", "1 prompts, 2 were expected"), ("target\na\nb\n", "no text under 'goal'"),
     ("goal\n\n \n", "0 prompts|no text")],
)  # fmt: skip
def test_a_file_that_is_not_what_was_published_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.setenv("LOX_BENCH_CACHE", str(tmp_path))
    digest = hashlib.sha256(text.encode()).hexdigest()
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / digest).write_bytes(text.encode())
    with pytest.raises(DataError, match=said):
        published_prompts(Name("x"), made(files=(f"https://x/y#sha256={digest}",)), None)


def test_what_is_out_of_reach_names_the_page_and_the_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOX_BENCH_CACHE", str(tmp_path))

    def unreachable(source: WebSource) -> bytes:
        raise SourceError(f"{source.url} cannot be fetched (no network)")

    monkeypatch.setattr(members, "_downloaded", unreachable)
    for spec in (load_task("strongreject"), load_task("hex-phi")):
        with pytest.raises(DataError, match=f"https://.*--data {spec.name}=FILE") as refused:
            prompts_of(spec, "eval")
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("short", ["dbad759b", "X" * 64])
def test_what_is_left_out_is_named_by_whole_hashes(tmp_path: Path, short: str) -> None:
    """Else nothing would match, and what is ruled out would be asked in silence."""
    text = packaged_file("sets/advbench-100.toml").read_text()
    (whole,) = load_task("advbench-100").published.left_out_prompts  # type: ignore[union-attr]
    (tmp_path / "mine.toml").write_text(text.replace(whole, short))
    with pytest.raises(SpecError, match=r"left_out_prompts.*SHA-256"):
        load_task(str(tmp_path / "mine.toml"))


def test_another_file_under_the_pinned_address_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / ("0" * 64)
    kept.write_text("not what is pinned")
    source = WebSource("https://x/y", "0" * 64)

    def other(source: WebSource) -> bytes:
        raise SourceError(f"{source.url} has sha256 1, but {source.sha256} is pinned")

    monkeypatch.setattr(members, "_downloaded", other)
    with pytest.raises(SourceError, match="is pinned"):
        members.fetch_text(source, tmp_path)


@pytest.mark.parametrize("name", ["mine.csv", "mine.jsonl", "mine.json"])
def test_a_copy_of_the_user_s_is_taken_in_any_form(tmp_path: Path, name: str) -> None:
    rows = [{"Goal": "Do x", "Category": "c"}, {"Goal": "Do y", "Category": "d"}]
    text = {
        "mine.csv": "Goal,Category\nDo x,c\nDo y,d\n",
        "mine.json": json.dumps(rows),
        "mine.jsonl": "\n".join(map(json.dumps, rows)),
    }[name]
    (tmp_path / name).write_text(text)
    held = made(gated="ask", hazard_column="category")
    prompts = published_prompts(Name("x"), held, tmp_path / name).prompts
    assert [(p.text, p.hazard) for p in prompts] == [("Do x", "c"), ("Do y", "d")]


def test_one_name_asks_both_halves_of_a_set(tmp_path: Path) -> None:
    from lox_bench.study.family import load_family
    from lox_bench.study.request import Request
    from lox_bench.study.tasks import planned_tasks

    assert [task.name for task in load_tasks("xstest")] == ["xstest-unsafe", "xstest-safe"]
    assert [task.name for task in load_tasks("coconot")] == ["coconot-original", "coconot-contrast"]
    assert [task.name for task in load_tasks("xstest-safe")] == ["xstest-safe"]
    kinds = [("unsafe", 200), ("safe", 250)]
    rows = [f"{kind} {i},{kind},x" for kind, count in kinds for i in range(count)]
    (tmp_path / "xstest.csv").write_text("\n".join(["prompt,label,type", *rows]))
    asked = Request(prompts="xstest", data={"xstest": tmp_path / "xstest.csv"})
    planned = planned_tasks(asked, load_family("smollm2-135m"), searched=False)
    assert [len(task.prompts.prompts) for task in planned] == [200, 250]
    with pytest.raises(UnknownNameError, match="xstest-safe"):
        load_tasks("xstests")


def test_the_command_lists_and_refuses(
    command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOX_BENCH_CACHE", str(tmp_path))
    done = command("data", "list", "--json")
    listed = {item["name"]: item["state"] for item in json.loads(done.out)}
    assert listed["advbench"] == "can be fetched"
    assert listed["hex-phi"].startswith("yours to get")
    assert listed["jailbreakbench"] == "can be fetched"
    assert command("data", "verify", "advbench").code == 2
    assert "did you mean" in command("data", "fetch", "advbenc").err


COPIES = [
    ("csv", "old.csv", "goal\na\n", r"1 prompts in .*old.csv, 2 were expected; another version"),
    ("values", "goals.txt", "a\nb\nc\n", "3 prompts in .*, 2 were expected"),
    ("values", "goals.prompt", "a: b: c\n", "PyRIT's YAML"),
    ("nested", "cat.json", '{"Theft": ["a"]}', "an object of categories"),
    ("nested", "cat.json", "[1]", "an object of categories"),
    ("jsonl", "v1.jsonl", '{"turns": ["a", "b"]}\n', "no text under 'turns'"),
]


@pytest.mark.parametrize(("form", "name", "text", "said"), COPIES)
def test_a_copy_that_is_not_what_was_published_is_refused(
    tmp_path: Path, form: str, name: str, text: str, said: str
) -> None:
    (tmp_path / name).write_text(text)
    held = made(form=form, column="turns" if "turns" in text else "goal")
    with pytest.raises(DataError, match=said) as refused:
        published_prompts(Name("x"), held, tmp_path / name)
    assert "\n" not in str(refused.value)


def test_a_text_file_of_a_set_s_prompts_is_a_copy_of_it(tmp_path: Path) -> None:
    (tmp_path / "goals.txt").write_text("a\nb\n")
    prompts = published_prompts(Name("x"), made(form="values"), tmp_path / "goals.txt").prompts
    assert [prompt.text for prompt in prompts] == ["a", "b"]


@pytest.mark.slow
def test_the_sets_that_wheels_carry_are_what_was_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOX_BENCH_CACHE", str(tmp_path))
    found = {
        str(spec.name): len(prompts_of(spec, "eval").prompts)
        for spec in SETS
        if spec.published and spec.published.files
        and all(uri.startswith("wheel://") for uri in spec.published.files)
    }  # fmt: skip
    assert found == {"advbench": 513, "advbench-100": 99, "harmbench": 200, "do-not-answer": 937}
    counts = {str(spec.name): spec.published.count for spec in SETS if spec.published}
    assert found.items() <= counts.items()  # every listed hash is one of a prompt
    assert published.is_here(load_task("advbench").published)  # type: ignore[arg-type]
