"""Ship behind flags, watch real users, take it back by itself."""

__version__ = "0.1.0"
