"""What the form of a prompt gives away: harmful or look-alike, told by function words alone.

A logistic regression on counts of words, five-fold cross-validated, averaged over ten draws of the
folds. Prompts of one topic, and the two of a minimal pair, stay in one fold. Printed per split:

- the AUC on function words alone (pronouns, prepositions, auxiliaries, question words, articles,
  conjunctions): what is not about the content, which tests/data/test_prompt_sets.py bounds;
- the AUC on all words and pairs of words: content included, as a reference;
- both for a classifier trained on the alignment prompts and tried on the held-out ones.

    python benchmarks/prompt_leakage.py
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

Row = dict[str, str]
Floats = NDArray[np.float64]
Tokens = Callable[[str], list[str]]

SPLITS: Final = {
    "align": ("harmful-align", "benign-align"),
    "dev": ("harmful-dev", "lookalike-dev"),
    "eval": ("harmful-eval", "lookalike-eval"),
}
FOLDS: Final = 5
DRAWS: Final = 10
RIDGE: Final = 1.0  # of the logistic regression, on weights but the intercept

_FUNCTION_WORDS: Final = """
    i me my mine myself we us our ours ourselves you your yours yourself he him his himself she her
    hers herself it its itself they them their theirs themselves one someone somebody something
    anyone anybody anything everyone everybody everything nobody nothing another other others
    this that these those who whom whose which what when where why how while
    a an the some any no every each all both few many much more most such own same
    about above across after against along among around as at away back before behind below beneath
    beside between beyond by down during except for from in inside into like near of off on onto out
    outside over past since through to toward towards under until up upon with within without
    and but or nor so yet because if than though although whether unless not
    be am is are was were been being have has had having do does did doing
    can could may might must shall should will would cannot
    there here then now again too very just only even also never ever always
"""
FUNCTION_WORDS: Final = frozenset(_FUNCTION_WORDS.split())


def rows(name: str) -> list[Row]:
    """A shipped prompt set, as it stands in its file."""
    file = resources.files("lox_bench.assets.tasks") / "prompts" / f"{name}.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def split_rows(split: str) -> tuple[list[Row], NDArray[np.bool_]]:
    """Harmful prompts, then the others, and which are harmful."""
    harmful, benign = (rows(name) for name in SPLITS[split])
    return harmful + benign, np.arange(len(harmful) + len(benign)) < len(harmful)


def words(text: str) -> list[str]:
    """All of them, lower case; a possessive is two."""
    return re.findall(r"'s\b|[a-z0-9]+", text.lower())


def function_words(text: str) -> list[str]:
    """Only those that carry no content."""
    return [word for word in words(text) if word in FUNCTION_WORDS]


def words_and_bigrams(text: str) -> list[str]:
    """All words, and neighbours."""
    held = words(text)
    return held + [f"{one} {other}" for one, other in pairwise(held)]


def vocabulary(texts: Iterable[str], tokens: Tokens) -> list[str]:
    """What occurs, sorted."""
    return sorted({token for text in texts for token in tokens(text)})


def counts(texts: Sequence[str], tokens: Tokens, known: Sequence[str]) -> Floats:
    """A row a text, a column a known token."""
    column = {token: place for place, token in enumerate(known)}
    table = np.zeros((len(texts), len(known)))
    for line, text in zip(table, texts, strict=True):
        for token, count in Counter(tokens(text)).items():
            if token in column:
                line[column[token]] = count
    return table


def fit(table: Floats, harmful: NDArray[np.bool_]) -> Floats:
    """Weights of a ridge logistic regression, the intercept last; both classes weigh the same."""
    inputs = np.hstack([table, np.ones((len(table), 1))])
    sign = np.where(harmful, 1.0, -1.0)
    share = np.where(harmful, 1 / harmful.sum(), 1 / (~harmful).sum()) * len(harmful) / 2
    ridge = np.append(np.full(table.shape[1], RIDGE), 0.0)

    def loss(weights: Floats) -> tuple[float, Floats]:
        margin = sign * (inputs @ weights)
        value = share @ np.logaddexp(0, -margin) + ridge @ weights**2 / 2
        slope = inputs.T @ (-share * sign * expit(-margin)) + ridge * weights
        return float(value), slope

    return np.asarray(minimize(loss, np.zeros(inputs.shape[1]), jac=True, method="L-BFGS-B").x)


def auc(scores: Floats, harmful: NDArray[np.bool_]) -> float:
    """How often a harmful prompt scores above a harmless one; ties count half."""
    ranks = rankdata(scores)
    positives = int(harmful.sum())
    least = positives * (positives + 1) / 2
    return float((ranks[harmful].sum() - least) / (positives * (~harmful).sum()))


def groups(held: Sequence[Row]) -> list[int]:
    """A number for each prompt; those of one topic, and of one minimal pair, share it."""
    ids = {row["id"]: place for place, row in enumerate(held)}
    number = list(range(len(held)))
    first: dict[str, int] = {}
    for place, row in enumerate(held):
        linked = [first.setdefault(row["topic"], place)]
        if row.get("pair") in ids:
            linked.append(ids[row["pair"]])
        for other in linked:
            old, new = number[place], number[other]
            number = [new if value == old else value for value in number]
    return number


def folds(held: Sequence[Row], seed: int) -> NDArray[np.int64]:
    """A fold for each prompt: groups in a drawn order, each to the smallest fold."""
    member = np.array(groups(held))
    fold = np.zeros(len(held), dtype=np.int64)
    sizes = np.zeros(FOLDS)
    for group in np.random.default_rng(seed).permutation(np.unique(member)):
        fold[member == group] = sizes.argmin()
        sizes[sizes.argmin()] += (member == group).sum()
    return fold


def cross_validated(split: str, tokens: Tokens, draws: int = DRAWS) -> float:
    """The AUC within folds, where a split is told by classifiers that have not seen the fold."""
    held, harmful = split_rows(split)
    texts = [row["prompt"] for row in held]
    table = counts(texts, tokens, vocabulary(texts, tokens))
    found = []
    for seed in range(draws):
        fold = folds(held, seed)
        for one in range(FOLDS):
            test = fold == one
            weights = fit(table[~test], harmful[~test])
            found.append(auc(table[test] @ weights[:-1], harmful[test]))
    return float(np.mean(found))


def transfer(source: str, target: str, tokens: Tokens) -> float:
    """The AUC on one split of a classifier trained on another."""
    held, harmful = split_rows(source)
    texts = [row["prompt"] for row in held]
    known = vocabulary(texts, tokens)
    weights = fit(counts(texts, tokens, known), harmful)
    others, truth = split_rows(target)
    table = counts([row["prompt"] for row in others], tokens, known)
    return auc(table @ weights[:-1], truth)


def main() -> None:
    """Print the AUCs."""
    print(f"{'':16}function words   words and bigrams")
    for split in SPLITS:
        alone = cross_validated(split, function_words)
        print(f"{split:16}{alone:14.2f}   {cross_validated(split, words_and_bigrams, 1):17.2f}")
    for target in ("dev", "eval"):
        alone, both = (transfer("align", target, it) for it in (function_words, words_and_bigrams))
        print(f"{'align to ' + target:16}{alone:14.2f}   {both:17.2f}")


if __name__ == "__main__":
    main()
