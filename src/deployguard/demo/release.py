"""The demo's deploy command: what a build and an upload would print."""

import os
import sys


def main() -> None:
    sys.stdout.write(f"Building {os.environ.get('DEPLOYGUARD_VERSION', 'the homepage')}\n")
    sys.stdout.write("8 pages, 214 kB\n")


if __name__ == "__main__":
    main()
