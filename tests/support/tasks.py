"""Small tasks of lm-eval over a file of rows."""

import json
from pathlib import Path

CHOICES = """
task: mine-choices
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}\\nAnswer:"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: answer
metric_list:
  - metric: acc
  - metric: acc_norm
"""
WORDS = """
task: mine-words
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
fewshot_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{choices[answer]}}}}"
generation_kwargs: {{max_gen_toks: 8, until: ["\\n"]}}
metric_list:
  - metric: exact_match
"""
BLEU = WORDS.replace("mine-words", "mine-bleu").replace("exact_match", "bleu")


def task_files(folder: Path) -> Path:
    """Write ``choices.yaml`` (log-likelihoods), ``words.yaml`` (answers) and ``bleu.yaml``."""
    rows = [
        {
            "question": f"What is {i} plus 1?",
            "choices": [str(i + 1), f"{i}", "nothing"],
            "answer": 0,
        }
        for i in range(12)
    ]
    data = folder / "rows.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)))
    for name, text in (("choices", CHOICES), ("words", WORDS), ("bleu", BLEU)):
        (folder / f"{name}.yaml").write_text(text.format(file=data))
    return folder
