"""The postmen: fetch a letter, hand it to one desk, file the answer. Nothing here decides."""
