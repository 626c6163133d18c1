"""Authentication: bearer tokens and their key sets, signed strings, tickets."""
