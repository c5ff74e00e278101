"""What happened and what is, in words: the one voice of reports, watch, alerts, status and dashboard.

    numbers    figures as people read them         verdicts  a rule with its value in place; why a verdict waits
    explain    an event as a sentence              headline  state and verdicts as users, cause, done, your turn
    history    a flag's past, a row a change       report    a release as a value, as markdown, as a page

Pure: values in, words out. A time of day needs the reader's zone; without one it is a UTC stamp, as logs have it.
Nothing here escapes for a terminal, markdown or HTML except `report`'s own renderings; control characters never pass.
"""
