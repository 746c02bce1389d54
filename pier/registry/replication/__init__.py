"""Copies of repositories in other registries, and of theirs here: by pushes, by the clock, by hand.

- :mod:`rules`: which names and tags, and when (values in, values out)
- :mod:`tasks`: what is to be copied, as a job and the run that tells of it
- :mod:`sides`: the contract of where copies come from and go to; :mod:`here` and :mod:`there` keep it
- :mod:`copying`: one image, from one side to the other
- :mod:`walking`: all that a rule is about, and what is deleted after it
- :mod:`replicate`: the jobs are planned and done
"""
