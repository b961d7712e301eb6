-- ack: remove finished (or dropped) messages, and store the results of some.
-- KEYS: 1 reserved list of this worker, 2.. results
-- ARGV: 1 "1" = the ids are ordered, as settle needs it; 2.. ids, then for each result: its id, its lifetime in milliseconds, the result
-- Returns: how many of the messages this worker still had. Those alone get their results.
-- include: take, settle, keep_ending, settle_batch
return settle_batch(KEYS[1], ARGV[1] == '1', 2, 2)
