-- The notes of referrers that the upstream holds by no hidden tag.

CREATE TABLE unheld (
    repository text COLLATE "C" NOT NULL,
    digest     bytea NOT NULL,
    PRIMARY KEY (repository, digest)
);
