-- A long history costs nobody anything: ended leases are found by name, and a runner's own in their order.
CREATE INDEX lease_ended_name ON lease (name, seq) WHERE state = 'ended';
CREATE INDEX lease_ended_runner ON lease (runner, seq) WHERE state = 'ended';
CREATE INDEX lease_live ON lease (seq) WHERE state <> 'ended';
