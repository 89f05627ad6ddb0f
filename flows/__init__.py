"""What happens, in which order. A flow reads like a table of contents; the work is in `tasks`."""
