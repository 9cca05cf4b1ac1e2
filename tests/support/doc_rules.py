"""How a documented command is tried where the real one would take long, or has to go outside.

Every substitution and every command that is not run at all is declared here, with its reason.
"""

import re
from dataclasses import dataclass

from support.documented import Documented

OK = frozenset({0})
HUB = "needs a model hub: offline it must end in one line that says what is out of reach"


@dataclass(frozen=True, slots=True)
class Rule:
    """What is changed in commands that fit (patterns, replacements), and how they may end."""

    fits: str
    reason: str
    changes: tuple[tuple[str, str], ...] = ()
    codes: frozenset[int] = OK
    says: str = ""  # on stderr


def _at_the_end(words: str) -> tuple[str, str]:
    return (r"$", f" {words}")


def _unless(option: str, words: str) -> tuple[str, str]:
    return (rf"^(?!.* {option}[ =])(.*)$", rf"\1 {words}")


_FEW = (
    (r"--limit \d+", "--limit 2"),
    _unless("--limit", "--limit 2"),
    _unless("--max-steps", "--max-steps 3"),  # the first is warm-up, and moves nothing
)
_PICO = (
    (r"--family smollm2-135m", "--family pico.toml"),
    _unless("--family", "--family pico.toml"),
)

RULES = (
    Rule(r"^\.venv/bin/lox-bench", "this environment's", ((r"^\.venv/bin/", ""),)),
    Rule(r"\| jq", "jq is no part of lox-bench", ((r" \| jq .*", ""),)),
    Rule(
        r"^(?:\.venv/bin/)?lox-bench (run|effective-rank|landscape)\b",
        "the default family takes minutes: two prompts and one step on the pico family",
        (*_PICO, *_FEW),
    ),
    Rule(r"^(?:\.venv/bin/)?lox-bench diagnose .*--family", "the same", (_PICO[0], *_FEW[2:])),
    Rule(
        r"^(?:\.venv/bin/)?lox-bench run (?!.*--out )",
        "a folder that the next line finds",
        (_at_the_end("--out runs/{number}"),),
    ),
    Rule(r"--seeds 0\.\.", "two seeds", ((r"--seeds 0\.\.\d", "--seeds 0,1"),)),
    Rule(
        r"--out L\b",
        "one folder each: the lines are alternatives",
        ((r"--out L\b", "--out L{number}"),),
    ),
    Rule(
        r"^(\.venv/bin/)?python ",
        "this environment's",
        ((r"^(\.venv/bin/)?python", "{python}"),),
    ),
    Rule(
        r"^(?!.*-search ).*--attack .*\.\.",
        "two points an axis",
        tuple((rf"({name}=[\d.e-]+\.\.[\d.e-]+)(:\d)?", r"\1:2") for name in ("lr", "epochs")),
    ),
    Rule(
        r"--(attack|defence)-search \d+",
        "two trials",
        tuple((rf"--{kind}-search \d+", f"--{kind}-search 2") for kind in ("attack", "defence")),
    ),
    Rule(
        r"poison\(ratio=0\.02\.\.0\.2",
        "a fiftieth of twelve rows is none",
        ((r"0\.02\.\.0\.2", "0.2..0.5"),),
    ),
    Rule(r"--eval-every 10", "each of the few steps", ((r"--eval-every 10", "--eval-every 1"),)),
    Rule(
        r"--family (olmo2-1b|llama2-7b-chat)\b",
        HUB,
        codes=frozenset({2}),
        says="reach|hub|bitsandbytes",
    ),
    Rule(
        r"=openai:http",
        "nobody serves a model there: a server on loopback answers",
        (
            (r"openai:https?://[\w.:-]+/v1", "openai:{server}"),
            (r"key_env=MY_KEY", "key_env=OPENAI_API_KEY"),
        ),
    ),
    Rule(r"/data/harmful\.jsonl", "rows of ours", ((r"/data/harmful\.jsonl", "pairs.jsonl"),)),
    Rule(
        r"check runs/earnest",
        "that run takes an hour: another, whose model is called mine",
        ((r"runs/earnest", "runs/mine"), (r"Mine\(share=0\.5\)=lox", "mine=lox")),
    ),
    Rule(
        r"^lox-bench reproduce .*--quick",
        "one part of it, on the pico family",
        ((r"$", " --part rows --family pico.toml --limit 2 --max-steps 3"),),
    ),
    Rule(
        r"^lox-bench reproduce .*--part main",
        "its weights are gated: what is in the way is said",
        ((r"$", " --dry-run"),),
    ),
    Rule(r"^lox-bench runs open", "no browser", ((r"$", " --no-browser"),)),
    Rule(r"^lox-bench runs remove", "nobody is here to be asked", ((r"$", " --yes"),)),
    Rule(
        r"advbench",
        "it is fetched from an index, where there is one within reach",
        codes=frozenset({0, 2}),
    ),
    Rule(
        r"^(?:\.venv/bin/)?lox-bench landscape .*--grid",
        "a coarse grid",
        (
            (r"--grid 7x7", "--grid 2x2"),
            (r"--grid 11", "--grid 3"),
        ),
    ),
    Rule(
        r"^lox-bench calibrate .*--labels mine\.csv",
        "mine.csv is a prompt file on another page",
        ((r"mine\.csv", "labels.csv"),),
    ),
    Rule(
        r"--metric asr",
        "the runs here are judged by refusals",
        ((r"--metric asr", "--metric refusal_lost"),),
    ),
    Rule(r"--ranks", "two ranks", ((r"--ranks \S+", "--ranks 1,2"),)),
    Rule(r"--utility .*(arc_easy|ifeval)", HUB, codes=frozenset({2}), says="arc_easy|ifeval"),
    Rule(r"meta-llama/", HUB, codes=frozenset({2}), says="meta-llama"),
    Rule(r"--labels (jailbreakbench|harmbench)", HUB, codes=frozenset({2}), says="out of reach"),
    Rule(
        r"(policy-rubric|strongreject|llama-guard|refusal\b)(?!.*--backend hf)",
        "an endpoint costs money: a server on loopback answers, at the spec's own prices",
        (
            (r"http://gpu-box:8000/v1", "{server}"),
            (r"(?<=[ ,])(policy-rubric|strongreject|refusal)(?=[ ,]|$)", r"./\1.toml"),
        ),
        codes=frozenset({0, 3}),  # its grades are no labels for each of the parsers
    ),
    Rule(r"--backend hf", "a random model gives no verdict", codes=frozenset({0, 3})),
    Rule(
        r'--backend "?vllm',
        "the suite does without vllm: one line that names the extra",
        codes=frozenset({2}),
        says=r"lox-bench\[vllm",
    ),
    Rule(
        r"^(?:\.venv/bin/)?lox-bench check .*--against smollm2-135m",
        "pico's answers are not the packaged reference's: held against one made here",
        ((r"--against smollm2-135m", "--against results/pico.csv"),),
    ),
    Rule(
        r"^(?:\.venv/bin/)?lox-bench check ",
        "two prompts decide nothing",
        codes=frozenset({0, 1, 3}),
    ),
    Rule(
        r"^git clone",
        "this checkout, whatever its branch is called",
        ((r"--branch \S+ REPOSITORY", "--quiet {root}"),),
    ),
    Rule(
        r"^pip install",
        "nothing is fetched or changed here: pip resolves it against what is installed",
        (
            (r"^pip install", "{python} -m pip install --dry-run --no-index --no-build-isolation"),
            (r"-e (?=\.|examples)", "-e {root}/"),
            (r"constraints\.txt", "{root}/constraints.txt"),
        ),
    ),
    Rule(
        r"^python -m build",
        "with the setuptools that is here, into the folder that the next lines install from",
        ((r"-m build", "-m build --no-isolation --outdir dist {root}"),),
    ),
    Rule(r"^python3 -m venv", "this Python", ((r"^python3", "{python}"),)),
    Rule(
        r"^empty/bin/python -m pip",
        "the wheel alone; what it depends on is borrowed from this environment",
        ((r"pip install", "pip install --no-index --no-deps"),),
    ),
    Rule(
        r"^empty/bin/lox-bench run",
        "the pico family",
        ((r"$", " --family pico.toml --limit 2 --max-steps 3"),),
    ),
    Rule(
        r"^python benchmarks/",
        "it wants files that are not ours: its own account of its options",
        ((r"benchmarks/(\w+\.py) .*", r"{root}/benchmarks/\1 --help"),),
    ),
    Rule(
        r"^make ",
        "the suite and the main job: make's own plan of them",
        ((r"^make", "make -n -C {root}"),),
    ),
)
NOT_RUN = (
    Rule(r"^(uv|pipx)\b", "installs from an index; docs/install.md says how it was tried"),
    Rule(r"^cd\b", "the shell's"),
)


def rules_for(command: Documented) -> list[Rule]:
    """All that fit."""
    return [rule for rule in RULES if re.search(rule.fits, command.text)]


def exempt(command: Documented) -> Rule | None:
    """Why it is not run, if it is not."""
    return next((rule for rule in NOT_RUN if re.search(rule.fits, command.text)), None)


def as_tried(command: Documented, **places: str) -> str:
    """What is run in the command's stead; ``places`` fill the braces of the rules."""
    text = re.sub(r"\s+#.*$", "", command.text)
    for rule in rules_for(command):
        for pattern, replacement in rule.changes:
            text = re.sub(pattern, replacement, text, count=1)
    for name, place in places.items():
        text = text.replace(f"{{{name}}}", place)
    return text


def codes_of(command: Documented) -> frozenset[int]:
    """How it may end: as the most particular rule says, success else."""
    particular = [rule.codes for rule in rules_for(command) if rule.codes != OK]
    return particular[-1] if particular else OK
