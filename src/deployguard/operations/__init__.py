"""Everything that can be asked of deployguard, as one protocol of values in and values out.

`Operations` is the protocol, `Local` answers it from files. The command line and the server know only the protocol.
"""
