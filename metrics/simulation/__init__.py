"""An invented fleet for `manage.py demo`: what its installations are, what becomes of them, and what they send.

Nothing here knows Django or the database, and all of it follows from a seed: the same seed, moment and number of
installations give the same identities and the same numbers, today and next week.
"""
