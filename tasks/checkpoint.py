"""The checkpoint of a fit, as Keras's BackupAndRestore keeps it: the last whole epoch, and the one before."""

import json
import logging
import shutil
from pathlib import Path

log = logging.getLogger(__name__)

WEIGHTS, METADATA = "latest.weights.h5", "training_metadata.json"


def mend(folder: Path) -> None:
    """Leave in the folder what can be restored: the last checkpoint, else the one before it, else nothing.

    A kill in the middle of writing tears a file; Keras itself looks at the one before only for some of those cases.
    """
    if not folder.exists() or _readable(folder, ""):
        return
    if _readable(folder, ".bkp"):
        for name in (WEIGHTS, METADATA):
            shutil.copyfile(folder / f"{name}.bkp", folder / name)
        log.warning("the last checkpoint is damaged, the fit goes on from the one before")
    else:
        shutil.rmtree(folder)
        log.warning("the checkpoint is damaged, the fit starts again")


def _readable(folder: Path, ending: str) -> bool:
    import h5py

    try:
        json.loads((folder / f"{METADATA}{ending}").read_text())["epoch"]
        h5py.File(folder / f"{WEIGHTS}{ending}").close()
    except (OSError, ValueError, KeyError):
        return False
    return True
