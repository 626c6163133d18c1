"""MongoDB: the schema, and every query.

How a counted write, such as a reaction, reaches its story's `engagements` document:

1. `kinds` registers what a kind of rows counts: a new counted kind is one more entry there.
2. A repository (`engagements`, `comments`, `answers`) turns the operation into a write (`writes`), here `PutRow`.
3. `story_counters.CounterWriter` commits the writes that wait for one story in one transaction.
4. Each write reads and changes the story's rows in memory (`rows`). The increments of the counters and the events
   follow from the rows before and after.

Views take a way of their own (`views`), since they come in batches of many stories.
"""
