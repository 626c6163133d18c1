"""Who calls: bearer tokens and their key sets, signed texts, tickets."""
