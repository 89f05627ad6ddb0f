"""Pictures are a table: a row each, and one that cannot be read costs the others nothing."""

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from PIL import Image

from tasks.data.streams import in_folder
from tasks.pictures import reading
from tasks.scoring.picture_tables import picture_table


def drawing(path: Path, level: int) -> None:
    pixels = np.full((40, 40), 255, np.uint8)
    pixels[10:30, 18:22] = level
    Image.fromarray(pixels).save(path)


def test_an_unexpected_error_at_a_picture_makes_it_a_bad_row_and_the_others_are_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name, level in (("a.png", 0), ("b.png", 100), ("c.png", 0)):
        drawing(tmp_path / name, level)
    streams = in_folder(tmp_path)
    digit_of = reading.digit_of

    def failing(pixels: np.ndarray) -> reading.Seen:
        if (pixels == 100).any():
            raise ZeroDivisionError("division by zero")
        return digit_of(pixels)

    with patch.object(reading, "digit_of", failing):
        (batch,) = picture_table(streams, [stream.name for stream in streams]).read()
    assert batch.digits.ids.tolist() == [1, 3]
    (fault,) = batch.faults
    assert (fault.row, fault.rule) == (2, "could not be looked at")
    assert fault.received == "ZeroDivisionError: division by zero"
    assert "b.png: could not be looked at" in caplog.text
    assert "Traceback" in caplog.text
