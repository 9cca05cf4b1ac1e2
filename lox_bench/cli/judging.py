"""Options that ``run`` and ``judge`` share: which model a judge asks, where, and at what cost."""

from typing import Annotated

import typer

from lox_bench.cli.within import within

Model = Annotated[
    str,
    typer.Option(help="Ask this model (name on the server, folder, hub id), not the spec's."),
]
BaseUrl = Annotated[
    str,
    typer.Option(help="Ask this OpenAI-compatible endpoint, e.g. http://localhost:8000/v1."),
]
Backend = Annotated[
    str,
    typer.Option(help="openai (an endpoint) or hf (the model runs in this process)."),
]
KeyEnv = Annotated[
    str,
    typer.Option(help="Environment variable that holds the endpoint's API key."),
]
MaxCost = Annotated[
    float | None,
    typer.Option(
        help="Stop asking before judges and served models have cost more than so many US dollars.",
        callback=within(0, 1_000_000),
    ),
]
