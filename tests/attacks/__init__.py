"""Attacks on the real addresses, as an attacker would do them: in vain, or for no more than docs/security.md says.

That document lists the attacks, and for each the test that tries it; those that have been tried in the files of single
endpoints are not repeated here.
"""
