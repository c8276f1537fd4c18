"""Producers, consumers and projectors of one store, killed at random; what each said is compared.

lab     starts processes, kills them, starts others in their place
roles   what a process does: it says what it was told in a line of its file before it goes on
check   what is stored against what was said
"""
