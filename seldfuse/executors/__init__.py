"""Who does the work of a command: this process, a part of many processes that know nothing of each other, or Ray."""
