"""JSON that is written from dataclasses, and read again as the same."""

import functools
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from tasks.errors import StoreError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")


def as_json(value: Any, indent: int | None = None) -> bytes:
    """Return a dataclass as JSON. Bytes of a file's name that are no UTF-8 are written as Python shows them."""
    text = json.dumps(asdict(value), indent=indent, ensure_ascii=False)
    # The backslash is doubled, for JSON: a lone surrogate by its number is none.
    return re.sub("[\ud800-\udfff]", lambda match: f"\\\\u{ord(match[0]):x}", text).encode()


def parsed(form: type[T], content: bytes, what: str, *, file: Path, row: int | None = None, remedy: str) -> T:
    """Return what JSON holds as the dataclass `form`; what else it holds is left out.

    Raises: StoreError, which says `what`, if it is no JSON, or a value is missing or of another type.
    """
    # Takes a tenth of a second to import, so only where something is read.
    from pydantic import ValidationError

    adapter: TypeAdapter[T] = _adapter(cast(Any, form))
    try:
        return adapter.validate_json(content, strict=True)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"]))
        needed = fault["msg"].removeprefix("Input should be ")
        if needed == fault["msg"]:  # no JSON, or a value too few or too many
            expected, received = "", f"{place}: {needed}".removeprefix(": ")
        else:
            expected, received = f"{needed} as {place}".removesuffix(" as "), repr(fault["input"])[:100]
        raise StoreError(what, file=str(file), row=row, expected=expected, received=received, remedy=remedy) from error


@functools.cache
def _adapter(form: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(form)
