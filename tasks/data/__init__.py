"""Digits and where they come from: the one definition of a digit, sources, streams, what a dataset has to be."""
