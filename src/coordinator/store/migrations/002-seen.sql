-- What machines have shown of themselves, ever: host key, machine id, a sample of their generator. 16 bytes of the
-- SHA-256 of each, and 8 of whose it was: some 40 bytes a row and three rows a machine, which is why none is forgotten.
CREATE TABLE seen (
  mark  BLOB PRIMARY KEY CHECK (length(mark) = 16),
  owner BLOB NOT NULL CHECK (length(owner) = 8)
) STRICT, WITHOUT ROWID;
