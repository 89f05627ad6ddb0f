"""A browser for the tests of pages."""

import shutil
from pathlib import Path
from typing import Any


def browser(folder: Path) -> Any:
    """Start Chromium without a window, such that it asks nobody on the network for anything."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    switches = ["headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync"]
    switches += ["disable-background-networking", "disable-component-update", "window-size=1300,1000"]
    for switch in [*switches, f"user-data-dir={folder / 'chromium'}"]:
        options.add_argument(f"--{switch}")
    return webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
