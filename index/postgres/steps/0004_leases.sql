-- What one process at a time may do, until when. An index of before gets the
-- table when it is opened.

CREATE TABLE leases (
    name       text COLLATE "C" PRIMARY KEY,
    holder     text NOT NULL,
    until      timestamptz NOT NULL,
    next       text NOT NULL DEFAULT '',
    next_until timestamptz NOT NULL DEFAULT '-infinity'
);
