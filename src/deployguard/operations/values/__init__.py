"""What operations answer: each value is what `--output json` prints and what the views render (SURFACES section 1).

Percentages are hundredths inside and numbers 0 to 100 in JSON; times are UTC; holds are text as in the config.
"""
