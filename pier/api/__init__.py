"""The Docker Engine API: one router a noun, typed bodies in, JSON or streams out.

An adapter and no more: it declares the few functions that it calls, and only ``status`` knows how an
error kind becomes an HTTP answer.
"""
