"""The flows: the stages in their order. A flow reads like a table of contents; the work is in `tasks`.

Every process of this project begins by importing this package: a command, a deployment's run, a worker. So the
variables that libraries read when they are imported are set here.
"""

from tasks import settings

settings.keep_libraries_home(settings.load())
settings.share_memory()
