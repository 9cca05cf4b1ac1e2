"""What a person at a terminal meets: groups of options, completion, progress, what comes next."""

import io
import os
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from rich.console import Console
from support.run_folders import Command
from support.sample import RECORD, VARIANT

from lox_bench.cli import completion, main
from lox_bench.cli.folding import Folding
from lox_bench.cli.grid import Grid
from lox_bench.cli.groups import GROUPED, GROUPS
from lox_bench.cli.listing import _kind
from lox_bench.cli.log_file import LOG, LoggedConsole, LoggedDisplay, logged
from lox_bench.cli.next_steps import next_steps
from lox_bench.cli.progress import BarDisplay, LineDisplay, SilentDisplay
from lox_bench.errors import Listed, UsageError


def test_options_of_run_stand_in_groups(command: Command) -> None:
    text = command("run", "--help").out.partition("Exit codes")[2]
    at = [text.index(f" {group} ") for group in GROUPS]
    assert at == sorted(at)
    assert text.index("--models") < text.index(" How strong ") < text.index("--attack-search")


ONE_NUMBER = {("landscape", "seed")}


def test_options_that_take_a_list_are_known_by_both_numbers() -> None:
    app = typer.main.get_command(main.app)
    for name, command in app.commands.items():  # type: ignore[attr-defined]
        for option in getattr(command, "params", []):
            if not (getattr(option, "help", "") or "").startswith(("Comma list", "Seed")):
                continue
            if (name, option.name) not in ONE_NUMBER:
                assert len(option.opts) > 1, f"{name} {option.opts}"


@pytest.mark.parametrize("word", [str(kind) for kind in Listed])
def test_what_is_listed_is_known_by_both_numbers(word: str) -> None:
    single = f"{word[:-3]}y" if word.endswith("ies") else word.removesuffix("s")
    assert _kind(single) == _kind(word) == _kind(word.upper()) == word


@pytest.mark.parametrize("name", GROUPED)
def test_every_option_of_a_command_with_many_stands_in_a_group_that_fits(
    name: str, command: Command
) -> None:
    text = command(name, "--help").out
    shown = [group for group in GROUPS if f"─ {group} ─" in text]
    assert len(shown) >= 2
    assert "Who judges" in shown or "--judges" not in text
    running = text.partition("─ How to run ─")[2].partition("╰")[0]
    assert not {"--model", "--labels", "--ranks", "--x", "--k"} & set(running.split())


OWN = ("run", "--data", "gsm8k=own.jsonl", "--print-study")


@pytest.mark.parametrize(
    ("more", "attacks"),
    [(("--columns", "question=q,answer=a"), ["gsm8k(columns_question=q,columns_answer=a)"]),
     (("--attack", "gsm8k(lr=1e-5),instruct", "--columns", "question=q"),
      ["gsm8k(lr=1e-5,columns_question=q)", "instruct"])],
)  # fmt: skip
def test_columns_of_a_file_of_one_s_own_are_told_to_the_attacks_on_it(
    more: tuple[str, ...], attacks: list[str], command: Command, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.jsonl").write_text('{"q": "1+1?", "a": "2"}\n')
    done = command(*OWN, *more)
    assert done.code == 0, done.err
    assert tomllib.loads(done.out)["attacks"] == attacks


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((*OWN, "--columns", "frage=q"), "gsm8k reads question, answer"),
     ((*OWN, "--columns", "question"), "NAME=COLUMN"),
     (("run", "--columns", "question=q"), "from a file of yours"),
     (("run", "--attack", "none", "--columns", "question=q"), "there is no attack")],
)  # fmt: skip
def test_columns_that_nobody_reads_are_refused(
    arguments: tuple[str, ...], said: str, command: Command
) -> None:
    done = command(*arguments)
    assert done.code == 2
    assert said in done.err
    assert len(done.err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("complete", "begun", "wanted"),
    [(completion.models, "aligned,lo", "aligned,lox"),
     (completion.models, "lox+saf", "lox+safe-lora"),
     (completion.attacks, "gsm8k,inst", "gsm8k,instruct"), (completion.judges, "keyw", "keyword"),
     (completion.families, "smol", "smollm2-135m"), (completion.prompts, "harmf", "harmful"),
     (completion.studies, "lox", "lox-paper"), (completion.references, "smol", "smollm2-135m"),
     (completion.listed, "ru", "runs"), (completion.runs, "lat", "latest")],
)  # fmt: skip
def test_names_are_completed(complete: completion.Complete, begun: str, wanted: str) -> None:
    assert wanted in complete(begun)


def test_what_is_no_name_is_not_completed() -> None:
    assert all(name == name.lower() for name in completion.models(""))
    assert completion.studies("aligned,lox") == []


@pytest.mark.parametrize(
    ("typed", "at", "wanted"),
    [("lox-bench run --judges = key", 4, "keyword"), ("lox-bench run --judges key", 3, "keyword"),
     ("lox-bench run --models = aligned,lo", 4, "aligned,lox"),
     ("lox-bench run --attack =", 3, "gsm8k"), ("lox-bench judge lat", 2, "latest"),
     ("lox-bench reproduce lox", 2, "lox-paper"),
     ("lox-bench compare x --metric ref", 4, "refusal_lost"),
     ("lox-bench landscape --x lo", 3, "lox"), ("lox-bench data fetch adv", 3, "advbench")],
)  # fmt: skip
def test_bash_is_answered(typed: str, at: int, wanted: str) -> None:
    """As bash asks: it passes on the ``=`` of ``--option=value`` as a word of its own."""
    asked = {"_LOX_BENCH_COMPLETE": "complete_bash", "COMP_CWORD": str(at),
             "COMP_WORDS": typed.replace(" ", "\n")}  # fmt: skip
    code = "import sys; from lox_bench.cli.main import entry; sys.argv = ['lox-bench']; entry()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert wanted in done.stdout.split(), done.stderr


def test_a_stage_under_a_second_is_counted_and_a_longer_one_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lox_bench.cli.progress._SHORT_S", 0.2)
    with LineDisplay() as display:
        for title in ("short", "another"):
            with display.stage(title):
                pass
        with display.stage("long"):
            time.sleep(0.4)
    said = capsys.readouterr().err
    assert "short" not in said
    assert "long ..." in said
    assert "long: 0." in said
    assert "2 stages under a second" in said


def test_bars_of_short_stages_go() -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100)
    with BarDisplay(console) as display, display.stage("short"):
        pass
    assert "1 stage under a second" in text.getvalue().splitlines()[-1]


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    text = io.StringIO()
    Console(file=text, force_terminal=True).print("[bold red]invalid[/] 0.5")
    assert "\x1b[1m" in text.getvalue()  # bold is no colour
    assert "\x1b[31m" not in text.getvalue()
    assert "31" not in text.getvalue()


def test_a_log_holds_what_was_said_and_how_it_ended(tmp_path: Path) -> None:
    def session() -> None:
        with logged(tmp_path):
            LoggedConsole(file=io.StringIO()).print("[bold]attack data: STAND-IN[/]\x1b[2J")
            with LoggedDisplay(SilentDisplay()).stage("harden lox"):
                pass
            raise UsageError("nothing like it")

    with pytest.raises(UsageError):
        session()
    text = (tmp_path / LOG).read_text()
    lines = text.splitlines()
    assert "lox-bench 0" in lines[0]
    assert "attack data: STAND-IN" in lines[1]
    assert "\x1b" not in text
    assert "harden lox: 0.0 s" in lines[2]
    assert "ERROR ended: nothing like it" in lines[3]
    with logged(tmp_path):
        pass
    assert len((tmp_path / LOG).read_text().splitlines()) == len(lines) + 2  # appended


def commands(command: tuple[str, ...], *models: str, attack: str = "gsm8k") -> list[str]:
    variants = [replace(VARIANT, model=model, attack=attack) for model in models]
    record = replace(RECORD, command=command, family="smollm2-135m", variants=tuple(variants))
    steps = next_steps(record, Path("runs/a b"), ["smollm2-135m"])
    assert len(steps) == 3
    return [command for _, command in steps]


def test_the_next_commands_are_filled_in() -> None:
    full = commands(("lox-bench", "run", "--out", "x"), "aligned", "lox")
    assert full == [
        "lox-bench runs open 'runs/a b'",
        "lox-bench run --seeds 0..2",
        "lox-bench compare 'runs/a b'",
    ]
    quick = commands(("x/lox-bench", "run", "--limit", "8", "--max-steps=3"), "aligned", "lox")
    assert quick[1] == "lox-bench run"
    alone = commands(("lox-bench", "run", "--models", "aligned"), "aligned", attack="none")
    assert alone[1:] == ["lox-bench run --models aligned,lox",
                         "lox-bench run --models aligned --attack gsm8k"]  # fmt: skip
    seeds = commands(("lox-bench", "run", "--seeds", "0..2"), "aligned", "lox")
    assert seeds[2] == "lox-bench check 'runs/a b' --against smollm2-135m"


@pytest.mark.parametrize("width", [8, 12, 30])
def test_a_cell_is_broken_where_its_parts_meet(width: int) -> None:
    text = io.StringIO()
    cell = Folding("aligned → lox(k=6,alpha=0.65)+safe-lora+gsm8k (-0.07 to +0.09)")
    Console(file=text, width=width, color_system=None).print(cell)
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    for word in ("aligned", "alpha=", "0.65)", "gsm8k", "(-0.07", "+0.09)"):
        assert any(word in line for line in lines)


def test_a_range_of_numbers_is_read_together_and_a_name_is_broken_last() -> None:
    head, why = ("name", "rate", "what it is"), "prompts that were drawn " * 3
    rows = [("jailbreakbench-benign", "(-0.07 to +0.09)", why), ("catqa", "-", "hf://org/Name-v1")]
    text = io.StringIO()
    Console(file=text, width=60, color_system=None).print(Grid(head, rows))
    assert "jailbreakbench-benign  (-0.07 to +0.09)  prompts" in text.getvalue()
    assert "hf://org/Name-v1" in text.getvalue()
    narrow = io.StringIO()
    Console(file=narrow, width=48, color_system=None).print(Grid(head, rows))
    assert "jailbreakbench-benign" in narrow.getvalue()
    assert "(-0.07" in narrow.getvalue()
    assert "\n to +0.09)" not in narrow.getvalue()


def test_two_long_columns_leave_where_one_is_not_enough() -> None:
    head, long = ("name", "first", "second", "third"), "averyunbreakableword" * 2
    text = io.StringIO()
    grid = Grid(head, [("aligned", f"{long}one", f"{long}two", "x")])
    Console(file=text, width=60, color_system=None).print(grid)
    assert f"first 1: {long}one" in text.getvalue()
    narrow = io.StringIO()
    Console(file=narrow, width=40, color_system=None).print(grid)
    assert f"second 1: {long}two" in narrow.getvalue().replace("\n", "")
    assert max(map(len, narrow.getvalue().splitlines())) <= 40


def test_what_is_indented_stays_so() -> None:
    text = io.StringIO()
    Console(file=text, width=20, color_system=None).print(
        Folding("said\n  k=6: a whole number of 1")
    )
    assert text.getvalue().splitlines()[1:] == ["  k=6: a whole", "  number of 1"]


def test_numbers_stand_to_the_right() -> None:
    text = io.StringIO()
    grid = Grid(("model", "n"), [("aligned", "7"), ("lox", "1200")], numbers=1)
    Console(file=text, width=60, color_system=None).print(grid)
    lines = {
        line.split()[0]: line.rstrip() for line in text.getvalue().splitlines() if line.strip()
    }
    assert lines["aligned"].endswith("   7")
    assert len(lines["aligned"]) == len(lines["lox"]) == len(lines["model"])


def test_a_table_too_wide_keeps_its_words_and_tells_the_longest_texts_below() -> None:
    head = ("verdict", "model", "reference", "run", "harm", "shown", "tolerance", "n", "why")
    why = "the attack is not valid: refusal lost of the undefended aligned was 1.00 before it"
    row = ("inconclusive", "aligned+gsm8k", "1.00", "1.00", "+0.00", "-0.14 to +0.14",
           "0.10 at 95%", "100 paired", why)  # fmt: skip
    text = io.StringIO()
    Console(file=text, width=80, color_system=None).print(Grid(head, [row, row]))
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    for word in ("inconclusive", "tolerance", "aligned", "reference", "+gsm8k"):
        assert any(word in line for line in lines)
    assert text.getvalue().count("undefended") == 1
    assert "why 1: the attack" in text.getvalue()
    wide = io.StringIO()
    Console(file=wide, width=200, color_system=None).print(Grid(head, [row, row]))
    assert sum(why in line for line in wide.getvalue().splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("run", "--device", "gpu9"), "--device gpu9"), (("run", "--dtype", "int8"), "auto, float32"),
     (("run", "--batch-size", "0"), "--batch-size wants"),
     (("run", "--data", "foo=x.jsonl"), "it takes data for gsm8k")],
)  # fmt: skip
def test_a_wrong_machine_option_is_one_line(
    arguments: tuple[str, ...], said: str, command: Command, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOX_BENCH_DEVICE", raising=False)
    done = command(*arguments)
    assert done.code == 2
    assert said in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert "list data set" not in done.err
