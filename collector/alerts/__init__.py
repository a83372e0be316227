"""Alerts: what is wrong now, who was told, and until when it was so.

signals    what is said of one subject: that something is wrong with it, or no more
silence    from what is heard, and what should be: who is silent
rules      from readings: what is beyond a limit, changes too fast, or is of bad quality
stored     from the store: who is to be heard of that nobody has watched yet
lives      from signals: alerts, each with its life
outbox     who is to be told of which alert, and what became of that
keeping    the file that all of this outlasts a restart in
watch      these together, on one thread
notifiers  programs that tell: commands, and `sending` for the addresses of Apprise
alerts     all of it as one part of the collector
"""
