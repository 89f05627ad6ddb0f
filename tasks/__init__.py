"""The stages of the pipeline (verbs: they know Prefect) and what they are made of (nouns: they do not)."""

from tasks import settings

# Here, before any module of ours imports a library that looks at its variables once.
settings.keep_libraries_home(settings.load())
settings.share_memory()
