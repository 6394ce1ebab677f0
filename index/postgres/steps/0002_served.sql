-- What was served under referrers tags.

CREATE TABLE served (
    repository text COLLATE "C" NOT NULL,
    digest     bytea  NOT NULL,
    tag        text   NOT NULL,
    until      bigint NOT NULL,
    body       bytea  NOT NULL,
    PRIMARY KEY (repository, digest)
);
CREATE INDEX served_until ON served (until, repository, digest);
