-- Tables that earlier versions of this format lacked. They are made where they
-- are missing, whenever a store is opened.

CREATE TABLE IF NOT EXISTS unheld (
    repository text COLLATE "C" NOT NULL,
    digest     bytea NOT NULL,
    PRIMARY KEY (repository, digest)
);
