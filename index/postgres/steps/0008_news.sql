-- What came to be listed, where somebody wants to know.

ALTER TABLE meta ADD COLUMN news boolean NOT NULL DEFAULT false;

CREATE SEQUENCE news_numbers;
CREATE TABLE news (
    number     bigint PRIMARY KEY,
    at         timestamptz NOT NULL,
    repository text COLLATE "C" NOT NULL,
    digest     bytea NOT NULL,
    record     bytea NOT NULL
);
CREATE INDEX news_repository ON news (repository, number);
