# SPDX-License-Identifier: Apache-2.0
"""The run file's tables. `journal` and `samples` are the one append-only history; the rest are views on it."""

FORMAT = 1

SCHEMA = """
CREATE TABLE header (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY,
    at_ns INTEGER NOT NULL,      -- recorder's CLOCK_MONOTONIC
    wall_ns INTEGER NOT NULL,    -- recorder's CLOCK_REALTIME
    kind TEXT NOT NULL,
    body TEXT NOT NULL           -- JSON
);
CREATE TABLE samples (
    batch INTEGER NOT NULL,      -- journal.seq of the samples_arrived or late_arrived entry
    lane INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    intended_ns INTEGER NOT NULL,  -- all four stamps: the vantage's CLOCK_MONOTONIC
    sent_ns INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    outcome INTEGER NOT NULL,    -- 0 ok, 1 fail, 2 unknown
    reason INTEGER NOT NULL,
    detail INTEGER NOT NULL,
    value INTEGER NOT NULL
);
CREATE INDEX samples_batch ON samples (batch);
CREATE VIEW vantages AS SELECT
    json_extract(body, '$.vantage.name') AS name, json_extract(body, '$.vantage.kind') AS kind,
    json_extract(body, '$.vantage.address') AS address, json_extract(body, '$.vantage.guest_ip') AS guest_ip,
    json_extract(body, '$.vantage.sentinel') AS sentinel
    FROM journal WHERE kind = 'vantage_added';
CREATE VIEW lanes AS SELECT
    json_extract(body, '$.lane.id') AS id, json_extract(body, '$.lane.service') AS service,
    json_extract(body, '$.lane.prober') AS prober, json_extract(body, '$.lane.flow') AS flow,
    json_extract(body, '$.lane.vantage') AS vantage, json_extract(body, '$.lane.target') AS target,
    json_extract(body, '$.lane.port') AS port, json_extract(body, '$.lane.subject') AS subject,
    json_extract(body, '$.lane.interval_ns') AS interval_ns, json_extract(body, '$.lane.tmax_ns') AS tmax_ns
    FROM journal WHERE kind = 'lane_added';
CREATE VIEW api_calls AS SELECT seq, at_ns,
    json_extract(body, '$.command') AS command, json_extract(body, '$.method') AS method,
    json_extract(body, '$.started_ns') AS started_ns, json_extract(body, '$.ended_ns') AS ended_ns,
    json_extract(body, '$.status') AS status, json_extract(body, '$.error') AS error
    FROM journal WHERE kind = 'api_called';
"""
