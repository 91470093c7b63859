"""Keeps the statistics of each player up to date, from the scores that the API stores."""
