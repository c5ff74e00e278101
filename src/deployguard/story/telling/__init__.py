"""One small function an event type, a module an area; `explain` finds them by type.

Each takes `Facts`, an event read without trust: an event may be older or newer than this program, or made by hand, so
an absent or odd field leaves a gap in the sentence, never an error.
"""
