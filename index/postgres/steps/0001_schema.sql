-- The index in PostgreSQL. What the tables mean is said in doc.go.

CREATE TABLE meta (
    one       boolean PRIMARY KEY DEFAULT true CHECK (one),
    format    integer NOT NULL,
    live      integer NOT NULL,
    building  integer NOT NULL,
    given     integer NOT NULL,
    mirrored  boolean NOT NULL,
    horizon   bigint  NOT NULL
);

CREATE TABLE checkpoints (
    generation integer PRIMARY KEY,
    checkpoint bytea NOT NULL
);

CREATE TABLE repositories (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    generation integer NOT NULL,
    name       text COLLATE "C" NOT NULL,
    UNIQUE (generation, name)
);

CREATE TABLE manifests (
    stamp         bigint  NOT NULL,
    repository    integer NOT NULL,
    digest        bytea   NOT NULL,
    subject       bytea,
    created       bytea,
    artifact_type bytea   NOT NULL,
    shown         bytea   NOT NULL,
    kept          bytea   NOT NULL,
    PRIMARY KEY (repository, digest)
);
CREATE INDEX manifests_subject ON manifests (repository, subject, digest) WHERE subject IS NOT NULL;
CREATE INDEX manifests_created ON manifests (repository, subject, created, digest) WHERE subject IS NOT NULL;

CREATE TABLE parents (
    repository integer  NOT NULL,
    kind       smallint NOT NULL,
    target     bytea    NOT NULL,
    digest     bytea    NOT NULL,
    PRIMARY KEY (repository, target, digest, kind)
);

CREATE SEQUENCE intent_ids;
CREATE TABLE intents (
    id         bigint   PRIMARY KEY,
    kind       smallint NOT NULL,
    repository text COLLATE "C" NOT NULL,
    about      bytea    NOT NULL,
    subject    bytea,
    intent     bytea    NOT NULL
);
CREATE INDEX intents_about ON intents (repository, about);
CREATE INDEX intents_subject ON intents (repository, subject) WHERE subject IS NOT NULL;
CREATE INDEX intents_delete ON intents (repository) WHERE kind = 2;

CREATE TABLE history (
    sequence bigint PRIMARY KEY,
    at       timestamptz NOT NULL
);

CREATE TABLE changes (
    repository text COLLATE "C" NOT NULL,
    about      bytea  NOT NULL,
    gone       bigint NOT NULL,
    came       bigint NOT NULL,
    PRIMARY KEY (repository, about)
);
CREATE INDEX changes_last ON changes (greatest(gone, came));

CREATE SEQUENCE outbox_numbers;
CREATE TABLE outbox (
    number     bigint PRIMARY KEY,
    repository text COLLATE "C" NOT NULL,
    subject    bytea NOT NULL,
    UNIQUE (repository, subject)
);

CREATE TABLE passes (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    generation integer NOT NULL,
    against    integer NOT NULL,
    repository text COLLATE "C" NOT NULL,
    digest     bytea   NOT NULL
);

-- What comes and goes with every push leaves room soon, however large the
-- tables were.
ALTER TABLE intents SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
ALTER TABLE history SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

INSERT INTO meta (format, live, building, given, mirrored, horizon) VALUES (1, 1, 0, 1, false, 0);
INSERT INTO history (sequence, at) VALUES (0, now());
