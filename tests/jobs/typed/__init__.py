"""Tests of taskq/jobs/typed."""
