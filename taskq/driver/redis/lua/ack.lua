-- ack: forget messages that are done (or dropped).
-- KEYS: 1 reserved list of this worker
-- ARGV: 1.. ids
-- Returns: how many were still this worker's.
-- include: take, settle
return settle(KEYS[1], ARGV)
