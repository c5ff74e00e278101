"""How a run is ended from outside."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, ended as Ctrl-C is: what runs is cleaned up, then exit 143."""
