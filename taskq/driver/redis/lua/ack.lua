-- ack: remove finished (or dropped) messages.
-- KEYS: 1 reserved list of this worker
-- ARGV: 1 "1" = the ids are ordered, as settle needs it; 2.. ids
-- Returns: how many of them this worker still had.
-- include: take, settle
return settle(KEYS[1], ARGV[1] == '1', 2)
