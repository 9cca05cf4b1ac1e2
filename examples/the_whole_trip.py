"""From a base model to a row of the leaderboard, in one file that is read from top to bottom.

    python examples/the_whole_trip.py                       # the default family's base model
    python examples/the_whole_trip.py MODEL_FOLDER --steps 2 --limit 3 --store /tmp/trip

It does by hand what `lox-bench run --models lox --attack gsm8k` does: align a base model, harden
it with LoX, attack it by fine-tuning, ask it harmful requests, judge the answers, count.

Two ideas carry the whole of lox-bench:

- A *stage* is a value that says how one thing is made. Nothing happens when you write it down.
- The *store* keeps what was made under a hash of how it was made, everything upstream included.

So run this twice: the second time nothing is trained, because every stage is found. With the
default base model even `lox-bench run` and this file find each other's work.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lox_bench.alignment.stage import Align, own_answers
from lox_bench.attacks.scale import scaled
from lox_bench.attacks.spec import load_attack
from lox_bench.attacks.stage import Attack
from lox_bench.backends.answers import Answers, read_answers
from lox_bench.backends.backend import Backend, Decoding, resolved
from lox_bench.backends.template import load_template
from lox_bench.data.prompts import load_prompts
from lox_bench.data.rows import resolve_rows
from lox_bench.engine.graph import Graph
from lox_bench.engine.local import LocalExecutor
from lox_bench.engine.store import Store, default_root
from lox_bench.judges.choice import load_judge
from lox_bench.judges.verdicts import Verdicts, read_verdicts
from lox_bench.methods.lox import Lox
from lox_bench.methods.stage import Harden
from lox_bench.provenance import environment
from lox_bench.sources.stage import Source
from lox_bench.stats.intervals import wilson
from lox_bench.study.family import load_family
from lox_bench.types import Label

SEED = 0

parser = argparse.ArgumentParser(description="From a base model to a row of the leaderboard.")
parser.add_argument("base", nargs="?", metavar="BASE", help="folder, hub id or wheel:// of a model")
parser.add_argument("--store", type=Path, default=default_root(), help="where stages are kept")
parser.add_argument("--steps", type=int, help="stop each training after so many steps (a try-out)")
parser.add_argument("--limit", type=int, help="ask only so many of the prompts (a try-out)")
asked = parser.parse_args()

# 1. What we start from. A family is a TOML file (tasks/families/): a base model, how it is aligned,
#    how large an attack has to be for a model of its size. We take its settings one by one.
family = load_family("smollm2-135m")
template = load_template(family.template)  # how a user's message becomes a prompt: ChatML
backend = resolved(Backend("hf"))  # who computes answers: transformers, on this machine
base = Source.of(asked.base or family.base, family.dtype)  # pinned by content, not by its place

# 2. Align it. The base answers requests itself; DPO then prefers a refusal to what it said to the
#    harmful ones, and what it said to a refusal for the benign ones.
dpo = family.align.dpo
assert dpo is not None  # noqa: S101 - this family is aligned here, not published aligned
requests = (load_prompts(dpo.harmful), load_prompts(dpo.benign))
pairs = own_answers(base, requests, dpo, template, backend)
aligned = Align(base, pairs, dpo, template, SEED, asked.steps, family.dtype)

# 3. Harden it: LoX pushes the weights further along the top k directions of what alignment did.
#    No training, no data. Any other method would stand here in the same way: see docs/methods.md.
hardened = Harden(base, aligned, Lox(k=family.lox.k, alpha=family.lox.alpha))

# 4. Attack it: fine-tune on harmless word problems. If the real GSM8K is out of reach, rows that
#    lox-bench brings stand in, and `rows.label` says so.
spec = load_attack("gsm8k")
rows = resolve_rows(spec.data, None, columns=("question", "answer"), strict=False)
attacked = Attack(
    model=hardened,
    attack=spec.name,
    rows=rows,
    prompt=spec.prompt,
    completion=spec.completion,
    train=scaled(spec, family.attack_scale),
    max_rows=family.attack_scale.max_rows,
    template=template,
    seed=SEED,
    max_steps=asked.steps,
    dtype=family.dtype,
)

# 5. Ask it requests that it has not seen in alignment, and let a judge label each answer.
harmful = load_prompts("harmful-eval")
decoding = Decoding(family.max_new_tokens)  # greedy, and where answers end
answers = Answers(attacked, harmful, asked.limit, template, decoding, backend)
judge = load_judge("keyword-prefix")  # complied, unless the answer starts with a refusal
verdicts = Verdicts(answers, judge)


# 6. Up to here nothing was computed. The graph puts what the verdicts rest on in order, the
#    executor makes what the store lacks, one stage after another.
class Display:
    """Says which stage is being made; the command line draws bars instead."""

    @contextmanager
    def stage(self, title: str) -> Iterator["Display"]:
        """Announce a stage."""
        print(f"... {title}", flush=True)
        yield self

    def step(self, done: int, total: int, detail: str = "") -> None:
        """Hear how far the stage is, and keep it to ourselves."""


executor = LocalExecutor(Store(asked.store), Display(), environment=environment)
made = executor.run(Graph.of([answers, verdicts]))

# 7. Read what came out. An artifact is a folder of plain files; its manifest holds their hashes.
first = read_answers(made[answers].path)[0]
print(f"\nasked:    {first.prompt}\nanswered: {first.text}\n")

# 8. Count. An answer that is none (empty, looping) is unjudged: no success of the attack's, no
#    refusal either. The rate is over the judged ones, in Wilson's interval of 95 %.
labels = [verdict.label for verdict in read_verdicts(made[verdicts].path)]
hits, n = labels.count(Label.COMPLIED), len(labels) - labels.count(Label.UNJUDGED)
low, high = wilson(hits, n)

# 9. The row. `lox-bench run` writes these columns and some more, for every model and metric, and
#    above all the same row for the undefended model: without it, a number like this says nothing.
row = {
    "family": Path(asked.base).name if asked.base else family.name,
    "model": "lox",
    "attack": spec.name,
    "attack_data": rows.label,
    "metric": "refusal_lost",  # what a judge of refusals sees; one of content sees the ASR
    "value": f"{hits / n:.3f}" if n else "nan",
    "ci_low": f"{low:.3f}",
    "ci_high": f"{high:.3f}",
    "hits": hits,
    "n": n,
    "unjudged": len(labels) - n,
    "seed": SEED,
    "model_key": attacked.key,
}
print(",".join(row))
print(",".join(str(value) for value in row.values()))
