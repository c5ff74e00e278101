"""The user's file: text -> marked tree -> checked tree -> frozen values; and the one condition grammar."""
