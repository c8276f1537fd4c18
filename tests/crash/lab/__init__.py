"""Processes under load, killed; everything that they were told is looked for by a fresh one.

lab        rounds and their report; asks the
launcher   a warm process that forks
worker     children with several threads, each with its
load       of random calls; every one is said to the
ledger     outside the database, before it is made and when it is answered
places     where a child dies
check      a fresh child that holds what is left against the ledger, by
stored     the stores that are never removed
lives      those that come and go, the catalog and the disk
content    what an event says of the call it belongs to
"""
