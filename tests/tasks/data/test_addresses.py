"""What the network does while an address is read is an error for a person, and one that may heal."""

import pytest

from tasks.data.addresses import reached
from tasks.data.streams import explained
from tasks.errors import AccessError, DataError, DigitsError, FetchError, StoreError


class EndpointConnectionError(Exception):
    """As botocore's, of a library that is not Python's own."""


class NoCredentialsError(Exception):
    """As botocore's."""


@pytest.mark.parametrize("where", [reached, explained])
@pytest.mark.parametrize(
    ("fault", "kind"), [(EndpointConnectionError("no route"), FetchError), (NoCredentialsError("none"), AccessError)]
)
def test_a_fault_of_a_stores_library_is_one_of_the_network(where, fault: Exception, kind: type[DigitsError]) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(FetchError) as error, where("s3://forms/test.csv"):
        raise fault
    assert type(error.value) is kind
    assert str(error.value) == (
        f"s3://forms/test.csv: the address cannot be reached; expected a store that answers; received {fault}; "
        "to go on, check the address, the credentials and the network"
    )


@pytest.mark.parametrize("fault", [TimeoutError(), ConnectionResetError(), OSError(5, "Input/output error")])
def test_a_fault_that_may_heal_is_none_of_the_data(fault: OSError) -> None:
    with pytest.raises(StoreError, match=r"^test.csv: the file cannot be read"), explained("test.csv"):
        raise fault


def test_damage_is_a_fault_of_the_data() -> None:
    with pytest.raises(DataError, match=r"^test.csv: the file is damaged"), explained("test.csv"):
        raise EOFError


@pytest.mark.parametrize("where", [reached, explained])
def test_a_bug_stays_one(where) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(KeyError), where("s3://forms/test.csv"):
        raise KeyError("bug")
