"""Keep the libraries' own bars and warnings out of ours."""

import logging
import os
import warnings

_LIBRARIES = (
    "transformers",
    "datasets",
    "trl",
    "lm_eval",
    "accelerate",
    "huggingface_hub",
    "httpx",
    "httpx2",
)
_SWITCHES = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TQDM_DISABLE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
}


def hush_libraries() -> None:
    """Silence what is not addressed to our user; ``--debug`` lets it through.

    The libraries read these variables when they are imported, so this comes before all else.
    """
    os.environ.update(_SWITCHES)
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=UserWarning)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)
