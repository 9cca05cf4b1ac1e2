"""One leaderboard row."""

from lox_bench.results.row import Row

ROW = Row(
    family="pico",
    model="lox(k=2,alpha=0.5)",
    attack="gsm8k",
    attack_data="standin",
    task="harmful",
    judge="keyword-prefix",
    metric="asr",
    value=0.25,
    ci_low=0.1,
    ci_high=0.5,
    n=20,
    unjudged=1,
    seed=0,
    recipe="abc",
    data_sha256="def",
    judge_key="012",
    template_sha256="345",
    loss_before=2.5,
    loss_after=None,
    coverage=0.95,
    valid="no",
    invalid_reason="training loss unknown",
    lox_bench="0.1.0",
)
