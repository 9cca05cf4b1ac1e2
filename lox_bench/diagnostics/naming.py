"""Where a tensor sits in a transformer, read off its name."""

import re
from dataclasses import dataclass

_LAYER = re.compile(r"(?:^|\.)(\d+)\.")
_INDEX = re.compile(r"\[(\d+)\]$")


@dataclass(frozen=True, slots=True)
class Place:
    """``layer`` is the block's number, ``None`` outside the blocks (embedding, head).

    ``projection`` is what the matrix does: ``q_proj``, ``down_proj``, ``experts.up_proj``.
    """

    layer: int | None
    projection: str

    @property
    def is_linear(self) -> bool:
        """Whether it belongs to the linear layers the paper's means are taken over."""
        return self.layer is not None


def place_of(name: str) -> Place:
    """Parse names such as ``model.layers.3.self_attn.q_proj.weight``; experts count as one kind."""
    stem = _INDEX.sub("", name).removesuffix(".weight")
    found = _LAYER.search(stem)
    tail = stem[found.end() :] if found else stem
    kind = tail.rsplit(".", 1)[-1]
    return Place(
        layer=int(found[1]) if found else None,
        projection=f"experts.{kind}" if ".experts." in f".{tail}" else kind,
    )
