"""How the tests of sources read one, and what they expect to be told."""

from pathlib import Path

import pytest

from tasks.data.digits import Digits, concatenate
from tasks.data.sources import Source, recognise
from tasks.data.tables import Table
from tasks.errors import DataError
from tasks.settings import Settings

GIVE = "to go on, give sample, mnist, kaggle, or the path of a file, zip or folder with digits"
ALL_KINDS = "CSV with pixel0 … pixel783, IDX files of MNIST, or Parquet of this project"
A_PLACE = "a file, a zip or a folder"
FORBIDDEN = (
    "the file may not be read; expected a file that you may read; received Permission denied; "
    "to go on, give yourself the right to read it"
)


def source(data: object) -> Source:
    return recognise(str(data), Settings(home=Path()))


def digits_of(table: Table) -> Digits:
    return concatenate(batch.digits for batch in table.read())


def refusal(data: object) -> str:
    """The message of a source that is refused, at first sight or when it is read."""

    def read_all() -> None:
        for table in source(data).tables.values():
            list(table.read())

    with pytest.raises(DataError) as error:
        read_all()
    return str(error.value)
