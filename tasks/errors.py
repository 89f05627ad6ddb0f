"""Every error that is meant for a person.

DigitsError             caught in one place, `flows/cli/app.py`: a line on stderr, and its exit code
├── UsageError          the call is wrong: unknown recipe, value out of range
├── DataError           the input is bad; the same input will fail again
├── StoreError          an artifact is missing or damaged, or a disk fails
├── DriftError          what came in is not like what the model has learned from
├── FitError            a network does not fit the images or the classes
│   └── DivergedError   a fit cannot go on: its loss is not a number any more
├── PackageError        a packaged model does not agree with the fitted one
└── FetchError          a download failed: no network, a broken answer
    └── AccessError     it is refused: no credentials, rules not accepted
"""

from collections.abc import Iterable


class DigitsError(Exception):
    """Base of the errors that are meant for a person; anything else is a bug and keeps its traceback.

    The message says what is wrong, where, what was expected, what was received, and what to do:
    `train.csv, row 17, column pixel5: pixel out of range; expected …; received '256'; to go on, …`.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        file: str | None = None,
        row: int | None = None,
        column: str | None = None,
        expected: str | None = None,
        received: str | None = None,
        remedy: str | None = None,
    ) -> None:
        where = ", ".join(
            part
            for part in (
                file,
                f"row {row:,}" if row is not None else None,
                f"column {column}" if column else None,
            )
            if part
        )
        clauses = [
            f"{where}: {what}" if where else what,
            f"expected {expected}" if expected else None,
            f"received {received}" if received else None,
            f"to go on, {remedy}" if remedy else None,
        ]
        # One line, whatever a file's bytes or a library's message smuggle in.
        super().__init__(" ".join("; ".join(clause for clause in clauses if clause).split()))
        self.what, self.expected, self.received = what, expected or "", received or ""


class UsageError(DigitsError):
    exit_code = 2


class DataError(DigitsError):
    exit_code = 3


class DriftError(DigitsError):
    exit_code = 4


class StoreError(DigitsError):
    exit_code = 5


class PackageError(DigitsError):
    pass


class FitError(DigitsError):
    pass


class DivergedError(FitError):
    pass


class FetchError(DigitsError):
    exit_code = 6


class AccessError(FetchError):
    pass


def meant(name: str, known: Iterable[str]) -> str:
    """Return `: did you mean fast?`, where a known name is close to one that is not; else nothing."""
    import difflib

    close = difflib.get_close_matches(name, list(known), 1)
    return f": did you mean {close[0]}?" if close else ""
