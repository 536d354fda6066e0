"""`python -m seldfuse`, which `torchrun` starts."""

from seldfuse.cli import main

if __name__ == "__main__":
    main()
