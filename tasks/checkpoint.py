"""The checkpoint of a fit, as Keras's BackupAndRestore keeps it: the last whole epoch, and the one before."""

import json
import logging
import shutil
from pathlib import Path

log = logging.getLogger(__name__)

WEIGHTS, METADATA = "latest.weights.h5", "training_metadata.json"


def mend(folder: Path) -> int:
    """Leave in the folder what can be restored: the last checkpoint, else the one before it, else nothing.

    Returns how many whole epochs that has seen. A kill in the middle of writing tears a file; Keras itself looks at the
    one before only for some of those cases.
    """
    if not folder.exists():
        return 0
    done = _epochs(folder, "")
    if done is None:
        done = _epochs(folder, ".bkp")
        if done is None:
            shutil.rmtree(folder)
            log.warning("the checkpoint is damaged, the fit starts again")
            return 0
        for name in (WEIGHTS, METADATA):
            shutil.copyfile(folder / f"{name}.bkp", folder / name)
        log.warning("the last checkpoint is damaged, the fit goes on from the one before")
    log.info("the fit goes on after epoch %d", done)
    return done


def _epochs(folder: Path, ending: str) -> int | None:
    """None where the checkpoint cannot be read."""
    import h5py

    try:
        done = int(json.loads((folder / f"{METADATA}{ending}").read_text())["epoch"])
        h5py.File(folder / f"{WEIGHTS}{ending}").close()
    except (OSError, ValueError, KeyError):
        return None
    return done
