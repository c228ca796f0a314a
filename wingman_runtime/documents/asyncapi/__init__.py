"""The whole flow as an AsyncAPI 3.1 document."""
