"""What ``during`` methods are given of the family, and the templates that they ask for."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from lox_bench.alignment.stage import Align, OwnAnswers
from lox_bench.attacks.taught import REFUSALS, Teach
from lox_bench.backends.template import Template
from lox_bench.data.prompts import load_prompts
from lox_bench.data.stage import Prompts
from lox_bench.engine.stage import Stage
from lox_bench.errors import UsageError
from lox_bench.methods.method import Need

if TYPE_CHECKING:
    from lox_bench.study.variant import Chosen, Family

_HARMFUL: Final = "harmful-align"
_BENIGN: Final = "benign-align"
_ANSWER_TOKENS: Final = 128  # where the family's alignment says nothing of its own


def trained_with(methods: Iterable["Chosen"]) -> tuple[Any, ...]:
    """Those of a variant's methods that change the training itself."""
    return tuple(method.spec for method in methods if hasattr(method.spec, "prepare"))


def references(family: "Family", during: Sequence[Any]) -> tuple[Stage, ...]:
    """Base and aligned, and what alignment teaches if a method needs that; none without methods."""
    if not during:
        return ()
    needs = {getattr(spec, "needs", None) for spec in during} - {None}
    pair = (family.base, family.aligned)
    return (*pair, _taught(family, answers=Need.ANSWERS in needs)) if needs else pair


def _taught(family: "Family", *, answers: bool) -> Teach:
    """The requests of the family's on-policy alignment, else those that ship, and its refusals.

    Benign requests are answered by the base, as for the alignment; where the family was aligned
    otherwise, by its aligned model.
    """
    dpo = family.spec.align.dpo
    on_policy = dpo is not None and dpo.data is None
    harmful = load_prompts(dpo.harmful if dpo is not None and on_policy else _HARMFUL)
    refusals = dpo.refusals if dpo is not None and on_policy else REFUSALS
    if not answers:
        return Teach(harmful, refusals)
    benign = load_prompts(dpo.benign if dpo is not None and on_policy else _BENIGN)
    return Teach(harmful, refusals, _answers(family, benign), benign.name)


def _answers(family: "Family", benign: Prompts) -> OwnAnswers:
    aligned = family.aligned
    if isinstance(aligned, Align) and isinstance(aligned.data, OwnAnswers):
        return aligned.data
    return OwnAnswers(aligned, (benign,), _ANSWER_TOKENS, family.template, family.backend)


def served_under(methods: Iterable["Chosen"], template: Template) -> Template:
    """The template under which a variant's answers are asked for.

    Raises:
        UsageError: two methods ask for one, or a method can make nothing of the family's.
    """
    asking = [method for method in methods if hasattr(method.spec, "served")]
    if len(asking) > 1:
        said = " and ".join(method.text for method in asking)
        raise UsageError(f"{said}: each sets the system prompt of answers; take one of them")
    for method in asking:
        template = method.spec.served(template)
    return template


def trained_under(methods: Iterable["Chosen"], template: Template) -> Template:
    """The template of a variant's training, in place of the attack's own."""
    for method in methods:
        if hasattr(method.spec, "trained"):
            template = method.spec.trained(template)
    return template
