"""The doctor: looks at the machine that sensors are on, and says what is wrong and what mends it.

One file a subject: `look` gathers facts, `judge` decides on them and touches nothing.
"""
