"""A person who draws: ten digits as strokes, each a line through points, with the whole canvas as 1 × 1."""

import math
from typing import Any

Stroke = list[tuple[float, float]]


def arc(x: float, y: float, wide: float, high: float, start: float, end: float) -> Stroke:
    """Points on an ellipse, from an angle to another, in turns, clockwise from the top."""
    angles = [2 * math.pi * (start + (end - start) * step / 16) for step in range(17)]
    return [(x + wide * math.sin(angle), y - high * math.cos(angle)) for angle in angles]


DIGITS: dict[int, list[Stroke]] = {
    0: [arc(0.5, 0.5, 0.22, 0.35, 0, 1.02)],
    1: [[(0.54, 0.15), (0.5, 0.86)]],
    2: [[*arc(0.48, 0.34, 0.2, 0.19, -0.2, 0.38), (0.3, 0.84), (0.74, 0.84)]],
    3: [[*arc(0.46, 0.33, 0.19, 0.17, -0.15, 0.48), *arc(0.46, 0.67, 0.22, 0.18, 0.02, 0.68)]],
    4: [[(0.4, 0.15), (0.27, 0.55), (0.74, 0.55)], [(0.62, 0.3), (0.58, 0.88)]],
    5: [[(0.68, 0.16), (0.36, 0.16), (0.33, 0.47), *arc(0.48, 0.64, 0.21, 0.2, -0.05, 0.65)]],
    6: [[(0.6, 0.14), (0.4, 0.38), *arc(0.5, 0.67, 0.19, 0.18, -0.2, 0.85)]],
    7: [[(0.27, 0.18), (0.72, 0.18), (0.44, 0.87)]],
    8: [[*arc(0.5, 0.32, 0.16, 0.16, 0.5, -0.5), *arc(0.5, 0.68, 0.2, 0.19, 0, 1)]],
    9: [[*arc(0.5, 0.34, 0.18, 0.18, 0.2, -0.8), (0.66, 0.4), (0.6, 0.87)]],
}


def draw(chromium: Any, digit: int) -> None:
    """Draw a digit by real events of the mouse."""
    from selenium.webdriver.common.action_chains import ActionChains

    canvas = chromium.find_element("id", "drawing")
    size = canvas.size
    hand = ActionChains(chromium, duration=0)
    for stroke in DIGITS[digit]:
        for number, (x, y) in enumerate(stroke):
            at = round((x - 0.5) * size["width"]), round((y - 0.5) * size["height"])
            hand.move_to_element_with_offset(canvas, *at)
            if number == 0:
                hand.click_and_hold()
        hand.release()
    hand.perform()


def text(chromium: Any, element: str) -> str:
    return str(chromium.execute_script(f"return document.getElementById('{element}').innerText"))
