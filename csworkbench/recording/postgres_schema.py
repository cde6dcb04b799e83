# SPDX-License-Identifier: Apache-2.0
"""The team store's tables, as the steps that led to them. A step that was published never changes; new ones follow."""

LOCK = 0x6373776F726B6201  # of pg_advisory_lock: one workbench at a time brings the tables up to date

MIGRATIONS_TABLE = """
CREATE SCHEMA IF NOT EXISTS csworkbench;
CREATE TABLE IF NOT EXISTS csworkbench.migrations (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now(),
    applied_by text NOT NULL
)
"""

MIGRATIONS: tuple[str, ...] = (
    # 1: `journal` and `samples` are the run file's tables with the run's number; `place` keeps the order in a batch.
    """
CREATE TABLE csworkbench.runs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    origin text NOT NULL UNIQUE,           -- hash of the first entry
    header text NOT NULL,                  -- JSON with escapes, as all JSON here: no text needs more than ASCII
    labels text NOT NULL DEFAULT '{}',   -- JSON
    position bigint NOT NULL DEFAULT 0,    -- journal.seq of the newest entry
    closed boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE csworkbench.journal (
    run_id bigint NOT NULL,
    seq bigint NOT NULL,
    at_ns bigint NOT NULL,                 -- recorder's CLOCK_MONOTONIC
    wall_ns bigint NOT NULL,               -- recorder's CLOCK_REALTIME
    kind text NOT NULL,
    body text NOT NULL,                    -- JSON as text: jsonb would refuse what a tenant may put into it
    PRIMARY KEY (run_id, seq)
);
CREATE TABLE csworkbench.samples (
    run_id bigint NOT NULL,
    batch bigint NOT NULL,                 -- journal.seq of the samples_arrived or late_arrived entry
    place integer NOT NULL,                -- from 0 within the batch
    lane bigint NOT NULL,
    seq bigint NOT NULL,
    intended_ns bigint NOT NULL,           -- all four stamps: the vantage's CLOCK_MONOTONIC
    sent_ns bigint NOT NULL,
    received_ns bigint NOT NULL,
    outcome smallint NOT NULL,             -- 0 ok, 1 fail, 2 unknown
    reason smallint NOT NULL,
    detail bigint NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (run_id, batch, place)
)
""",
)
