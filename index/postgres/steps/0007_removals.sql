-- Deletes that are decided and carried out however long that takes, in a table that
-- the version before doesn't look at; and what pushes replace.

CREATE TABLE removals (
    id         bigint PRIMARY KEY,
    repository text COLLATE "C" NOT NULL,
    about      bytea NOT NULL,
    intent     bytea NOT NULL,
    UNIQUE (repository, about)
);
CREATE INDEX removals_repository ON removals (repository, id);

ALTER TABLE intents ADD COLUMN replaces bytea[];
