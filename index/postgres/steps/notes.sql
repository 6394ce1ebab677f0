-- Which steps were made, so that each is made once.

CREATE TABLE steps (
    step integer PRIMARY KEY,
    made timestamptz NOT NULL DEFAULT now()
);
