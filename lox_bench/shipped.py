"""Code that ships, by kind and name: where ``registry`` finds it. No module is imported here."""

from collections.abc import Mapping
from typing import Final

_METHODS: Final = "methods"  # as in registry.Kind
_BACKENDS: Final = "backends"

CODE: Final[Mapping[str, Mapping[str, str]]] = {
    _METHODS: {
        "lox": "lox_bench.methods.lox:Lox",
        "lox-delta": "lox_bench.methods.lox_delta:LoxDelta",
        "expo": "lox_bench.methods.expo:Expo",
        "random-k": "lox_bench.methods.random_k:RandomK",
        "bottom-k": "lox_bench.methods.bottom_k:BottomK",
        "vaccine": "lox_bench.methods.vaccine:Vaccine",
        "constrained": "lox_bench.methods.constrained:Constrained",
        "kl": "lox_bench.methods.kl:Kl",
        "ewc": "lox_bench.methods.ewc:Ewc",
        "asft": "lox_bench.methods.asft:Asft",
        "safe-lora": "lox_bench.methods.safe_lora:SafeLora",
        "wise-ft": "lox_bench.methods.wise_ft:WiseFt",
        "resta": "lox_bench.methods.resta:Resta",
        "safemerge": "lox_bench.methods.safemerge:SafeMerge",
        "ties": "lox_bench.methods.ties:Ties",
        "relox": "lox_bench.methods.relox:Relox",
        "safeinst": "lox_bench.methods.safeinst:SafeInst",
        "lookahead": "lox_bench.methods.lookahead:LookAhead",
        "ptst": "lox_bench.methods.ptst:Ptst",
        "freeze": "lox_bench.methods.freeze:Freeze",
        "ema": "lox_bench.methods.ema:Ema",
        "lisa": "lox_bench.methods.lisa:Lisa",
    },
    _BACKENDS: {
        "hf": "lox_bench.backends.hf:HFGenerator",
        "vllm": "lox_bench.backends.vllm:VllmGenerator",
        "openai": "lox_bench.backends.openai:OpenAIGenerator",
    },
}
