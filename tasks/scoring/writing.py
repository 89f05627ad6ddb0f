"""Files of scores outside an artifact: shards, what is delivered, and what the inbox holds."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tasks.data.addresses import is_remote, reached
from tasks.errors import StoreError
from tasks.store.files import written_whole


@contextlib.contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Open a new file, in a folder that is made if need be, that gets its name once it is whole and on the disk.

    Raises: StoreError if it cannot be written; FetchError if its store cannot be reached.
    """
    try:
        if not is_remote(path):  # a bucket is nobody's to make in passing
            path.parent.mkdir(parents=True, exist_ok=True)
        with reached(str(path)), written_whole(path) as file:
            yield file
    except OSError as error:
        raise StoreError(
            "the scores cannot be written",
            file=str(path.parent),
            received=error.strerror or str(error),
            remedy="free space, or mend the permissions, and run again: what is scored stays",
        ) from error
