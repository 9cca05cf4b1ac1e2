"""A model is loaded whole, from the files that were meant, running nobody's code, or not at all."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast

from lox_bench.errors import SourceError
from lox_bench.sources.identity import identify
from lox_bench.sources.loading import load_classifier, load_model
from lox_bench.weights.checkpoint import copy_other_files, open_checkpoint

State = dict[str, torch.Tensor]
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
NORM = "model.norm.weight"


@pytest.fixture
def folder(pico: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pico, tmp_path / "model"))


def rewrite(folder: Path, change: Callable[[State], State]) -> None:
    state = load_file(folder / SINGLE)
    save_file(change(state), folder / SINGLE, {"format": "pt"})


def prefixed(prefix: str) -> Callable[[State], State]:
    return lambda state: {prefix + name: tensor for name, tensor in state.items()}


def without(name: str) -> Callable[[State], State]:
    return lambda state: {key: tensor for key, tensor in state.items() if key != name}


def reshaped(name: str, *shape: int) -> Callable[[State], State]:
    return lambda state: {**state, name: torch.zeros(*shape)}


WEIGHTS = {
    "compiled": (prefixed("_orig_mod."), "compiled"),
    "data parallel": (prefixed("module."), "DataParallel"),
    "peft": (prefixed("base_model.model."), "PEFT"),
    "fsdp": (prefixed("_fsdp_wrapped_module."), "unexpected"),
    "another wrapper": (prefixed("student."), "missing"),
    "no norm": (without(NORM), NORM),
    "no embedding": (without("model.embed_tokens.weight"), "embed_tokens"),
    "no projection": (without("model.layers.1.self_attn.q_proj.weight"), "1 missing"),
    "an extra layer": (
        lambda state: {**state, "model.layers.2.mlp.up_proj.weight": torch.zeros(64, 32)},
        "unexpected",
    ),
    "a bias": (lambda state: {**state, "model.norm.bias": torch.zeros(32)}, "norm.bias"),
    "norm too long": (reshaped(NORM, 33), "another shape"),
    "projection transposed": (reshaped("model.layers.0.mlp.up_proj.weight", 32, 64), "(32, 64)"),
    "renamed": (
        lambda state: {name.replace("mlp", "ffn"): tensor for name, tensor in state.items()},
        "6 missing",
    ),
    "empty": (lambda _: {}, "missing"),
}  # fmt: skip


@pytest.mark.fault(1)
@pytest.mark.parametrize("kind", WEIGHTS)
def test_no_weight_is_ever_made_up(folder: Path, kind: str) -> None:
    change, said = WEIGHTS[kind]
    rewrite(folder, change)
    with pytest.raises(SourceError) as refused:
        load_model(folder, torch.float32)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.fault(1)
def test_a_judge_s_head_is_not_made_up_either(folder: Path) -> None:
    with pytest.raises(SourceError, match="missing"):
        load_classifier(folder, torch.float32)


def test_a_whole_model_loads_tied_and_untied(
    folder: Path, tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    from support.pico import save_pico

    assert load_model(folder, torch.float32).config.tie_word_embeddings
    load_model(save_pico(tmp_path / "untied", tokenizer, tied=False), torch.float32)


def config(folder: Path, **fields: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


CONFIGS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "auto_map": (
        lambda at: config(at, auto_map={"AutoModelForCausalLM": "evil.Model"}, model_type="evil"),
        "Python code",
    ),
    "quantised": (lambda at: config(at, quantization_config={"quant_method": "gptq"}), "gptq"),
    "bitsandbytes": (
        lambda at: config(at, quantization_config={"load_in_4bit": True}), "quantised"
    ),
    "unknown type": (lambda at: config(at, model_type="nobody-knows"), "cannot be read"),
    "no type": (lambda at: (at / "config.json").write_text("{}"), "cannot be read"),
    "a list": (lambda at: (at / "config.json").write_text("[]"), "no JSON object"),
    "garbled": (lambda at: (at / "config.json").write_text('{"a": '), "no JSON"),
    "latin-1": (lambda at: (at / "config.json").write_bytes(b'{"a": "\xe9"}'), "UTF-8"),
    "deep": (lambda at: (at / "config.json").write_text('{"a":' * 9999), "nests"),
    "no config": (lambda at: (at / "config.json").unlink(), "no config.json"),
    "sizes of text": (lambda at: config(at, hidden_size="thirty-two"), "cannot be read"),
    "negative size": (lambda at: config(at, hidden_size=-32), "cannot be read"),
    "no heads": (lambda at: config(at, num_attention_heads=0), "cannot be read"),
    "more layers": (lambda at: config(at, num_hidden_layers=3), "9 missing"),
    "truncated": (
        lambda at: (at / SINGLE).write_bytes((at / SINGLE).read_bytes()[:-100]), "cannot be read"
    ),
    "long header": (
        lambda at: (at / SINGLE).write_bytes((1 << 60).to_bytes(8, "little") + b"{}"), "cannot be"
    ),
    "no weights": (lambda at: (at / SINGLE).unlink(), "holds no"),
    "empty weights": (lambda at: (at / SINGLE).write_bytes(b""), "cannot be read"),
}  # fmt: skip


@pytest.mark.fault(21)
@pytest.mark.parametrize("kind", CONFIGS)
def test_what_cannot_be_loaded_is_one_line(folder: Path, kind: str) -> None:
    spoil, said = CONFIGS[kind]
    spoil(folder)
    with pytest.raises(SourceError) as refused:
        load_model(folder, torch.float32)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.fault(23)
@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_nobody_s_code_is_run_or_asked_about(folder: Path, file: str, tmp_path: Path) -> None:
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    names = {"AutoModelForCausalLM": "evil.M", "AutoTokenizer": "evil.T", "AutoConfig": "evil.C"}
    plain = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**plain, "auto_map": names, "model_type": "evil"}))
    from lox_bench.backends.hf import HFGenerator
    from lox_bench.backends.template import load_template

    with suppress(SourceError):  # a class of transformers' own may do in its place
        HFGenerator(folder, load_template("chatml"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.fault(23)
def test_pickled_weights_are_never_opened(folder: Path) -> None:
    torch.save(load_file(folder / SINGLE), folder / "pytorch_model.bin")
    (folder / SINGLE).unlink()
    with pytest.raises(SourceError, match="convert"):
        load_model(folder, torch.float32)


def sharded(folder: Path, weight_map: Any, *files: str) -> None:
    state = load_file(folder / SINGLE)
    names = sorted(state)
    half = len(names) // 2
    for file, held in zip(files, (names[:half], names[half:]), strict=False):
        save_file({name: state[name] for name in held}, folder / file)
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map(names, half)}))


def both(names: list[str], half: int) -> dict[str, str]:
    return {
        name: "a.safetensors" if names.index(name) < half else "b.safetensors" for name in names
    }


@pytest.mark.fault(4)
def test_an_old_index_beside_a_fresh_file_is_refused(folder: Path) -> None:
    sharded(folder, both, "a.safetensors", "b.safetensors")
    for read in (lambda: open_checkpoint(folder), lambda: load_model(folder, torch.float32),
                 lambda: identify(str(folder))):  # fmt: skip
        with pytest.raises(SourceError, match=r"model\.safetensors and model\.safetensors\.index"):
            read()


def test_shards_and_an_index_of_the_single_file_are_read(folder: Path) -> None:
    names = open_checkpoint(folder).names
    (folder / INDEX).write_text(json.dumps({"weight_map": dict.fromkeys(names, SINGLE)}))
    assert open_checkpoint(folder).names == names
    sharded(folder, both, "a.safetensors", "b.safetensors")
    (folder / SINGLE).unlink()
    assert open_checkpoint(folder).names == names
    load_model(folder, torch.float32)


INDICES: dict[str, Any] = {
    "absent shard": lambda names, half: {**both(names, half), names[0]: "c.safetensors"},
    "another shard": lambda names, half: {**both(names, half), names[0]: "b.safetensors"},
    "unnamed tensor": lambda names, half: {n: f for n, f in both(names, half).items() if n != NORM},
    "named, not there": lambda names, half: {**both(names, half), "x": "a.safetensors"},
    "no map": lambda *_: None,
    "empty map": lambda *_: {},
    "a list": lambda names, _: names,
    "numbers": lambda names, _: dict.fromkeys(names, 7),
    "pickle": lambda names, _: dict.fromkeys(names, "pytorch_model.bin"),
}


@pytest.mark.fault(4)
@pytest.mark.parametrize("kind", INDICES)
def test_an_index_that_lies_is_refused(folder: Path, kind: str) -> None:
    sharded(folder, INDICES[kind], "a.safetensors", "b.safetensors")
    (folder / SINGLE).unlink()
    with pytest.raises(SourceError):
        open_checkpoint(folder)


@pytest.mark.fault(4)
def test_a_tensor_in_two_shards_is_refused(folder: Path) -> None:
    sharded(folder, both, "a.safetensors", "b.safetensors")
    shutil.copy(folder / SINGLE, folder / "b.safetensors")
    (folder / SINGLE).unlink()
    with pytest.raises(SourceError, match="lies both"):
        open_checkpoint(folder)


@pytest.mark.fault(22)
@pytest.mark.parametrize(
    "name",
    ["../x.safetensors", "/root/x.safetensors", "a/../../x.safetensors", "..", "\0.safetensors",
     "..\\x.safetensors"],
)  # fmt: skip
def test_an_index_names_files_beside_it_only(folder: Path, name: str) -> None:
    shutil.copy(folder / SINGLE, folder.parent / "x.safetensors")
    names = open_checkpoint(folder).names
    (folder / SINGLE).unlink()
    (folder / INDEX).write_text(json.dumps({"weight_map": dict.fromkeys(names, name)}))
    for read in (open_checkpoint, lambda path: identify(str(path))):
        with pytest.raises(SourceError, match="wanted, not"):
            read(folder)


@pytest.mark.fault(22)
@pytest.mark.parametrize(
    "name", ["README.txt", "tokenizer.model", "chat_template.jinja", "model.safetensors"]
)
def test_a_link_out_of_a_model_s_folder_is_not_followed(folder: Path, name: str) -> None:
    secret = folder.parent / "secret"
    secret.write_text("secret")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(secret)
    with pytest.raises(SourceError, match="link out of its folder"):
        identify(str(folder))


def test_the_hub_s_own_links_are_followed(folder: Path, tmp_path: Path) -> None:
    repo = tmp_path / "models--org--name"
    (repo / "snapshots").mkdir(parents=True)
    shutil.copytree(folder, repo / "blobs")
    snapshot = repo / "snapshots" / "abc"
    snapshot.mkdir()
    for file in (repo / "blobs").iterdir():
        (snapshot / file.name).symlink_to(Path("../../blobs") / file.name)
    assert identify(str(snapshot)) == identify(str(folder))


@pytest.mark.fault(6)
@pytest.mark.parametrize(
    "name",
    ["cl100k.tiktoken", "tokenizer.model", "tokenizer.model.v3", "vocab.bpe", "merges.txt",
     "vocab.txt", "spiece.model", "source.spm", "chat_template.jinja", "special_tokens_map.json",
     "additional_chat_templates/tool_use.jinja"],
)  # fmt: skip
def test_every_file_of_a_tokenizer_is_carried_along(
    folder: Path, tmp_path: Path, name: str
) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("content")
    (folder / "evil.py").write_text("")
    (tmp_path / "out").mkdir()
    copy_other_files(open_checkpoint(folder), tmp_path / "out")
    assert (tmp_path / "out" / name).read_text() == "content"
    assert not (tmp_path / "out" / "evil.py").exists()
    assert not (tmp_path / "out" / SINGLE).exists()
