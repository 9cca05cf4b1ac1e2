"""What a study would take at 1B, 7B and 70B parameters: computed, not measured.

    python benchmarks/scale.py [--price USD] [--peak TFLOPS] [--bandwidth TB] [--train SHARE] ...

Counts the stages of a study (families x methods x attacks x seeds x judges), gives each kind its
work in FLOPs or bytes, and divides by a card's peak and the share of it that is reached. All of
the card is assumed: its figures are arguments. ``docs/scale.md`` shows the output for the defaults,
the formulas, and what this model gives for the default family on a CPU, beside what was measured.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field, fields

BYTES = 2  # bfloat16, as models are stored
SHAPES = {"1B": 1e9, "7B": 7e9, "70B": 70e9}  # parameters


@dataclass(frozen=True)
class Card:
    """One GPU, and what it costs; shares are of its peak."""

    peak: float = field(default=989.0, metadata={"help": "TFLOP/s, bfloat16, dense"})
    bandwidth: float = field(default=3.35, metadata={"help": "TB/s of its memory"})
    memory: float = field(default=80.0, metadata={"help": "GB"})
    train: float = field(default=0.35, metadata={"help": "share of the peak in training"})
    decode: float = field(default=0.5, metadata={"help": "share of the bandwidth in generation"})
    harden: float = field(default=9.8, metadata={"help": "seconds a GB of one model"})
    price: float = field(default=3.0, metadata={"help": "USD an hour"})


@dataclass(frozen=True)
class Grid:
    """A study: the papers' own sizes of alignment and attacks."""

    methods: int = 6  # hardened variants, beside the aligned model
    attacks: int = 3
    seeds: int = 5
    judges: int = 2
    align_tokens: float = 3 * 40_000 * 2 * 300.0  # epochs, pairs, both answers, tokens
    attack_tokens: float = 2 * 7473 * 250.0  # GSM8K: epochs, rows, tokens
    prompts: int = 500
    answer_tokens: int = 256
    batch: int = 64
    utility_tokens: float = 1319 * 300.0  # GSM8K's test: answers, tokens


@dataclass(frozen=True)
class Cost:
    """One kind of stage: how many there are, seconds of one, GB that one leaves on the disk."""

    kind: str
    count: int
    naive: int
    seconds: float
    disk: float


def cards_of(parameters: float, card: Card) -> int:
    """GPUs that training a model takes at least: 16 bytes a parameter (weights, Adam) and slack."""
    return max(1, -(-int(parameters * 18) // int(card.memory * 1e9)))


def costs(parameters: float, grid: Grid, card: Card) -> list[Cost]:
    """Seconds are GPU-seconds: more cards share them."""
    forward = 2 * parameters
    flops = card.peak * 1e12
    per_step = parameters * BYTES / (card.bandwidth * 1e12 * card.decode)  # weights read once
    prefill = forward / (flops * card.train)
    size = parameters * BYTES / 1e9
    models = 1 + grid.methods
    variants = grid.seeds * models * (1 + grid.attacks)
    attacked = grid.seeds * models * grid.attacks
    steps = grid.answer_tokens * grid.prompts / grid.batch
    answers = steps * per_step + grid.prompts * 50 * prefill
    utility = grid.utility_tokens / grid.batch * per_step
    align = (6 + 2) * parameters * grid.align_tokens / (flops * card.train)  # and a reference pass
    attack = 6 * parameters * grid.attack_tokens / (flops * card.train)
    rates = variants * grid.judges
    return [
        Cost("align", grid.seeds, rates, align, size),
        Cost("harden", grid.seeds * grid.methods, rates * grid.methods // models,
             size * card.harden, size),
        Cost("attack", attacked, rates * grid.attacks // (1 + grid.attacks), attack, size),
        Cost("answers", variants, rates, answers, 0.001),
        Cost("utility", variants, variants, utility, 0.001),
        Cost("verdicts", rates, rates, 0.0, 0.0001),
    ]  # fmt: skip


def lines(parameters: float, grid: Grid, card: Card) -> Iterator[str]:
    """A row a kind, and their sum."""
    found = costs(parameters, grid, card)
    shared = sum(item.count * item.seconds for item in found) / 3600
    naive = sum(item.naive * item.seconds for item in found) / 3600
    for item in found:
        hours = item.count * item.seconds / 3600
        yield (
            f"| {item.kind} | {item.count} | {item.seconds / 3600:.3g} | {hours:,.1f} "
            f"| {hours / shared:.0%} | {item.naive * item.seconds / 3600:,.1f} |"
        )
    kept = {True: ("align", "attack"), False: ("align", "harden", "attack")}
    disk = {dear: sum(i.count * i.disk for i in found if i.kind in kept[dear]) for dear in kept}
    yield (
        f"| all | {sum(i.count for i in found)} | | **{shared:,.0f}** | | {naive:,.0f} |\n\n"
        f"{shared * card.price:,.0f} USD ({naive * card.price:,.0f} without sharing); at least "
        f"{cards_of(parameters, card)} cards to train; weights on the disk {disk[False]:,.0f} GB "
        f"(`--keep-weights all`), {disk[True]:,.0f} GB (`dear`), about "
        f"{4 * parameters * BYTES / 1e9:,.0f} GB at a time (`none`)"
    )


def main() -> None:
    """Print a table a size."""
    parser = argparse.ArgumentParser(description=__doc__)
    for slot in fields(Card):
        parser.add_argument(f"--{slot.name}", type=float, default=slot.default, **slot.metadata)
    card = Card(**vars(parser.parse_args()))
    print(card, Grid(), sep="\n")
    for name, parameters in SHAPES.items():
        print(f"\n{name}\n\n| stage | stages | GPU-hours each | in all | share | without sharing |")
        print("|---|---:|---:|---:|---:|---:|")
        print(*lines(parameters, Grid(), card), sep="\n")


if __name__ == "__main__":
    main()
