"""The pictures of a run, ready to stand in a page: data, caption, and words for who can't see."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from lox_bench.report.merge import Entry
from lox_bench.report.standings import Standing
from lox_bench.report.summary import Line, summarise
from lox_bench.results.metrics import HARM, title_of

CAPTIONS: Final = {
    "safety": "Refusals lost, or attack success, per model before and after the attack.",
    "safety_vs_accuracy": "Safety against what the attack taught.",
    "safety_vs_steps": "Refusals lost, or attack success, while the attack trains.",
    "attack_strength": "What tuning the attack adds to its success.",
    "loss": "Training loss of every stage that trained.",
}
_FRONT: Final = (
    "Upper right is better; on the line are models that none beats in both, by estimate."
)
_MIME: Final = {".svg": "image/svg+xml", ".png": "image/png"}


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as a ``data:`` address."""

    caption: str
    alt: str
    uri: str


def pictures(folder: Path, entries: Sequence[Entry]) -> list[Picture]:
    """Every figure below ``folder``, the known ones first; of SVG and PNG the smaller file."""
    stems = {file.stem for file in folder.glob("*.*") if file.suffix in _MIME}
    order = [*CAPTIONS, *sorted(stems - set(CAPTIONS))]
    return [_picture(folder, stem, entries) for stem in order if stem in stems]


def fronts(items: Sequence[Standing]) -> list[Picture]:
    """Safety against usefulness, a picture for each family, prompt set and judge."""
    from lox_bench.report.pareto import plot_pareto

    groups = dict.fromkeys((item.family, item.task, item.judge) for item in items)
    found = []
    with TemporaryDirectory(prefix="lox-bench-") as scratch:
        for number, name in enumerate(groups):
            held = [item for item in items if (item.family, item.task, item.judge) == name]
            file = Path(scratch) / f"{number}.svg"
            if plot_pareto(held, file):
                data = b64encode(file.read_bytes()).decode()
                family, task, judge = name
                caption = f"What safety costs: {task} by {judge}, {family}. {_FRONT}"
                alt = f"{caption} {'; '.join(_stands(item) for item in held)}"
                found.append(Picture(caption, alt, f"data:image/svg+xml;base64,{data}"))
    return found


def _stands(item: Standing) -> str:
    if not item.attacks:
        return f"{item.model}: no valid attack"
    return f"{item.model}: {title_of(item.metric)} {item.worst.value:.2f} after {item.attack}"


def _picture(folder: Path, stem: str, entries: Sequence[Entry]) -> Picture:
    held = [file for suffix in _MIME if (file := folder / f"{stem}{suffix}").is_file()]
    file = min(held, key=lambda file: file.stat().st_size)
    data = b64encode(file.read_bytes()).decode()
    caption = CAPTIONS.get(stem, f"{stem.replace('_', ' ').capitalize()}.")
    return Picture(
        caption, _alt(stem, caption, entries), f"data:{_MIME[file.suffix]};base64,{data}"
    )


def _alt(stem: str, caption: str, entries: Sequence[Entry]) -> str:
    """The numbers a figure shows, in words; they also stand in the leaderboard."""
    wanted = {"safety": HARM, "safety_vs_accuracy": (*HARM, "accuracy")}.get(stem, ())
    lines = summarise(entries).lines
    told = [text for line in lines if (text := _told(line, wanted))]
    return f"{caption} {'; '.join(told)}".strip()


def _told(line: Line, metrics: Sequence[str]) -> str:
    values = [
        f"{title_of(measure.metric)} {pooled.value:.2f} ({measure.judge})"
        for measure, pooled in line.pooled.items()
        if measure.metric in metrics and pooled.n
    ]
    return f"{line.title}: {', '.join(values)}" if values else ""
