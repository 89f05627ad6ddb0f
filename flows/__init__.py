"""What happens, in which order. A flow reads like a table of contents; the work is in `tasks`."""

import tasks  # noqa: F401 - it keeps Prefect's state at home, so it comes before Prefect
