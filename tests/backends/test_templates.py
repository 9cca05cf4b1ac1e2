"""A chat template is a stranger's program: what it leaves out, asks for or breaks is one line."""

import time
from pathlib import Path
from typing import Any

import pytest

from lox_bench.backends.template import Renderer, Template, load_template
from lox_bench.errors import DataError

PARTS = (
    "{% for m in messages %}<{{ m['role'] }}>{% for c in m['content'] %}"
    "{% if c['type'] == 'text' %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %}<assistant>"
)


class Own:
    """A tokenizer with a chat template of its own."""

    def __init__(self, inner: Any, template: Any) -> None:
        self._inner, self.chat_template = inner, template

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def render(tokenizer: Any, text: str, *turns: str) -> str:
    return Renderer(tokenizer, Template("t", text)).render(*(turns or ("How are you?",)))


@pytest.mark.fault(7)
@pytest.mark.parametrize(
    "text",
    [
        PARTS,
        "{% for m in messages %}{% for c in m.content %}{{ c.text }}{% endfor %}{% endfor %}",
        "{% for m in messages %}{{ m.content[0].text | trim }}{% endfor %}",
        "{% for m in messages %}{{ m.content | map(attribute='text') | join }}{% endfor %}",
        "{{ messages[-1].content[-1]['text'] }}",
        "{% set ns = namespace(t='') %}{% for c in messages[0].content %}"
        "{% set ns.t = ns.t ~ c.text %}{% endfor %}[{{ ns.t }}]",
    ],
)
def test_a_template_of_content_parts_gets_them(tokenizer: Any, text: str) -> None:
    one, other = (render(tokenizer, text, request) for request in ("Bake bread", "Forge a pass"))
    assert "Bake bread" in one
    assert "Forge a pass" in other


@pytest.mark.fault(7)
@pytest.mark.parametrize(
    "text",
    [
        "You are helpful.",
        "{{ messages[0].role }}",
        "{{ messages[0].content | upper }}",
        "{{ messages[0].content[:3] }}",
        "{{ messages[0].content | length }}",
        "{{ messages[0].text }}",
        "{{ messages[0].content | reverse }}",
        "{% if false %}{{ messages[0].content }}{% endif %}",
        "{% for m in messages if m.role == 'system' %}{{ m.content }}{% endfor %}",
        "{{ messages[0].content | replace('are', '') }}",
    ],
)
def test_a_prompt_without_its_request_is_refused(tokenizer: Any, text: str) -> None:
    with pytest.raises(DataError, match="leaves the text out"):
        render(tokenizer, text)


@pytest.mark.fault(7)
def test_no_turn_of_a_dialogue_is_left_out(tokenizer: Any) -> None:
    with pytest.raises(DataError, match="'Second'"):
        render(tokenizer, "{{ messages[0].content }}", "First", "Second")


def test_blanks_at_the_ends_may_go(tokenizer: Any) -> None:
    assert render(tokenizer, "{{ messages[0].content | trim }}", " Hello \n") == "Hello"


@pytest.mark.fault(8)
@pytest.mark.parametrize(
    "own",
    [
        {"default": "D {{ messages[0].content }}", "tool_use": "T {{ messages[0].content }}"},
        {"rag": "R", "default": "D {{ messages[0].content }}"},
        {"default": "D {{ messages[0].content }}"},
    ],
)
def test_of_several_templates_the_default_is_meant(tokenizer: Any, own: dict[str, str]) -> None:
    renderer = Renderer(Own(tokenizer, own), Template("tokenizer", None))
    assert renderer.render("Hello") == "D Hello"


@pytest.mark.fault(8)
@pytest.mark.parametrize(
    ("own", "said"),
    [({"tool_use": "x", "rag": "y"}, "rag, tool_use"), ({}, "default"), (None, "no chat template"),
     ({"default": None}, "no chat template"), (["x"], "no chat template")],
)  # fmt: skip
def test_without_a_default_the_names_are_told(tokenizer: Any, own: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Renderer(Own(tokenizer, own), Template("tokenizer", None))


@pytest.mark.fault(9)
@pytest.mark.parametrize(
    ("form", "rendered"),
    [("%Y-%m-%d", "2025-01-01"), ("%d %b %Y", "01 Jan 2025"), ("%A", "Wednesday"),
     ("%H:%M", "00:00"), ("%j", "001")],
)  # fmt: skip
def test_the_clock_stands_still(tokenizer: Any, form: str, rendered: str | None) -> None:
    text = f"{{{{ strftime_now('{form}') }}}} {{{{ messages[0].content }}}}"
    assert render(tokenizer, text) == f"{rendered} How are you?"


def test_another_day_is_another_template(tokenizer: Any) -> None:
    text = "{{ strftime_now('%Y') }} {{ messages[0].content }}"
    assert Renderer(tokenizer, Template("t", text, "1999-12-31")).render("Hi") == "1999 Hi"
    assert Template("t", text) != Template("t", text, "1999-12-31")


HOSTILE = {
    "raises": ("{{ raise_exception('system role not supported') }}", "system role not supported"),
    "syntax": ("{% if %}", "TemplateSyntaxError"),
    "not closed": ("{% for m in messages %}", "TemplateSyntaxError"),
    "undefined": ("{{ nothing.at.all }}", "UndefinedError"),
    "unknown filter": ("{{ messages | evil }}", "filter"),
    "division": ("{{ 1 / 0 }}", "ZeroDivision"),
    "type": ("{{ 'a' + 1 }}", "TypeError"),
    "include": ("{% include '/etc/passwd' %}", "TypeError"),
    "import": ("{% import '/etc/passwd' as x %}{{ x }}", "TypeError"),
    "extends": ("{% extends '/etc/passwd' %}", "TypeError"),
    "class": ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "SecurityError"),
    "globals": ("{{ raise_exception.__globals__.x }}", "Security"),
    "init": ("{{ messages.__init__.__globals__['os'].system('touch ran') }}", "Security"),
    "attr": ("{{ ''|attr('__class__') }}{{ (''|attr('__class__')).mro() }}", "Error"),
    "format": ("{{ '{0.__class__.__mro__}'.format(1) }}", "Error"),
    "mutation": ("{{ messages.append(1) }}", "Security"),
    "self": ("{{ self._TemplateReference__context.x.y }}", "Error"),
    "lipsum": ("{{ lipsum.__globals__['os'].popen('touch ran').read() }}", "Security"),
    "cycler": ("{{ cycler.__init__.__globals__.os.system('touch ran') }}", "Security"),
    "wide range": ("{% for i in range(10**9) %}x{% endfor %}", "Range too big"),
    "recursion": ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "Recursion"),
}  # fmt: skip


@pytest.mark.fault(10)
@pytest.mark.parametrize("kind", HOSTILE)
def test_what_a_template_says_or_tries_is_one_line(
    tokenizer: Any, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text, said = HOSTILE[kind]
    with pytest.raises(DataError) as refused:
        render(tokenizer, text + "{{ messages[0].content }}")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400
    assert not list(tmp_path.iterdir())


BOMBS = {
    "memory": "{{ 'a' * 10**10 }}",
    "doubling": "{% set n = namespace(s='aaaaaaaaaa') %}{% for i in range(60) %}"
    "{% set n.s = n.s ~ n.s %}{% endfor %}{{ n.s }}",
    "join": "{{ (['a' * 10**6] * 10**4) | join }}",
    "long prompt": "{{ 'a' * 2000000 }}",
    "padding": "{{ 'a' | center(10**10) }}",
    "lists": "{% set n = namespace(s=[1]) %}{% for i in range(60) %}"
    "{% set n.s = n.s + n.s %}{% endfor %}",
}


@pytest.mark.fault(26)
@pytest.mark.parametrize("kind", BOMBS)
def test_a_template_that_eats_memory_is_stopped(tokenizer: Any, kind: str) -> None:
    started = time.monotonic()
    with pytest.raises(DataError, match="the model's own chat template"):
        Renderer(
            Own(tokenizer, BOMBS[kind] + "{{ messages[0].content }}"), Template("tokenizer", None)
        )
    assert time.monotonic() - started < 60


@pytest.mark.fault(26, inputs=2)
@pytest.mark.slow
def test_a_template_that_eats_time_is_stopped(tokenizer: Any) -> None:
    loop = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    for text in (loop, "{{ 10 ** (10 ** 9) }}"):
        with pytest.raises(DataError, match=r"does not end|wants more"):
            Renderer(
                Own(tokenizer, text + "{{ messages[0].content }}"), Template("tokenizer", None)
            )


def test_marks_of_a_training_mask_are_no_fault(tokenizer: Any) -> None:
    text = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}"
    assert Renderer(Own(tokenizer, text), Template("tokenizer", None)).render("Hello") == "Hello"


def test_reasoning_models_answer_without_thinking(tokenizer: Any) -> None:
    asks = "{{ messages[0].content }}{% if enable_thinking is false %}<think></think>{% endif %}"
    assert render(tokenizer, asks).endswith("How are you?<think></think>")
    ours = Renderer(tokenizer, load_template("chatml-nothink")).render("How are you?")
    assert ours.endswith("assistant\n<think>\n\n</think>\n\n")
