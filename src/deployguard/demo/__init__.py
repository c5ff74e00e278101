"""The demo's world: a small real web application and its visitors, each in a process of its own.

Nothing here is faked for the tool's sake: the application asks its flags through `deployguard.sdk`, writes an access
log, and one of its features really breaks under load; deployguard sees only what it would see anywhere.
"""
