-- What decisions and long work leave to whoever comes after them.

CREATE TABLE journal (
    book  text COLLATE "C" NOT NULL,
    key   bytea NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (book, key)
);
