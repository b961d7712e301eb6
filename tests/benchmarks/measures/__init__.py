"""The measures: each file gives cases, which are run one after the other, round by round."""
