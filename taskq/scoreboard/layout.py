"""The offsets of all fields in a slot."""

from __future__ import annotations

import struct

from taskq.scoreboard.cancel_notice import SIZE as NOTICE_SIZE
from taskq.scoreboard.endings import BATCH_LIMIT
from taskq.scoreboard.endings import SIZE as ENDINGS_SIZE
from taskq.scoreboard.lanes import SIZE as LANES_SIZE

__all__ = ["BATCH_LIMIT"]
ID = 16
NAME = 240

# The comment of each field begins with its offset. Fields that are read or written together are adjacent: a call of struct costs
# as much as its work.
COUNTS = struct.Struct("=QQ")  # 0: finished jobs, permanently failed jobs
FLAGS = struct.Struct("=II")  # 16: phase, watched
BEAT = struct.Struct("=d")  # 24: monotonic time of the supervisor's last good heartbeat
LIMIT = struct.Struct("=dII")  # 24: the same, reconcile wanted, messages in the batch
BATCH = struct.Struct("=II")  # 36: messages in the batch, number of started ones
# 40: number of started ones, started (monotonic), attempt, started (epoch ms), deadline (monotonic, 0 = none), retry ms (-1 = none left)
CLAIM = struct.Struct("=IdIqdq")
START = struct.Struct("=dIqdq")  # 44: the same without the number
DETAILS = struct.Struct("=qdq")  # 56: known once the message is opened
UNCERTAIN = struct.Struct("=I")  # 80: uncertain
SIZE = struct.Struct("=H")  # 84: length of the name, then the name
U32 = struct.Struct("=I")
AT_COUNTS, AT_FLAGS, AT_WATCHED, AT_BEAT, AT_RECONCILE, AT_BATCH = 0, 16, 20, 24, 32, 36
AT_CLAIM, AT_START, AT_DETAILS, AT_UNCERTAIN, AT_NAME = 40, 44, 56, 80, 84
AT_DONE = AT_NAME + 2 + NAME
AT_IDS = AT_DONE + BATCH_LIMIT
AT_NOTICE = AT_IDS + BATCH_LIMIT * ID
AT_LANES = (AT_NOTICE + NOTICE_SIZE + 63) // 64 * 64
AT_ENDINGS = (AT_LANES + LANES_SIZE + 63) // 64 * 64
SLOT_SIZE = (AT_ENDINGS + ENDINGS_SIZE + 63) // 64 * 64
# The marks of the messages of a batch, from AT_DONE on: not done; done; done with a final state; all of that is stored.
DONE, HAS_ENDING, SETTLED = 1, 2, 3
