"""The stages of the pipeline, which are verbs, and the rooms that they are made of, which are nouns."""
