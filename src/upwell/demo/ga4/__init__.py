"""A fake Google Analytics property: a table of days behind the contract of the Data API."""
