"""One function for each kind of personal data: where in a text it stands, given what the text's key says of it.

What has a shape (addresses, paths, tokens, phone numbers) is found wherever it stands; what has none (user names, plain
host names) only where the key's name says what it is. Each pattern is bounded or begins where no other match can, so
that the work grows with the length of the text and no faster.
"""
