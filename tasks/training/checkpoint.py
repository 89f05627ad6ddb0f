"""The checkpoint of a fit, as Keras's BackupAndRestore keeps it: the last whole epoch, and the one before."""

import json
import logging
import shutil
from pathlib import Path

log = logging.getLogger(__name__)

WEIGHTS, METADATA = "latest.weights.h5", "training_metadata.json"
STEPS = "optimizer/vars/0"  # Keras's counter of the steps that an optimizer has made


def mend(folder: Path, steps: int) -> int:
    """Leave in the folder what can be restored: the last checkpoint, else the one before it, else nothing.

    Returns how many whole epochs, of so many steps each, that has seen. A kill in the middle of writing tears a file,
    and one between Keras's two files leaves weights of an epoch that its metadata do not know; the weights know it.
    """
    if not folder.exists():
        return 0
    for ending in ("", ".bkp"):
        seen = _steps(folder / f"{WEIGHTS}{ending}")
        if seen is not None:
            break
    else:
        shutil.rmtree(folder)
        log.warning("the checkpoint is damaged, the fit starts again")
        return 0
    if ending:
        shutil.copyfile(folder / f"{WEIGHTS}{ending}", folder / WEIGHTS)
        log.warning("the last checkpoint is damaged, the fit goes on from the one before")
    done = seen // steps
    (folder / METADATA).write_text(json.dumps({"epoch": done, "batch": 0}))
    log.info("the fit goes on after epoch %d", done)
    return done


def _steps(weights: Path) -> int | None:
    """None where the file cannot be read."""
    import h5py

    try:
        with h5py.File(weights) as file:
            return int(file[STEPS][()])
    except (OSError, KeyError):
        return None
