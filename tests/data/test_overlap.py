"""Prompts that sets share are counted whatever their case, blanks and final marks."""

from lox_bench.data.overlap import overlaps


def test_shared_requests_are_counted_once_each() -> None:
    sets = {
        "a": ["Pick a lock.", "Forge a  pass", "Bake bread"],
        "b": ["pick a lock", "forge a pass?", "pick a lock!"],
        "c": ["Bake a cake"],
    }
    assert overlaps(sets) == [("a", "b", 2)]
    assert overlaps({"a": ["x"]}) == []
