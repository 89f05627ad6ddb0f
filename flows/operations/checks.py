"""Checks of what a call or a deployment names, before the seconds that Prefect takes to start."""

import logging
from collections.abc import Collection, Iterable, Sequence

from tasks import settings
from tasks.errors import UsageError, meant


def check_training(data: str, recipe_names: Sequence[str] | None, changes: Sequence[str] | None) -> None:
    """Check that there are such data and such recipes, as far as nothing has to be fetched. Raises: DigitsError."""
    from tasks.data import sources
    from tasks.training import recipes

    recipes.find_all(recipe_names, changes or ())
    if data not in sources.FETCHED:
        logging.disable(logging.WARNING)  # the stage will say it
        try:
            sources.recognise(data, settings.load())
        finally:
            logging.disable(logging.NOTSET)


def check_names(names: Iterable[str], known: Collection[str], what: str) -> None:
    """Check that all names are known. Raises: UsageError, with the one that was meant, perhaps."""
    for name in names:
        if name not in known:
            listed = f": there is {', '.join(sorted(known)[:20])}"
            raise UsageError(f"unknown {what} {name!r}{meant(str(name), known) or listed}")
