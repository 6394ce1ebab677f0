-- When images were made, as what they name says.

CREATE TABLE made (
    repository text COLLATE "C" NOT NULL,
    digest     bytea NOT NULL,
    at         bytea NOT NULL,
    PRIMARY KEY (repository, digest)
);
