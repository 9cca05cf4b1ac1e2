"""What a study is about, in the few words that its folder is called by."""

import re
from collections.abc import Sequence
from typing import Final

from lox_bench.study.request import Request
from lox_bench.study.study import Study

_MOST: Final = 4  # models, attacks: the others are counted
_ARGUMENTS: Final = re.compile(r"\([^()]*\)")
_USUAL: Final = Request()


def words_of(study: Study, name: str = "") -> str:
    """``aligned+lox-gsm8k``; what makes it less than a whole study stands at the end.

    Arguments are left out: the record holds them, and folders of the same words are numbered.

    Args:
        study: the study.
        name: what its file calls it; takes the place of models and attacks.
    """
    family = [] if study.family.name == _USUAL.family else [str(study.family.name)]
    asked = [name] if name else [_models(study), _attacks(study)]
    return "-".join([*family, *(word for word in asked if word), *_parts(study)])


def shared_words(studies: Sequence[Study], name: str = "") -> str:
    """The same for a study of several families, whose names come first."""
    families = _joined([str(study.family.name) for study in studies])
    first = studies[0]
    asked = [name] if name else [families, _models(first), _attacks(first)]
    return "-".join([*(word for word in asked if word), *_parts(first)])


def _models(study: Study) -> str:
    labels = [variant.label for variant in study.variants if variant.attack is None]
    plain = [_ARGUMENTS.sub("", label) for label in labels]
    return _joined([word for label in plain for word in label.split("+")])


def _attacks(study: Study) -> str:
    return _joined([str(spec.name) for spec in study.attacks])


def _joined(words: Sequence[str]) -> str:
    names = list(dict.fromkeys(words))
    more = [f"{len(names) - _MOST}more"] if len(names) > _MOST else []
    return "+".join([*names[:_MOST], *more])


def _parts(study: Study) -> list[str]:
    seeds = len({variant.seed for variant in study.variants})
    return [
        *([study.split] if study.split != _USUAL.split else []),
        *([f"{seeds}seeds"] if seeds > 1 else []),
        *([f"limit{study.limit}"] if study.limit else []),
        *([f"steps{study.max_steps}"] if study.max_steps else []),
    ]
