"""The stages of the pipeline (verbs: they know Prefect) and what they are made of (nouns: they do not)."""
