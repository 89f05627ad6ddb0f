"""What is tried again, and what is not."""

from typing import Any, cast

import pytest
from prefect.states import Failed

from tasks.errors import AccessError, DataError, FetchError, FitError, PackageError, StoreError
from tasks.stage import _may_heal


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), StoreError("disk full"), FetchError("no network")])
def test_the_worlds_faults_are_tried_again(error: Exception) -> None:
    assert _may_heal(cast(Any, None), cast(Any, None), Failed(data=error))


@pytest.mark.parametrize(
    "error",
    [DataError("bad"), AccessError("no credentials"), FitError("diverged"), PackageError("wrong"), ValueError("a bug")],
)
def test_what_would_fail_again_is_not(error: Exception) -> None:
    assert not _may_heal(cast(Any, None), cast(Any, None), Failed(data=error))
