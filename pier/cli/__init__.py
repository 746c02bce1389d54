"""The ``pier`` command: one file a noun, one function a verb, and a parser that costs no start-up time.

Knows the engine only through ``client``; prints, prompts and turns errors into exit codes.
"""
