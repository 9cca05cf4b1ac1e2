"""Streaming: files like the library's own, memory bounded, errors where they belong."""

import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from lox_bench.errors import SourceError
from lox_bench.weights.checkpoint import DTYPES, open_checkpoint, tensor_reader
from lox_bench.weights.shards import ShardWriter
from lox_bench.weights.stream import WriteBehind, read_ahead

TENSORS = {
    "double": torch.randn(3, 5, dtype=torch.float64),
    "single": torch.randn(7),
    "half": torch.randn(2, 3, 4).to(torch.float16),
    "brain": torch.randn(5, 3).to(torch.bfloat16),
    "eighth": torch.randn(4).to(torch.float8_e4m3fn),
    "whole": torch.arange(6).view(2, 3),
    "flags": torch.tensor([True, False]),
    "scalar": torch.tensor(3.0),
    "nothing": torch.empty(0, 4),
}


def write(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    planned = [(name, held.dtype, tuple(held.shape)) for name, held in tensors.items()]
    with ShardWriter(path, planned) as shard:
        for name, held in tensors.items():
            shard.write(name, held)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        held.dtype == other[name].dtype and torch.equal(held.float(), other[name].float())
        for name, held in one.items()
    )


def test_the_library_reads_what_we_write(tmp_path: Path) -> None:
    write(tmp_path / "model.safetensors", TENSORS)
    assert same(load_file(tmp_path / "model.safetensors"), TENSORS)


def test_we_read_what_the_library_writes(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "model.safetensors")
    checkpoint = open_checkpoint(tmp_path)
    with ExitStack() as stack:
        read = tensor_reader(checkpoint, stack)
        assert same({name: read(name) for name in checkpoint.tensors}, TENSORS)


def test_every_type_that_is_read_is_written(tmp_path: Path) -> None:
    held = {name: torch.zeros(2, 2).to(dtype) for name, dtype in DTYPES.items()}
    write(tmp_path / "model.safetensors", held)
    assert same(load_file(tmp_path / "model.safetensors"), held)


def test_views_are_written_by_value(tmp_path: Path) -> None:
    turned = torch.arange(6.0).view(2, 3).mT
    write(tmp_path / "model.safetensors", {"turned": turned})
    assert torch.equal(load_file(tmp_path / "model.safetensors")["turned"], turned)


def test_a_file_that_lacks_a_tensor_is_no_success(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="single"),
        ShardWriter(tmp_path / "x", [("single", torch.float32, (7,))]),
    ):
        pass


def test_another_tensor_than_announced_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="announced"),
        ShardWriter(tmp_path / "x", [("single", torch.float32, (7,))]) as shard,
    ):
        shard.write("single", torch.zeros(8))


def test_a_file_that_shrinks_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1000)}, tmp_path / "model.safetensors")
    checkpoint = open_checkpoint(tmp_path)
    with ExitStack() as stack:
        read = tensor_reader(checkpoint, stack)
        with (tmp_path / "model.safetensors").open("r+b") as file:
            file.truncate(500)
        with pytest.raises(SourceError, match="ended within 'a'"):
            read("a")


def test_reading_stays_one_ahead_and_in_order() -> None:
    loaded: list[int] = []

    def load(key: int) -> int:
        loaded.append(key)
        return key * key

    for key, value in read_ahead(load, range(5)):
        time.sleep(0.01)
        assert value == key * key
        assert len(loaded) <= key + 2


def test_the_next_item_is_loaded_while_this_one_is_used() -> None:
    second = threading.Event()

    def load(key: int) -> int:
        if key == 1:
            second.set()
        return key

    items = read_ahead(load, range(3))
    next(items)
    assert second.wait(5.0)
    items.close()


def test_an_error_in_reading_is_raised_where_the_item_is_wanted() -> None:
    def load(key: int) -> int:
        if key == 2:
            raise SourceError("gone")
        return key

    items = read_ahead(load, range(4))
    assert [next(items)[0], next(items)[0]] == [0, 1]
    with pytest.raises(SourceError, match="gone"):
        next(items)


def test_writes_happen_in_order_and_all_before_the_end() -> None:
    done: list[int] = []

    def write_one(number: int) -> None:
        time.sleep(0.002)
        done.append(number)

    with WriteBehind() as behind:
        for number in range(10):
            behind.put(lambda number=number: write_one(number))  # type: ignore[misc]
    assert done == list(range(10))


@pytest.mark.parametrize("more", [0, 1])
def test_an_error_in_writing_is_never_lost(more: int) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    def write_all() -> None:
        with WriteBehind() as behind:
            behind.put(fail)
            for _ in range(more):
                behind.put(lambda: None)

    with pytest.raises(OSError, match="No space"):
        write_all()
