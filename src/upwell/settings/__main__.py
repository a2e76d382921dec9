"""`python -m upwell.settings` prints docs/reference/configuration.md."""

from upwell.settings.reference import reference

print(reference(), end="")
