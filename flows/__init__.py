"""What happens, in which order. A flow reads like a table of contents; the work is in `tasks`.

Whatever is started of this project starts in this package: a command, a deployment's run, a worker's process. So what
the libraries have to be told before they are imported is told here.
"""

from tasks import settings

settings.keep_libraries_home(settings.load())
settings.share_memory()
