"""Funnels: how far each user came through steps, and what that makes together (P1-P10).

`rule` says what is counted, `run` follows timelines, `sums` turns the outcome into numbers.
"""
