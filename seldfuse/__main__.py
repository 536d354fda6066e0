"""`python -m seldfuse`, which `torchrun` starts."""

import sys

if __name__ == "__main__":
    try:
        from seldfuse.cli import main
    except KeyboardInterrupt:
        # Signals are handled from there on.
        sys.exit(130)
    main()
