"""Which tensors are hardened, and to which rank."""

import pytest

from lox_bench.errors import UsageError
from lox_bench.weights.ranks import Energy, Gap, cut, parse_rank
from lox_bench.weights.select import Settings, choose, parse_ranks

SHAPES = {
    "model.embed_tokens.weight": (50, 8),
    "model.layers.0.mlp.up_proj.weight": (16, 8),
    "model.layers.0.norm.weight": (8,),
    "model.layers.1.mlp.up_proj.weight": (16, 8),
    "model.layers.1.mlp.experts": (4, 16, 8),
}


def chosen(**settings: object) -> dict[str, object]:
    return choose(Settings(**{"rank": 6, "alpha": 1.0, **settings}), SHAPES)  # type: ignore[arg-type]


def test_every_matrix_is_chosen_and_no_vector() -> None:
    assert set(chosen()) == {name for name, shape in SHAPES.items() if len(shape) > 1}
    assert set(chosen().values()) == {6}


def test_include_and_exclude_narrow_the_choice() -> None:
    assert set(chosen(include=("*.layers.*",), exclude=("*experts*",))) == {
        "model.layers.0.mlp.up_proj.weight",
        "model.layers.1.mlp.up_proj.weight",
    }


def test_the_last_matching_pattern_gives_the_rank() -> None:
    ranks = chosen(overrides=(("*.mlp.*", 2), ("*.layers.1.*", None)))
    assert ranks["model.embed_tokens.weight"] == 6
    assert ranks["model.layers.0.mlp.up_proj.weight"] == 2
    assert ranks["model.layers.1.mlp.experts"] is None


@pytest.mark.parametrize(
    "settings",
    [{"include": ("*.attention.*",)}, {"exclude": ("layers.0",)}, {"overrides": (("*norm*", 1),)}],
)
def test_a_pattern_that_matches_no_matrix_is_a_mistake(settings: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="matches none"):
        chosen(**settings)


def test_leaving_nothing_to_harden_is_a_mistake() -> None:
    with pytest.raises(UsageError, match="leave no matrix"):
        chosen(exclude=("*",))


@pytest.mark.parametrize(
    ("text", "rank"),
    [("6", 6), ("full", None), ("auto", Energy(0.5)), ("energy:0.9", Energy(0.9)),
     ("gap", Gap(16)), ("gap:32", Gap(32))],
)  # fmt: skip
def test_ranks_are_numbers_or_rules(text: str, rank: object) -> None:
    assert parse_rank(text) == rank


@pytest.mark.parametrize(
    "text", ["0", "-1", "2.5", "energy", "energy:0", "energy:1.5", "energy:x", "gap:1", "many", ""]
)
def test_a_rank_without_meaning_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="k must be"):
        parse_rank(text)


def test_one_rank_for_all_and_more_for_patterns() -> None:
    assert parse_ranks(["*.mlp.*=2", "4", "*q_proj*=auto"], 6) == (
        4,
        (("*.mlp.*", 2), ("*q_proj*", Energy(0.5))),
    )
    assert parse_ranks([], 6) == (6, ())
    with pytest.raises(UsageError, match="twice"):
        parse_ranks(["4", "5"], 6)


SIGMA = [4.0, 3.0, 1.0, 0.9, 0.8]
TOTAL = sum(value**2 for value in SIGMA)


@pytest.mark.parametrize(("share", "k"), [(0.1, 1), (0.6, 2), (0.9, 2), (0.94, 3), (1.0, 5)])
def test_energy_keeps_the_fewest_directions_that_hold_the_share(share: float, k: int) -> None:
    assert cut(Energy(share), SIGMA, TOTAL, limit=5) == k
    held = sum(value**2 for value in SIGMA[:k])
    assert held >= share * TOTAL > held - SIGMA[k - 1] ** 2


def test_energy_asks_for_more_of_the_spectrum_or_keeps_all_that_can_be_known() -> None:
    assert cut(Energy(0.9), SIGMA[:1], TOTAL, limit=5) is None
    assert cut(Energy(0.9), SIGMA[:1], TOTAL, limit=1) == 1


@pytest.mark.parametrize(
    ("sigma", "k"), [(SIGMA, 2), ([1.0, 0.0, 0.0], 1), ([2.0, 1.9, 0.0], 2), ([0.0, 0.0], 1)]
)
def test_the_gap_is_where_the_spectrum_falls_most_steeply(sigma: list[float], k: int) -> None:
    assert cut(Gap(16), sigma, 1.0, limit=len(sigma)) == k


@pytest.mark.parametrize(
    "wrong", [{"rank": 0}, {"alpha": float("nan")}, {"dtype": "int8"}, {"precision": "float16"}]
)
def test_settings_without_meaning_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        chosen(**wrong)
